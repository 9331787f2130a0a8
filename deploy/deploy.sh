#!/usr/bin/env bash
# Brings a cluster to this version, and waits until it is there.
#   deploy/deploy.sh local|production [--context NAME]
# `local` builds the image and hands it to kind or minikube; `production` takes the one its kustomization names.
# Run again it changes what changed; a failed rollout ends with an error, and the workers of before go on.
set -euo pipefail
usage=$(sed -n '3s/^# *//p' "$0")
cd "$(dirname "$0")"

overlay=${1:-}
case $overlay in
  local | production) shift ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
context=()
if [ "${1:-}" = --context ]; then context=(--context "${2:?a context}"); shift 2; fi
[ $# = 0 ] || { echo "deploy: what is $1?" >&2; exit 2; }

say() { printf 'deploy: %s\n' "$*" >&2; }
kube() { kubectl ${context[@]+"${context[@]}"} --namespace livecharts "$@"; }
# The image's name and version are written once, in the base.
image() { echo "livecharts:$(sed -n 's/^ *newTag: *//p' k8s/base/kustomization.yaml)"; }

command -v kubectl >/dev/null || { say "needs kubectl"; exit 2; }
cluster=${context[1]:-$(kubectl config current-context)}

if [ "$overlay" = local ]; then
  docker build --tag "$(image)" ..
  case $cluster in
    kind-*) kind load docker-image "$(image)" --name "${cluster#kind-}" ;;
    minikube) minikube image load "$(image)" ;;
    *) say "$cluster is neither kind nor minikube: it must see this machine's images by itself" ;;
  esac
elif ! kube get secret livecharts >/dev/null; then
  say "the Secret livecharts is missing: docs/deploy.md says what belongs into it"
  exit 1
fi

say "$overlay to $cluster"
# What ran to its end cannot be changed, only made anew.
kube delete job --selector app.kubernetes.io/part-of=livecharts --ignore-not-found
kube apply --kustomize "k8s/overlays/$overlay"

kube wait job/migrate --for=condition=complete --timeout=5m
kube rollout status statefulset/worker --timeout=20m
kube rollout status deployment/lake --timeout=10m
say "done: deploy/port-forward.sh brings it to http://127.0.0.1:6066/"

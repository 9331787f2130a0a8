#!/usr/bin/env bash
# The cluster's charts at http://127.0.0.1:6066/, until Ctrl-C. A forward ends with the pod it chose, as in
# every rollout: then another is asked for.
#   deploy/port-forward.sh [--port PORT] [--context NAME]
set -euo pipefail

port=6066
context=()
while [ $# -gt 0 ]; do
  case $1 in
    --port) port=${2:?a port}; shift 2 ;;
    --context) context=(--context "${2:?a context}"); shift 2 ;;
    *) sed -n '4s/^# *//p' "$0" >&2; exit 2 ;;
  esac
done
command -v kubectl >/dev/null || { echo "port-forward: needs kubectl" >&2; exit 2; }

trap 'exit 0' INT TERM
until ! kubectl ${context[@]+"${context[@]}"} --namespace livecharts get service livecharts >/dev/null; do
  echo "port-forward: http://127.0.0.1:$port/" >&2
  kubectl ${context[@]+"${context[@]}"} --namespace livecharts port-forward \
    --address 127.0.0.1 service/livecharts "$port:80" >/dev/null || true
  sleep 1
done
exit 1

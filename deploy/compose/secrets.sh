#!/bin/sh
# Makes the passwords of this machine's containers, once; they never leave the volume they lie in.
# Files named charts_* are settings (CHARTS_SECRETS_DIR), the others what the servers beside us want.
set -eu
folder=${1:-/run/livecharts}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# put NAME CONTENT: written whole or not at all, and never again.
put() {
  [ -e "$folder/$1" ] && return
  printf '%s' "$2" >"$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
}

umask 022
put postgres_password "$(random)"
put charts_postgres_url "postgresql://charts:$(cat "$folder/postgres_password")@postgres:5432/charts"
put charts_jwt_secret "$(random)"
put charts_metrics_token "$(random)"
put grafana_password "$(random)"
put s3_access_key "$(random)"
put s3_secret_key "$(random)"
put aws_credentials "[default]
aws_access_key_id = $(cat "$folder/s3_access_key")
aws_secret_access_key = $(cat "$folder/s3_secret_key")
"

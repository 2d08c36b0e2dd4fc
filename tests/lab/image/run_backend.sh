#!/bin/sh
# The entrypoint: credentials first, then the backend in this process's place, with the secret among its arguments.
set -e
DATA_DIR=${DATA_DIR:-/convex/data}
export TMPDIR=${TMPDIR:-$DATA_DIR/tmp}
mkdir -p "$TMPDIR" "$DATA_DIR/storage"
. ./read_credentials.sh

if [ -n "${POSTGRES_URL:-${DATABASE_URL:-}}" ]; then
    set -- --db postgres-v5 "${POSTGRES_URL:-$DATABASE_URL}" "$@"
elif [ -n "${MYSQL_URL:-}" ]; then
    set -- --db mysql-v5 "$MYSQL_URL" "$@"
else
    set -- "$DATA_DIR/db.sqlite3" "$@"
fi

exec ./convex-local-backend \
    --instance-name "$INSTANCE_NAME" \
    --instance-secret "$INSTANCE_SECRET" \
    --port 3210 --site-proxy-port 3211 \
    --convex-origin "${CONVEX_CLOUD_ORIGIN-http://127.0.0.1:3210}" \
    --convex-site "${CONVEX_SITE_ORIGIN-http://127.0.0.1:3211}" \
    --beacon-tag self-hosted-docker \
    ${DISABLE_BEACON:+--disable-beacon} \
    ${REDACT_LOGS_TO_CLIENT:+--redact-logs-to-client} \
    ${DO_NOT_REQUIRE_SSL:+--do-not-require-ssl} \
    --local-storage "$DATA_DIR/storage" \
    "$@"

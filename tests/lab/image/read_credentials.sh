# Sourced by both scripts. Settles name and secret, in this order: a non-empty variable, the file, a new one. Whatever wins is
# written back, so that a variable overwrites the file for good, and an empty file stays empty (upstream behaves so).
DATA_DIR=${DATA_DIR:-/convex/data}
CREDENTIALS_DIR=${CREDENTIALS_DIR:-$DATA_DIR/credentials}
mkdir -p "$CREDENTIALS_DIR"

settle() { # variable file command-for-a-new-one
    eval "value=\${$1-}"
    if [ -z "$value" ]; then
        value=$(cat "$2" 2>/dev/null) || value=$($3)
    fi
    echo "$value" > "$2"
    eval "export $1=\$value"
}

new_secret() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
default_name() { echo convex-self-hosted; }

settle INSTANCE_NAME "$CREDENTIALS_DIR/instance_name" default_name
settle INSTANCE_SECRET "$CREDENTIALS_DIR/instance_secret" new_secret

#!/bin/sh
# Prints a key for the credentials at hand: the label on stderr, the key on stdout.
set -e
. ./read_credentials.sh
exec ./generate_key "$INSTANCE_NAME" "$INSTANCE_SECRET"

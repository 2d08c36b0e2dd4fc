#!/usr/bin/env bash
# Makes what the image is built from.
#
#   packaging/release/image/context.sh DIR AMD64_BINARY ARM64_BINARY
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/root/tmp"
chmod 1777 "$1/root/tmp"
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$1/root/etc/ssl/certs/ca-certificates.crt"
install -m 644 "$here/Dockerfile" "$1/Dockerfile"
# What passed through an archive of CI is executable no longer.
install -m 755 "$2" "$1/convex-doctor-amd64"
install -m 755 "$3" "$1/convex-doctor-arm64"

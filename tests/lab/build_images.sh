#!/usr/bin/env bash
# Builds the two images of the lab from a compiled `convex-lab` example, without any registry, and tags them as upstream's.
#   tests/lab/build_images.sh target/debug/examples/convex-lab
set -euo pipefail
program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# The program without its debug information, with the libraries it is linked to at their own paths.
mkdir -p "$stage/root/convex" "$stage/root/bin" "$stage/root/tmp" "$stage/root/etc"
strip -o "$stage/root/convex/convex-local-backend" "$program"
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$stage/root$(dirname "$library")"
    cp -L "$library" "$stage/root$library"
done
echo 'root:x:0:0:root:/:/bin/sh' > "$stage/root/etc/passwd"

dashboard=$stage/dashboard
mkdir "$dashboard"
cp -r "$stage/root" "$dashboard/root"
mv "$dashboard/root/convex/convex-local-backend" "$dashboard/root/convex/dashboard"
cp "$here/dashboard/Dockerfile" "$dashboard"

ln "$stage/root/convex/convex-local-backend" "$stage/root/convex/generate_key"
cp "$(command -v busybox)" "$stage/root/bin/busybox"
cp "$here"/image/* "$stage"
chmod +x "$stage"/*.sh "$stage/curl"

export DOCKER_BUILDKIT=0
docker build -q -t ghcr.io/get-convex/convex-backend:latest -f "$stage/Dockerfile" "$stage" 2>&1 | grep -v -i -e deprecated -e build -e environment-variable -e '^$'
docker build -q -t ghcr.io/get-convex/convex-dashboard:latest "$dashboard" 2>&1 | grep -v -i -e deprecated -e build -e environment-variable -e '^$'

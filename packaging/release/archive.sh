#!/usr/bin/env bash
# Packs a program for a release: NAME-VERSION-TARGET.tar.gz, the same from the same files. Needs GNU tar.
#
#   packaging/release/archive.sh TARGET BINARY OUT
set -euo pipefail
. "$(dirname "$0")/cargo.sh"

target=$1 binary=$2 out=$3
[ -f "$binary" ] || fail "there is no $binary"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=convex-doctor
case $target in *windows*) file=convex-doctor.exe ;; esac
# What passed through an archive of CI is executable no longer.
install -m 755 "$binary" "$work/$file"
install -m 644 "$root"/{README.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE} "$work"
mkdir -p "$out"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work" -cf - . |
    gzip -9n >"$out/$name-$version-$target.tar.gz"

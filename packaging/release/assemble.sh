#!/usr/bin/env bash
# Makes the files of a release from the programs that were built, which are in PROGRAMS/program-TARGET/: in OUT/files the
# archives, SHA256SUMS and the Homebrew formula, in OUT/npm the npm packages, and the notes in OUT/notes.md.
#
#   packaging/release/assemble.sh PROGRAMS OUT REPOSITORY_URL
set -euo pipefail
. "$(dirname "$0")/cargo.sh"

programs=$1 out=$2 url=$3
for dir in "$programs"/program-*; do
    target=${dir##*/program-}
    binary=$(find "$dir" -type f -name 'convex-doctor*')
    "$root/packaging/release/archive.sh" "$target" "$binary" "$out/files"
    "$root/packaging/npm/pack.sh" --target "$target" --out "$out/npm" "$binary"
done
(cd "$out/files" && sha256sum ./*.tar.gz | sed 's# \./# #' >SHA256SUMS)
"$root/packaging/release/homebrew.sh" "$out/files/SHA256SUMS" "$url" >"$out/$name.rb"
mv "$out/$name.rb" "$out/files/"

# The newest entry, up to the next one.
awk '/^## \[/ { entry++ } entry == 1 && !/^## \[/' "$root/CHANGELOG.md" >"$out/notes.md"

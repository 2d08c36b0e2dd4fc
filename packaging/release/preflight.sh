#!/usr/bin/env bash
# What must agree before a release does: the tag, the version in Cargo.toml, the newest entry of CHANGELOG.md, and the
# repository that Cargo.toml names (npm refuses provenance for another one). The pages must name the repository's owner.
#
#   packaging/release/preflight.sh TAG REPOSITORY_URL
set -euo pipefail
. "$(dirname "$0")/cargo.sh"

tag=$1 url=$2
newest=$(sed -n 's/^## \[\([^]]*\)\].*/\1/p' "$root/CHANGELOG.md" | head -n 1)
[ "$tag" = "v$version" ] || fail "the tag is $tag, the version in Cargo.toml is $version"
[ "$newest" = "$version" ] || fail "the newest entry of CHANGELOG.md is $newest, the version is $version"
[ "$(cargo_member repository)" = "$url" ] || fail "repository in Cargo.toml is not $url"
for page in README.md docs/ci.md; do
    ! grep -q 'OWNER/' "$root/$page" || fail "$page has OWNER instead of the owner of the repository"
done

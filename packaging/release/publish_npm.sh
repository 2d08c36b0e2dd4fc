#!/usr/bin/env bash
# Publishes the npm tarballs in DIR: the platforms first, then the documentation if it is there, the launcher last, so that
# nobody can install a launcher whose platforms are missing. It can run again after a failure: what is published is skipped.
#
#   packaging/release/publish_npm.sh DIR [ARGUMENTS OF npm publish]
set -euo pipefail
. "$(dirname "$0")/cargo.sh"

dir=$1
shift
launcher=$dir/$name-$version.tgz
[ -f "$launcher" ] || fail "there is no $launcher"
platforms=$(tar -xzOf "$launcher" package/package.json |
    node -p 'Object.keys(JSON.parse(require("fs").readFileSync(0)).optionalDependencies).join("\n")')
order=()
for package in $platforms; do
    [ -f "$dir/$package-$version.tgz" ] || fail "the launcher asks for $package, and there is no tarball of it"
    order+=("$package")
done
[ -f "$dir/$name-docs-$version.tgz" ] && order+=("$name-docs")
order+=("$name")

for package in "${order[@]}"; do
    if [ -n "$(npm view "$package@$version" version 2>/dev/null || true)" ]; then
        echo "$package@$version is published already"
    else
        npm publish "$@" "$dir/$package-$version.tgz"
    fi
done

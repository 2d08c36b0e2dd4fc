#!/usr/bin/env bash
# The second step of action.yml: runs the convex-doctor that is on PATH with the options that the variables INPUT_… say,
# and writes annotations, the summary, the reports and the outputs. It ends with the exit code of convex-doctor.
#
# The inputs may hold anything: none is read by a shell, and none is printed here, because a line of the log that begins
# with :: is a command to the runner.
set -euo pipefail

wrong() {
    echo "::error title=convex-doctor::The input $1 must be $2."
    exit 2
}

# `diagnose` comes first, so no input can name another command.
words=(diagnose)

value() {
    case $2 in
        '') ;;
        *[[:cntrl:]]*) wrong "$1" 'one line' ;;
        *) words+=("--$1=$2") ;;
    esac
}

switch() {
    case $2 in
        true) words+=("--$1") ;;
        false | '') ;;
        *) wrong "$1" 'true or false' ;;
    esac
}

each() {
    local one
    # A pattern such as * does not become names of files.
    set -f
    for one in ${2//,/ }; do
        value "$1" "$one"
    done
    set +f
}

value directory "$INPUT_DIRECTORY"
value wait "$INPUT_WAIT"
switch ephemeral "$INPUT_EPHEMERAL"
switch no-docker "$INPUT_NO_DOCKER"
if [ "$INPUT_NO_DOCKER" != true ]; then
    switch require-docker "$INPUT_REQUIRE_DOCKER"
fi
switch require-network "$INPUT_REQUIRE_NETWORK"
value fail-on "$INPUT_FAIL_ON"
each only "$INPUT_ONLY"
each ignore "$INPUT_IGNORE"

reports=$(mktemp -d "$RUNNER_TEMP/convex-doctor.XXXXXX")
words+=(--format=github --format=sarif --format=json)
words+=(--output=- "--output=$reports/doctor.sarif" "--output=$reports/doctor.json")

while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    case $line in
        '') ;;
        *[[:cntrl:]]*) wrong args 'plain lines' ;;
        -*) words+=("$line") ;;
        *) wrong args 'options, one a line, as --name=value' ;;
    esac
done <<<"$INPUT_ARGS"

code=0
convex-doctor "${words[@]}" || code=$?
case $code in
    0 | 1) ;;
    2) echo '::error title=convex-doctor::An input is wrong. The log of this step says which one.' ;;
    *) echo '::error title=convex-doctor::Something could not be checked. The log of this step says what.' ;;
esac

echo "exit-code=$code" >>"$GITHUB_OUTPUT"
for kind in sarif json; do
    if [ -s "$reports/doctor.$kind" ]; then
        echo "$kind=$reports/doctor.$kind" >>"$GITHUB_OUTPUT"
    fi
done
if [ -s "$reports/doctor.json" ]; then
    verdict=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).verdict' "$reports/doctor.json")
    echo "verdict=$verdict" >>"$GITHUB_OUTPUT"
fi
exit "$code"

#!/usr/bin/env bash
# The first step of action.yml: installs the npm package of this version in a directory of its own, never in the project,
# and puts it on PATH for the steps that follow. It is installed once per job.
set -euo pipefail
. "$(dirname "$0")/../release/cargo.sh"

fail() {
    echo "::error title=convex-doctor::$*"
    exit 3
}

command -v npm >/dev/null || fail 'npm is not on PATH. Run actions/setup-node with Node 18 or later before this step.'
place=$RUNNER_TEMP/$name-$version
bin=$place/node_modules/.bin
if [ ! -e "$bin/convex-doctor" ]; then
    mkdir -p "$place"
    # So npm reads the settings of no project, and looks for no package in a directory above. The rest of the options stand
    # against settings in the environment.
    echo '{"private":true}' >"$place/package.json"
    (cd "$place" && npm install --prefix . --no-global --location=project --include=optional --ignore-scripts --no-save --no-package-lock \
        --no-audit --no-fund --loglevel=error "$name@$version") ||
        fail "npm could not install $name@$version. The log of this step says why."
fi
said=$("$bin/convex-doctor" --version) || fail "$name@$version does not run on this machine. The log of this step says why."
[ "$said" = "convex-doctor $version" ] || fail "convex-doctor $version was installed, but another version answers."
echo "$said"
echo "$bin" >>"$GITHUB_PATH"

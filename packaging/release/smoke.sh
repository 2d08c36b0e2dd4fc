#!/bin/sh
# Whether a program that was built runs on this machine: its version, and the verdict of each demo. For any POSIX shell,
# because it also runs in small container images.
#
#   packaging/release/smoke.sh BINARY VERSION
set -eu

binary=$1
said=$("$binary" --version)
[ "$said" = "convex-doctor $2" ] || { echo "error: --version says $said" >&2; exit 1; }

demos=$(dirname "$0")/demos.txt
for demo in $("$binary" demo --list | cut -d ' ' -f 1); do
    code=0
    report=$("$binary" demo "$demo" 2>/dev/null) || code=$?
    finding=$(echo "$report" | sed -n 's/.*convex-doctor explain \([a-z-]*\).*/\1/p' | head -n 1)
    is="$demo $code ${finding:--}"
    grep -qx -e "$is" "$demos" || { echo "error: \"$is\" is not in $demos" >&2; exit 1; }
done
echo "$said: all demos are right"

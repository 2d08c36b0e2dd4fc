#!/usr/bin/env bash
# Makes the npm packages, as tarballs in target/npm. Publishes nothing.
#
#   packaging/npm/pack.sh [--target TRIPLE] [BINARY]   the launcher, and the package of one platform
#   packaging/npm/pack.sh --docs DIR                   the pages in DIR, as NAME-docs
#
# --target says which platform BINARY is for (otherwise: this machine). Without BINARY it takes
# target/dist/convex-doctor, or target/release/convex-doctor. --out DIR replaces target/npm.
exec node "$(dirname "$0")/pack.mjs" "$@"

#!/usr/bin/env bash
# Fills tests/fuzz/corpus/ with seeds from fixtures/, a directory per target.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo test --test all fuzzing::seeds_are_written -- --exact --ignored

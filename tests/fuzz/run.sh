#!/usr/bin/env bash
# Runs the fuzz targets named, or all, for SECONDS_EACH (60) seconds each: `tests/fuzz/run.sh key gate`.
#
# It needs no nightly: LLVM's coverage, which libFuzzer follows, is there on stable, too. cargo-fuzz
# adds the address sanitizer, which is nightly's.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${SECONDS_EACH:-60}
host=$(rustc -vV | sed -n 's/^host: //p')

[ $# -gt 0 ] || set -- $(sed -n 's/^path = "targets\/\(.*\)\.rs"/\1/p' tests/fuzz/Cargo.toml)
[ -d tests/fuzz/corpus ] || tests/fuzz/seed.sh

# With --target, only what runs here is instrumented, and no build script.
flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
flags+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
flags+=' -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0'
flags+=' -Cdebug-assertions -Coverflow-checks -Ccodegen-units=8 --cfg fuzzing'
RUSTFLAGS=$flags CARGO_TARGET_DIR=tests/fuzz/target \
    cargo build --release --bins --target "$host" --manifest-path tests/fuzz/Cargo.toml

failed=
for target; do
    echo "-- $target"
    corpus=tests/fuzz/corpus/$target artifacts=tests/fuzz/artifacts/$target/
    mkdir -p "$corpus" "$artifacts"
    "tests/fuzz/target/$host/release/$target" "$corpus" -artifact_prefix="$artifacts" -print_final_stats=1 \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 -max_len=65536 >"$artifacts/log" 2>&1 ||
        failed+=" $target"
    grep -E 'panicked|ERROR|SUMMARY|number_of_executed_units|new_units_added' -A1 "$artifacts/log" | head -n 20
done
[ -z "$failed" ] || { echo "failed:$failed; the inputs are in tests/fuzz/artifacts/"; exit 1; }

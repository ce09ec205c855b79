#!/bin/sh
# scripts/fuzz.sh SECONDS [TARGET...]: run the libFuzzer targets of build/fuzz, each SECONDS long, on their corpus.
# New inputs stay in build/fuzz/corpus; a finding is a file crash-* or timeout-* there, and exit status 1.
set -eu
cd "$(dirname "$0")/.."

seconds=$1
shift
[ $# -gt 0 ] || set -- $(cd build/fuzz/tests/fuzz && ls | sed -n 's/^fuzz_\([a-z0-9_]*\)$/\1/p')
[ $# -gt 0 ] || {
    echo "fuzz: nothing built: scripts/build.sh fuzz" >&2
    exit 1
}
status=0
for target; do
    found=build/fuzz/corpus/$target
    mkdir -p "$found"
    echo "fuzz: $target, $seconds s"
    if ! build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$target" >"$found.log" 2>&1; then
        tail -n 40 "$found.log" >&2
        status=1
    fi
    sed -n 's/^stat::number_of_executed_units: */  inputs: /p' "$found.log"
done
exit $status

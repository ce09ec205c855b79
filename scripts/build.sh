#!/bin/sh
# scripts/build.sh PRESET [arguments of cmake --build]: configure once, then build.
# QBENCH_CMAKE_ARGS: further arguments for the configuration.
set -eu
cd "$(dirname "$0")/.."

preset=$1
shift
generator=
if [ ! -f "build/$preset/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then
    generator="-G Ninja"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
cmake --preset "$preset" $generator ${QBENCH_CMAKE_ARGS:-} >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
cmake --build "build/$preset" "$@"

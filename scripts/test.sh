#!/bin/bash
# The fast tests, then unit tests, kernel checks and the fuzz corpus under the sanitizers.
#
#   scripts/test.sh [STEP...]   steps: release asan tsan fuzz; all when CI=true, all but fuzz otherwise
#
# Every step runs even if an earlier one failed; the summary says what did.
set -u
cd "$(dirname "$0")/.." || exit 1

ci=${CI:-false}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
default_steps="release asan tsan"
setup_mode="test"
strict= # not for the sanitizers: they make gcc warn of what cannot happen
if [ "$ci" = true ]; then
    strict="-DQBENCH_WERROR=ON"
    default_steps="release asan tsan fuzz"
    setup_mode=ci
fi
steps=${*:-$default_steps}
summary=
failed=0

note() {
    summary+="$(printf '%-8s %s' "$1" "$2")"$'\n'
}

# "ctest counts of build/PRESET": programs from ctest's last line, cases from what cmocka printed.
count() {
    local log=build/$1/Testing/Temporary/LastTest.log
    local cases
    cases=$(awk '/^\[  PASSED  \] [0-9]+ test/ { n += $4 } END { print n + 0 }' "$log" 2>/dev/null)
    echo "$2; $cases cmocka cases passed"
}

# run_tests PRESET [arguments of ctest]
run_tests() {
    local preset=$1 out last
    shift
    out=$(mktemp)
    $wrapper ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error "$@" </dev/null 2>&1 | tee "$out"
    local status=${PIPESTATUS[0]}
    last=$(grep 'tests passed' "$out" | tail -n 1)
    rm -f "$out"
    note "$preset" "$(count "$preset" "${last:-no result}")"
    return "$status"
}

build() {
    scripts/build.sh "$@" -j "$jobs" && return
    note "$1" "the build failed"
    return 1
}

# gcc's thread sanitizer cannot start where the kernel randomizes addresses by more bits than it knows.
tsan_wrapper() {
    local probe
    probe=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$probe/p.c"
    cc -fsanitize=thread "$probe/p.c" -o "$probe/p" 2>/dev/null
    if "$probe/p" >/dev/null 2>&1; then
        wrapper=
    elif setarch -R "$probe/p" >/dev/null 2>&1; then
        wrapper="setarch -R"
    else
        wrapper=none
    fi
    rm -rf "$probe"
}

step_release() {
    QBENCH_CMAKE_ARGS=$strict build release && run_tests release -LE slow
}

step_asan() {
    build asan && run_tests asan -L 'unit|kernels|fuzz' -LE slow
}

step_tsan() {
    tsan_wrapper
    if [ "$wrapper" = none ]; then
        wrapper=
        note tsan "skipped: the thread sanitizer does not start on this machine"
        return 0
    fi
    build tsan && run_tests tsan -L threads
    local status=$?
    wrapper=
    return $status
}

# clang: a second opinion on warnings, and libFuzzer.
step_fuzz() {
    QBENCH_CMAKE_ARGS=$strict build fuzz || return 1
    if scripts/fuzz.sh 20; then
        note fuzz "20 s a target, nothing found"
    else
        note fuzz "a finding: see above"
        return 1
    fi
}

wrapper=
scripts/setup.sh $setup_mode || exit 1
for step in $steps; do
    echo "== $step"
    start=$SECONDS
    "step_$step" || failed=1
    echo "== $step took $((SECONDS - start)) s"
done
printf '\n%s' "$summary"
[ $failed -eq 0 ] && echo "all passed" || echo "FAILED"
exit $failed

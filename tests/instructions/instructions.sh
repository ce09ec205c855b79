#!/bin/sh
# Instructions of kernels, counted by callgrind: they do not move with the noise of a machine.
#
#   instructions.sh check  KERNEL_CHECK BASELINE COMPILER   compare; exit 1 when a count moved by more than 3 %
#   instructions.sh update KERNEL_CHECK BASELINE COMPILER   print a new baseline for the same kernels
#
# COMPILER: "GNU 12". Counts depend on it: other ones than the baseline's are skipped (exit 77).
set -eu
mode=$1 kernel_check=$2 baseline=$3 compiler=$4
most_percent=3
calls=20

skip() {
    echo "skipped: $1"
    exit 77
}

# Instructions of one call of a kernel, all that it calls included.
count() {
    out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="qb_$1" \
        "$kernel_check" --filter "$1" --calls "$calls" 2>&1) || {
        echo "$out" >&2
        exit 1
    }
    echo "$out" | awk -v calls="$calls" '/Collected :/ { printf "%d\n", $NF / calls }'
}

command -v valgrind >/dev/null || skip "valgrind is not installed"
built_with=$(sed -n 's/^# compiler //p' "$baseline")
[ "$mode" = update ] || [ "$built_with" = "$compiler" ] || skip "the baseline is of $built_with, this build of $compiler"

if [ "$mode" = update ]; then
    grep '^#' "$baseline" | sed "s/^# compiler .*/# compiler $compiler/"
    grep -v '^#' "$baseline" | while read -r kernel _; do
        printf '%s %s\n' "$kernel" "$(count "$kernel")"
    done
    exit 0
fi

failed=0
while read -r kernel want; do
    case $kernel in '#'*) continue ;; esac
    got=$(count "$kernel")
    if awk -v got="$got" -v want="$want" -v most=$most_percent \
        'BEGIN { d = 100 * (got / want - 1); exit !(got > 0 && d <= most && d >= -most) }'; then
        echo "ok   $kernel $got"
    else
        echo "FAIL $kernel: $got instructions a call, the baseline has $want (update it if that is meant)"
        failed=1
    fi
done <"$baseline"
exit $failed

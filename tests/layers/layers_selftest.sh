#!/bin/sh
# Proves that each check of layers.sh can fail: a clean sample tree passes, and one flaw at a time is found.
#
#   layers_selftest.sh LAYERS_SH
set -eu

layers=$1
compiler=${QB_CC:-cc}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

make_clean_tree() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/base" "$tree/kernels/x86" "$tree/engine" "$tree/bench" "$tree/reports"
    printf '#ifndef A_H\n#define A_H\n#include <stddef.h>\nsize_t qb_a(void);\n#endif\n' >"$tree/base/a.h"
    printf '/* exit( and printf( in a comment */\n#include "base/a.h"\nsize_t qb_a(void)\n{\n    return sizeof "exit(1)";\n}\n' \
        >"$tree/base/a.c"
    printf '#include "base/a.h"\n#if defined(__x86_64__)\nint qb_k;\n#endif\n' >"$tree/kernels/k.c"
    printf '#include "kernels/k.h"\n#include "base/a.h"\n' >"$tree/engine/e.c"
    printf 'extern int qb_k;\n' >"$tree/kernels/k.h"
    printf '#include "engine/e.h"\n#include "reports/r.h"\n#include <stdio.h>\nint main(void)\n{\n    printf("x");\n}\n' >"$tree/bench/m.c"
    : >"$tree/engine/e.h"
    : >"$tree/reports/r.h"
}

failures=0

expect_pass() {
    if ! output=$(sh "$layers" "$@" 2>&1); then
        echo "clean tree fails '$1': $output"
        failures=$((failures + 1))
    fi
}

# expect_finding TEXT CHECK ROOT [...]
expect_finding() {
    text=$1
    shift
    if output=$(sh "$layers" "$@" 2>&1); then
        echo "flaw not found by '$1': $text"
        failures=$((failures + 1))
    elif ! echo "$output" | grep -q "$text"; then
        echo "'$1' failed, but not with '$text': $output"
        failures=$((failures + 1))
    fi
    make_clean_tree
}

make_library() {
    (cd "$tree" && "$compiler" -I. -c base/a.c -o a.o && ar rc lib.a a.o && rm a.o)
}

make_clean_tree
for check in includes headers names output isa sizes; do
    expect_pass $check "$tree"
done
make_library
expect_pass symbols "$tree" "$tree/lib.a"

echo '#include "engine/e.h"' >>"$tree/kernels/k.c"
expect_finding 'kernels may not include engine/e.h' includes "$tree"
echo '#  include "bench/m.h"' >>"$tree/base/a.h"
expect_finding 'base may not include bench/m.h' includes "$tree"
echo '#include "reports/r.h"' >>"$tree/engine/e.c"
expect_finding 'engine may not include reports/r.h' includes "$tree"
echo '#include "kernels/k.h"' >>"$tree/reports/r.h"
expect_finding 'reports may not include kernels/k.h' includes "$tree"
echo '#include "k.h"' >>"$tree/kernels/k.c"
expect_finding 'not written from the root: k.h' includes "$tree"
echo '#include "kernels/../engine/e.h"' >>"$tree/kernels/k.c"
expect_finding 'not written from the root' includes "$tree"
echo 'size_t qb_needs_stddef(void);' >"$tree/engine/e.h"
expect_finding 'engine/e.h does not compile alone' headers "$tree"
cp "$tree/base/a.c" "$tree/kernels/x86/a.c"
expect_finding 'called a.c' names "$tree"
printf 'int stray;\n' >>"$tree/base/a.c"
make_library
expect_finding 'without qb_: stray' symbols "$tree" "$tree/lib.a"
printf 'void qb_f(void)\n{\n    exit(1);\n}\n' >>"$tree/base/a.c"
expect_finding 'may not call exit' output "$tree"
printf 'void qb_f(void)\n{\n    if (1) printf("x");\n}\n' >>"$tree/engine/e.c"
expect_finding 'may not call printf' output "$tree"
printf 'void qb_f(void)\n{\n    fputs("x", stdout);\n}\n' >>"$tree/reports/r.h"
expect_finding 'may not use stdout' output "$tree"
printf 'void qb_f(void)\n{\n    abort();\n}\n' >>"$tree/engine/e.c"
expect_finding 'may not call abort' output "$tree"
printf 'void qb_f(void)\n{\n#ifdef __AVX2__\n    int x;\n#endif\n}\n' >>"$tree/kernels/k.c"
expect_finding 'inside a function' isa "$tree"
i=0
while [ $i -lt 101 ]; do
    printf '\n\n\n\n\n\n\n\n\n\n'
    i=$((i + 1))
done >>"$tree/base/a.c"
expect_finding 'base/a.c: 10' sizes "$tree"
if sh "$layers" includes "$tree/reports" >/dev/null 2>&1; then
    echo "an empty tree passes"
    failures=$((failures + 1))
fi

[ $failures -eq 0 ] || exit 1
echo "every flaw was found"

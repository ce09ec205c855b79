#!/bin/sh
# clang-format finds nothing to change. Versions differ in taste, so only the one that the tree is written with counts.
#
#   format.sh ROOT
set -eu

wanted=14
cd "$1"
for tool in clang-format-$wanted clang-format; do
    if command -v "$tool" >/dev/null 2>&1 && "$tool" --version | grep -q "version $wanted\."; then
        find base kernels engine datasets reports bench tests \( -name '*.c' -o -name '*.h' \) -print0 |
            xargs -0 "$tool" --dry-run --Werror
        echo "the format is right"
        exit 0
    fi
done
echo "skipped: clang-format $wanted is not installed"
exit 77

#!/bin/sh
# `cmake --install` puts the program, its man page and its completions where a package expects them, and they are
# sound: the program starts, the man page formats without a warning, the shells accept the completions.
#
#   install.sh BUILD_FOLDER
set -eu

build=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failures=0

fail() {
    echo "install: $1"
    failures=$((failures + 1))
}

DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
installed="$root/usr"
man=$installed/share/man/man1/qbench.1
bash_completion=$installed/share/bash-completion/completions/qbench
zsh_completion=$installed/share/zsh/site-functions/_qbench
for file in "$man" "$bash_completion" "$zsh_completion"; do
    [ -s "$file" ] || fail "missing or empty: $file"
done
(cd / && find "$root" -type f) | while read -r file; do
    case $file in
    "$installed/bin/qbench" | "$man" | "$bash_completion" | "$zsh_completion") ;;
    *) echo "install: not expected: $file" ;;
    esac
done | grep . && failures=$((failures + 1))

"$installed/bin/qbench" --version | grep -q '^qbench [0-9]' || fail "the installed program does not tell its version"
for option in --model --threads --formats --report-dir; do
    grep -q -e "$(echo "$option" | sed 's/-/\\\\-/g')" "$man" || fail "no $option in the man page"
    grep -q -e "$option" "$bash_completion" || fail "no $option in the completion for bash"
done
if command -v groff >/dev/null 2>&1; then
    warnings=$(groff -man -Tutf8 -ww "$man" 2>&1 >/dev/null)
    [ -z "$warnings" ] || fail "groff: $warnings"
fi
if command -v bash >/dev/null 2>&1; then
    bash -n "$bash_completion" || fail "bash does not read its completion"
    found=$(bash -c '. "$1"; COMP_WORDS=(qbench --thr) COMP_CWORD=1; _qbench; echo "${COMPREPLY[@]}"' - "$bash_completion")
    case " $found " in
    *" --threads "*) ;;
    *) fail "bash completes --thr to '$found'" ;;
    esac
fi
if command -v zsh >/dev/null 2>&1; then
    zsh -n "$zsh_completion" || fail "zsh does not read its completion"
fi

[ $failures -eq 0 ] || exit 1
echo "4 files installed and sound"

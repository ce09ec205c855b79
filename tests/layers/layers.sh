#!/bin/sh
# Rules of the tree that a compiler does not check.
#
#   layers.sh CHECK ROOT [LIBRARY...]
#
#   includes  base <- kernels <- engine <- bench; base <- datasets, reports <- bench; tests see all
#   headers   every header compiles alone (QB_CC: the compiler)
#   names     no two source files share a name
#   symbols   what the given static libraries export starts with qb_
#   output    libraries neither print to stdout nor exit
#   isa       no #if on an instruction set inside a function
#   sizes     no source file over 1000 lines (tables aside)
#
# Each finding is a line; the exit status is 1 when there was one.
set -eu

check=$1
root=$2
shift 2
cd "$root"

folders="base kernels engine datasets reports bench tests"
libraries="base kernels engine datasets reports"

sources() {
    for folder in $1; do
        [ -d "$folder" ] && find "$folder" -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) -print
    done | sort
}

# The checks print findings; an empty output is a pass.
check_includes() {
    sources "$folders" | while read -r file; do
        awk -v file="$file" '
            BEGIN {
                may["base"] = " base "
                may["kernels"] = " base kernels "
                may["engine"] = " base kernels engine "
                may["datasets"] = " base datasets "
                may["reports"] = " base reports "
                may["bench"] = " base kernels engine datasets reports bench "
                may["tests"] = " base kernels engine datasets reports bench tests "
                folder = file
                sub("/.*", "", folder)
            }
            /^[ \t]*#[ \t]*include[ \t]*"/ {
                path = $0
                sub("^[^\"]*\"", "", path)
                sub("\".*", "", path)
                if (path == "build_commit.h") # made by the build
                    next
                # `qbench kernels check` runs the same library as the test program
                if (file == "bench/cmd_kernels.c" && path == "tests/kernel_check/kernel_check.h")
                    next
                if (path !~ "/" || path ~ "\\.\\.") {
                    print file ":" NR ": include is not written from the root: " path
                    next
                }
                target = path
                sub("/.*", "", target)
                if (index(may[folder], " " target " ") == 0)
                    print file ":" NR ": " folder " may not include " path
            }' "$file"
    done
}

# Flags by the suffix of a header, as cmake/isa_flags.cmake has them for sources.
isa_flags() {
    case $1 in
    *amx*) echo "-mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx512vnni -mavx512vbmi -mgfni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16" ;;
    *avx512*) echo "-mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx512vnni -mavx512vbmi -mgfni -mavx512bf16" ;;
    *avxvnni*) echo "-mavx2 -mfma -mf16c -mbmi2 -mavxvnni" ;;
    *avx2*) echo "-mavx2 -mfma -mf16c -mbmi2" ;;
    esac
}

check_headers() {
    machine=$(uname -m)
    # a template is included with its parameters set, so it cannot stand alone
    sources "$folders" | grep '\.h$' | grep -v '_tmpl\.h$' | while read -r header; do
        case $header:$machine in
        */x86/*:x86_64) ;;
        */x86/*) continue ;;
        esac
        # shellcheck disable=SC2046
        ${QB_CC:-cc} -std=gnu11 -D_GNU_SOURCE -fopenmp-simd -I. $(isa_flags "$header") -Wall -Werror -Wno-unused-function \
            -fsyntax-only -include "$header" -x c /dev/null 2>&1 | sed -n "s|^|$header does not compile alone: |; 1,3p"
    done
}

check_names() {
    sources "$folders" | sed 's|.*/||' | sort | uniq -d | while read -r name; do
        echo "more than one file is called $name: $(sources "$folders" | grep "/$name\$" | tr '\n' ' ')"
    done
}

check_symbols() {
    for library in "$@"; do
        # llvm and sanitizer builds add symbols of their own: reserved names start with two underscores or with
        # an underscore and a capital letter
        nm -g --defined-only "$library" 2>/dev/null |
            awk -v library="$library" 'NF == 3 && $3 !~ /^qb_/ && $3 !~ /^_[_A-Z]/ {
                print library ": exported symbol without qb_: " $3 }'
    done
}

# Comments and strings out of the way, line by line (good enough: no multi-line strings in this tree).
strip_comments() {
    sed -E -e 's,"(\\.|[^"\\])*","",g' -e 's,/\*.*\*/,,g' -e 's,//.*,,' -e 's,^ *\*.*,,' -e 's,/\*.*,,' "$1"
}

check_output() {
    sources "$libraries" | while read -r file; do
        allowed='none'
        [ "$file" = base/err.c ] && allowed='abort' # QB_BUG
        strip_comments "$file" | awk -v file="$file" -v allowed="$allowed" '
            match($0, /(^|[^A-Za-z0-9_])(exit|_exit|_Exit|quick_exit|abort|printf|vprintf|puts|putchar|perror)[ \t]*\(/) {
                word = substr($0, RSTART, RLENGTH)
                gsub(/[^A-Za-z_]/, "", word)
                if (word != allowed)
                    print file ":" NR ": a library may not call " word
            }
            /(^|[^A-Za-z0-9_])stdout([^A-Za-z0-9_]|$)/ { print file ":" NR ": a library may not use stdout" }'
    done
}

check_isa() {
    sources "base kernels engine datasets reports bench" | while read -r file; do
        strip_comments "$file" | awk -v file="$file" '
            # clang-format puts both braces of a function at column 0
            /^{/ { inside = 1 }
            /^}/ { inside = 0 }
            inside && /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)/ && /__(AVX|SSE|FMA|F16C|BMI|ARM|aarch64|x86_64|i386)/ {
                print file ":" NR ": #if on an instruction set inside a function"
            }'
    done
}

check_sizes() {
    sources "$folders" | grep -v '\.def$' | grep -v '_table\.[ch]$' | while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 1000 ] || echo "$file: $lines lines"
    done
}

case $check in
includes | headers | names | symbols | output | isa | sizes) ;;
*)
    echo "layers: unknown check '$check'" >&2
    exit 2
    ;;
esac

count=$(sources "$folders" | wc -l)
if [ "$count" -eq 0 ]; then
    echo "layers: no sources under $root" >&2
    exit 2
fi
findings=$("check_$check" "$@")
if [ -n "$findings" ]; then
    echo "$findings"
    echo "layers $check: $(echo "$findings" | wc -l) finding(s)"
    exit 1
fi
echo "layers $check: $count files, nothing found"

#!/bin/sh
# Install what qbench needs to build and run, and nothing that is there already.
#
#   scripts/setup.sh [build|test|ci]   build: compiler, build tools, libraries, charts
#                                      test:  and what the tests need
#                                      ci:    and clang, for the fuzz targets and a second compiler, the style check, valgrind
#
# Asks nothing. Uses sudo only when something is missing and the caller is not root. Prints nothing when all is there.

# Lists of packages are split on purpose.
# shellcheck disable=SC2086,SC2116
set -eu

mode=${1:-build}
case $mode in
build | test | ci) ;;
*)
    echo "usage: scripts/setup.sh [build|test|ci]" >&2
    exit 2
    ;;
esac

min_cmake_major=3
min_cmake_minor=21

have() {
    command -v "$1" >/dev/null 2>&1
}

have_library() {
    have pkg-config && pkg-config --exists "$1"
}

have_compiler() {
    have cc || have gcc || have clang
}

# A compiler without the C library headers cannot build anything (a minimal image may have one).
have_libc() {
    have_compiler || return 1
    compiler=cc
    have cc || compiler=gcc
    have "$compiler" || compiler=clang
    printf '#include <stdio.h>\n' | "$compiler" -E -x c - >/dev/null 2>&1
}

have_cmake() {
    have cmake || return 1
    version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    major=${version% *}
    minor=${version#* }
    [ "$major" -gt $min_cmake_major ] || { [ "$major" -eq $min_cmake_major ] && [ "$minor" -ge $min_cmake_minor ]; }
}

have_fuzzer() {
    have clang || return 1
    probe=$(mktemp -d)
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 9; }' >"$probe/f.c"
    result=0
    clang -fsanitize=fuzzer,address "$probe/f.c" -o "$probe/f" >/dev/null 2>&1 || result=1
    rm -rf "$probe"
    return $result
}

# What is missing, by short names.
list_missing() {
    have_compiler && have_libc || echo compiler
    have_cmake || echo cmake
    have ninja || echo ninja
    have pkg-config || echo pkg-config
    for library in hwloc libcpuid jansson libxxhash libpcre2-8 cmocka liblzma; do
        have_library $library || echo $library
    done
    have gnuplot || echo gnuplot
    have xz || echo xz
    if [ "$mode" = ci ]; then
        have_fuzzer || echo clang
        have clang-format || echo clang-format
        have valgrind || echo valgrind
    fi
}

find_manager() {
    for manager in apt-get dnf pacman zypper apk brew; do
        if have $manager; then
            echo $manager
            return
        fi
    done
}

# Package of a short name under a manager: one line a thing, columns apt-get, dnf, pacman, zypper, apk, brew.
package_table='
compiler     gcc,libc6-dev   gcc,glibc-devel,libasan,libubsan,libtsan gcc gcc,glibc-devel gcc,musl-dev,linux-headers gcc
cmake        cmake           cmake                 cmake        cmake              cmake            cmake
ninja        ninja-build     ninja-build           ninja        ninja              ninja-build      ninja
pkg-config   pkg-config      pkgconf-pkg-config    pkgconf      pkg-config         pkgconf          pkgconf
hwloc        libhwloc-dev    hwloc-devel           hwloc        hwloc-devel        hwloc-dev        hwloc
libcpuid     libcpuid-dev    libcpuid-devel        libcpuid     libcpuid-devel     libcpuid-dev     libcpuid
jansson      libjansson-dev  jansson-devel         jansson      libjansson-devel   jansson-dev      jansson
libxxhash    libxxhash-dev   xxhash-devel          xxhash       xxhash-devel       xxhash-dev       xxhash
libpcre2-8   libpcre2-dev    pcre2-devel           pcre2        pcre2-devel        pcre2-dev        pcre2
cmocka       libcmocka-dev   libcmocka-devel       cmocka       libcmocka-devel    cmocka-dev       cmocka
liblzma      liblzma-dev     xz-devel              xz           xz-devel           xz-dev           xz
gnuplot      gnuplot-nox     gnuplot-minimal       gnuplot      gnuplot            gnuplot          gnuplot
xz           xz-utils        xz                    xz           xz                 xz               xz
valgrind     valgrind        valgrind              valgrind     valgrind           valgrind         valgrind
clang        clang           clang,compiler-rt     clang,compiler-rt clang         clang,compiler-rt llvm
clang-format clang-format    clang-tools-extra     clang        clang-tools        clang-extra-tools clang-format
'

packages_of() {
    echo "$package_table" | awk -v manager="$1" -v wanted="$2" '
        BEGIN { split("apt-get dnf pacman zypper apk brew", names, " "); for (i in names) column[names[i]] = i + 1 }
        $1 == wanted { gsub(",", "\n", $(column[manager])); print $(column[manager]) }'
}

install_packages() {
    manager=$1
    shift
    case $manager in
    apt-get)
        run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
        run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
        ;;
    dnf) run_as_root dnf -q -y install "$@" ;;
    pacman) run_as_root pacman -Sy --noconfirm --needed "$@" ;;
    zypper) run_as_root zypper --non-interactive -q install "$@" ;;
    apk) run_as_root apk add -q "$@" ;;
    brew) brew install -q "$@" ;;
    esac </dev/null >"$log" 2>&1
}

# Debian splits the sanitizer runtime from clang, and its name carries the version of clang.
clang_runtime() {
    if have apt-get && have clang && ! have_fuzzer; then
        major=$(clang -dumpversion | sed 's/\..*//')
        install_packages apt-get "libclang-rt-$major-dev" || true
    fi
}

run_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo $sudo_flags "$@"
    fi
}

give_up() {
    echo "setup: $1" >&2
    echo "setup: missing: $(echo $missing)" >&2
    [ -z "${packages:-}" ] || echo "setup: install these and try again: $(echo $packages)" >&2
    exit 1
}

missing=$(list_missing)
[ -n "$missing" ] || exit 0

manager=$(find_manager)
[ -n "$manager" ] || give_up "no package manager that this script knows"
packages=$(for thing in $missing; do packages_of "$manager" "$thing"; done | sort -u)

sudo_flags=
if [ "$(id -u)" -ne 0 ] && [ "$manager" != brew ]; then
    have sudo || give_up "not root, and sudo is not installed"
    [ -t 0 ] || sudo_flags=-n # nobody is there to type a password
    sudo $sudo_flags true || give_up "sudo was refused"
fi

echo "setup: installing with $manager:" $packages
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install_packages "$manager" $packages; then
    tail -n 20 "$log" >&2
    # gnuplot only draws charts: the rest must not fail for it
    required=$(echo "$packages" | grep -v '^gnuplot')
    if [ -z "$required" ]; then
        echo "setup: no gnuplot: reports will have no charts" >&2
    else
        install_packages "$manager" $required || give_up "$manager failed"
    fi
fi
case $missing in
*clang*) clang_runtime ;;
esac

missing=$(list_missing | grep -v '^gnuplot$' || true)
packages=
[ -z "$missing" ] || give_up "still missing after the installation (cmake must be $min_cmake_major.$min_cmake_minor or newer)"

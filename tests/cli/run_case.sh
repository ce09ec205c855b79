#!/bin/sh
# Run one case of the command line: run_case.sh CASE_DIR QBENCH CHECK_JSON SOURCE_DIR
#   cmd          a shell script; $Q is the program, $JSON the JSON checker, $MODEL the small model; runs in an empty folder
#   exit         the expected exit code (default 0)
#   stdout       the expected output, exactly          stdout.has   extended regular expressions, each matches some line
#   stderr       the same for errors and notes         stderr.has
# $WORK in an expected text stands for the folder that the case runs in.
case_dir=$1
Q=$2 JSON=$3 MODEL=$4/datasets/models/qbench-tiny-7m-F16.gguf
export Q JSON MODEL
unset QBENCH_ISA
NO_COLOR=1 LC_ALL=C
export NO_COLOR LC_ALL

work=$(mktemp -d) || exit 99
trap 'chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/run"
(cd "$work/run" && sh -u "$case_dir/cmd") >"$work/stdout" 2>"$work/stderr" </dev/null
got=$?
bad=0
want=0
[ -f "$case_dir/exit" ] && want=$(cat "$case_dir/exit")
if [ "$got" != "$want" ]; then
  echo "exit code $got, expected $want"
  bad=1
fi
for stream in stdout stderr; do
  if [ -f "$case_dir/$stream" ]; then
    sed "s|\$WORK|$work/run|g" "$case_dir/$stream" >"$work/want"
    if ! diff -u "$work/want" "$work/$stream"; then
      echo "$stream differs"
      bad=1
    fi
  fi
  [ -f "$case_dir/$stream.has" ] || continue
  while IFS= read -r pattern; do
    if ! grep -Eq -e "$pattern" "$work/$stream"; then
      echo "$stream has no line that matches: $pattern"
      bad=1
    fi
  done <"$case_dir/$stream.has"
done
if [ $bad != 0 ]; then
  echo "--- stdout"
  head -50 "$work/stdout"
  echo "--- stderr"
  head -50 "$work/stderr"
fi
exit $bad

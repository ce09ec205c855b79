# Writes OUT (build_commit.h) when the commit changed. Run at every build: cmake -DSOURCE=DIR -DOUT=FILE -P this.
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=8 HEAD
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE bad)
execute_process(COMMAND git -C ${SOURCE} rev-list --count HEAD
                OUTPUT_VARIABLE number OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE bad_number)
execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no
                OUTPUT_VARIABLE changes ERROR_QUIET)
if(bad OR bad_number OR NOT commit)
  set(commit unknown)
  set(number 0)
elseif(changes)
  set(commit ${commit}-dirty)
endif()
set(text "#define QBENCH_COMMIT \"${commit}\"\n#define QBENCH_BUILD_NUMBER ${number}\n")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()

/*
 * The build's facts: build_commit.h is written by cmake/build_commit.cmake at every build.
 */
#include "bench/build_info.h"
#include "build_commit.h"

#ifndef QBENCH_BUILD_TYPE
#define QBENCH_BUILD_TYPE ""
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const struct qb_build_info *qb_build_info(void)
{
    static const struct qb_build_info info = {QBENCH_COMMIT, QBENCH_BUILD_NUMBER, COMPILER,
                                              QBENCH_BUILD_TYPE};
    return &info;
}

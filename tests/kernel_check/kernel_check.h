/*
 * kernel_check as a library: check every kernel of the registry against the oracle, then time what passed.
 * Used by the program kernel_check and by `qbench kernels check|bench`.
 */
#ifndef QB_TESTS_KERNEL_CHECK_H
#define QB_TESTS_KERNEL_CHECK_H

#include "kernels/kernels.h"
#include <stdio.h>

struct qb_kernel_check_options {
    uint64_t seed;
    int repeat;         /* rounds with fresh random values; at least 1 */
    enum qb_isa isa;    /* rows of this level only; QB_ISA_AUTO = all that this machine runs */
    const char *filter; /* part of "op key isa name"; NULL = all */
    bool list;          /* print the rows, check nothing */
    bool bench;         /* time the rows that passed */
    int calls;    /* above 0: only call what would be timed so often, for tools that count instructions */
    bool verbose; /* a line for every row, not only for failures */
};

struct qb_kernel_check_result {
    size_t passed, failed;
    size_t skipped; /* rows that this machine cannot run */
};

/*
 * Run and print to out. @return QB_OK; QB_ERR_CHECK when a row failed; QB_ERR_UNSUPPORTED when options->isa
 * is beyond this machine (then nothing ran). Installs handlers for SIGSEGV, SIGBUS, SIGILL and SIGFPE while
 * it runs: one thread only.
 */
enum qb_status qb_kernel_check_run(const struct qb_kernel_check_options *o, FILE *out,
                                   struct qb_kernel_check_result *result, struct qb_err *err);

#endif

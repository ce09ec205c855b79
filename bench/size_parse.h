/*
 * Sizes in bytes as users write them.
 */
#ifndef QB_BENCH_SIZE_PARSE_H
#define QB_BENCH_SIZE_PARSE_H

#include "base/err.h"

/* "500M", "2G" (10^6, 10^9), "4GiB", or bytes; 0 too. QB_ERR_USAGE names the option. */
enum qb_status qb_size_parse(uint64_t *bytes, const char *text, const char *option, struct qb_err *err);

#endif

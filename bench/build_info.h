/*
 * What this program was built from and with.
 */
#ifndef QB_BENCH_BUILD_INFO_H
#define QB_BENCH_BUILD_INFO_H

#include <stdint.h>

struct qb_build_info {
    const char *commit;   /* short hash, "-dirty" appended; "unknown" outside a clone */
    int64_t number;       /* commits up to it, 0 = unknown */
    const char *compiler; /* "gcc 12.2.0" */
    const char *type;     /* "Release" */
};
const struct qb_build_info *qb_build_info(void);

#endif

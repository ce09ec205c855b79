/*
 * What a format family defines for each of its formats, declared from formats.def. Float formats have no
 * codes.
 */
#ifndef QB_KERNELS_FORMATS_FORMAT_OPS_H
#define QB_KERNELS_FORMATS_FORMAT_OPS_H

#include "kernels/format.h"

#define QB_FORMAT(id, ...)                                                                                   \
    void qb_decode_##id(const void *blocks, float *out, int64_t n);                                          \
    void qb_codes_##id(const void *block, struct qb_codes *out);                                             \
    void qb_synth_##id(void *block, float std, struct qb_rng *rng);                                          \
    int64_t qb_check_##id(const void *blocks, int64_t n_blocks);
#include "kernels/formats.def"
#undef QB_FORMAT

#endif

/*
 * The levels of MXFP4 and NVFP4.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_FP4_H
#define QB_KERNELS_ENCODE_ENCODE_FP4_H

#include "kernels/encode/encode_search.h"

/* Twice the E2M1 values, ascending; the last edge is never reached. */
static const struct qb_levels fp4_levels = {
    .n = 15,
    .first = -12.0f,
    .edge = {-10.0f, -7.0f, -5.0f, -3.5f, -2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f,
             1e30f},
    .step = {4.0f, 2.0f, 2.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 2.0f, 2.0f, 4.0f, 0.0f},
};
/* Sign and magnitude of each level; zero is code 0. */
static const uint8_t fp4_code_of_level[16] = {15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7, 7};

#endif

/*
 * MXFP4: E2M1 values under a power of two for each 32. The exponent of least error among 16.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_fp4.h"
#include "kernels/encode/encode_ops.h"
#include <string.h>

/* The largest value lies in [0.5, 1): 12 times the largest scale is far above it, 12 times the next ones are
 * near. */
#define LARGEST_LOG2 (-2)
#define MAX_EXPONENT 252 /* the largest with finite values */

static void encode_block(const float *x, const float *importance, struct qb_block_MXFP4 *o)
{
    struct qb_encode_block b;
    float scale[QB_LANES], score[QB_LANES];
    uint8_t codes[32];
    memset(o, 0, sizeof *o);
    qb_encode_load(&b, x, importance, 32);
    if (b.unit == 0.0f)
        return;
    int unit = (int)(qb_f32_bits(b.unit) >> 23) - 127; /* log2 */
    QB_FOR_LANES(c) scale[c] = qb_f32_from_bits((uint32_t)(127 + LARGEST_LOG2 - c) << 23);
    qb_level_errors((struct qb_encode_group){b.x, b.w, 32}, &fp4_levels, scale, score);
    int e = 128 + LARGEST_LOG2 - qb_best_lane(score) + unit;
    e = e < 0 ? 0 : e > MAX_EXPONENT ? MAX_EXPONENT : e;
    float inv = qb_f32_from_bits((uint32_t)(127 - (e - 128 - unit)) << 23);
    o->e = (uint8_t)e;
    for (int j = 0; j < 32; j++)
        codes[j] = fp4_code_of_level[qb_nearest_level(&fp4_levels, b.x[j] * inv)];
    qb_encode_nibbles32(codes, o->qs);
}

void QB_ENCODE_FN(MXFP4)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_MXFP4 *b = out;
    for (int64_t i = 0; i < n; i += 32, b++)
        encode_block(x + i, importance ? importance + i : NULL, b);
}

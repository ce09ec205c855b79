/*
 * NVFP4: E2M1 values under an E4M3 scale for each 16. The scale of least error among 16 neighbours.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_fp4.h"
#include "kernels/encode/encode_ops.h"
#include <string.h>

#define GROUP         16
#define LARGEST_LEVEL 12.0f
#define MAX_SCALE     0x7e /* 448; the byte above says 0 */
#define INVALID_SCALE 0x80 /* what the check refuses: values beyond the format */
#define STEPS_BELOW   4    /* eight steps double a scale: the largest value is cut by a third at most */

/* Half an E4M3 number, the unit of the levels: its bits are those of an f16 256 times smaller. */
static float scale_of_byte(int byte)
{
    return qb_f16_to_f32((uint16_t)(byte << 7)) * 128.0f;
}

/* Scale byte and codes of one group. */
static uint8_t encode_group(const float *x, const float *importance, uint8_t *codes)
{
    struct qb_encode_block b;
    float scale[QB_LANES], score[QB_LANES];
    memset(codes, 0, GROUP);
    qb_encode_load(&b, x, importance, GROUP);
    if (b.unit == 0.0f)
        return 0;
    float most = __builtin_fabsf(qb_signed_max(b.x, GROUP)) * b.unit / LARGEST_LEVEL;
    if (most > 1.1f * scale_of_byte(MAX_SCALE))
        return INVALID_SCALE;
    int first = (qb_f32_to_f16(most / 128.0f) >> 7) - STEPS_BELOW;
    first = first < 1 ? 1 : first > MAX_SCALE - QB_LANES + 1 ? MAX_SCALE - QB_LANES + 1 : first;
    for (int c = 0; c < QB_LANES; c++)
        scale[c] = scale_of_byte(first + c) / b.unit;
    qb_level_errors((struct qb_encode_group){b.x, b.w, GROUP}, &fp4_levels, scale, score);
    int best = qb_best_lane(score);
    float inv = 1.0f / scale[best];
    for (int j = 0; j < GROUP; j++)
        codes[j] = fp4_code_of_level[qb_nearest_level(&fp4_levels, b.x[j] * inv)];
    return (uint8_t)(first + best);
}

void QB_ENCODE_FN(NVFP4)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_NVFP4 *b = out;
    uint8_t codes[GROUP];
    for (int64_t i = 0; i < n; i += 64, b++) {
        for (int k = 0; k < 4; k++) {
            int64_t at = i + k * GROUP;
            b->scales[k] = encode_group(x + at, importance ? importance + at : NULL, codes);
            for (int j = 0; j < 8; j++)
                b->qs[8 * k + j] = (uint8_t)(codes[j] | codes[j + 8] << 4);
        }
    }
}

/*
 * One and two bits a weight under one f16 scale: TQ1_0 and TQ2_0 (-1, 0, 1 for 256 weights), Q1_0 (signs of
 * 128) and Q2_0 (-1..2 for 64).
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

#define RMS_DIGIT 0.81650f /* -1, 0, 1 */
#define RMS_PAIR  0.70711f /* -1, 0, 0, 1 */
#define RMS_4     1.22474f /* -1..2 */

/* Digit n (0 is the most significant) of five base-3 digits: v is the number as a fraction of 243, in 256ths.
 */
static int base3_digit(uint8_t v, int n)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (uint8_t)(v * power[n]) * 3 >> 8;
}

/* Weights 0..159 are digits of 32 bytes, 160..239 of 16 bytes, 240..255 the first four of 4 bytes. */
static int tq1_0_code(const struct qb_block_TQ1_0 *b, int j)
{
    if (j < 160)
        return base3_digit(b->qs[j % 32], j / 32);
    if (j < 240)
        return base3_digit(b->qs[32 + j % 16], (j - 160) / 16);
    return base3_digit(b->qh[j % 4], (j - 240) / 4);
}

static int tq2_0_code(const struct qb_block_TQ2_0 *b, int j)
{
    return qb_two_bits(b->qs, j);
}

static int q2_0_code(const struct qb_block_Q2_0 *b, int j)
{
    return b->qs[j / 4] >> (2 * (j % 4)) & 3;
}

static int q1_0_code(const struct qb_block_Q1_0 *b, int j)
{
    return b->qs[j / 8] >> (j % 8) & 1 ? 2 : 0;
}

#define DEFINE_DECODE(id, elems, code_of)                                                                    \
    void qb_decode_##id(const void *blocks, float *out, int64_t n)                                           \
    {                                                                                                        \
        const struct qb_block_##id *b = blocks;                                                              \
        for (int64_t i = 0; i < n / (elems); i++, b++) {                                                     \
            float d = qb_f16_to_f32(b->d);                                                                   \
            for (int j = 0; j < (elems); j++)                                                                \
                out[i * (elems) + j] = d * (float)(code_of(b, j) - 1);                                       \
        }                                                                                                    \
    }

#define DEFINE_CODES(id, elems, scales, code_of)                                                             \
    void qb_codes_##id(const void *block, struct qb_codes *out)                                              \
    {                                                                                                        \
        const struct qb_block_##id *b = block;                                                               \
        for (int k = 0; k < (scales); k++)                                                                   \
            out->scale[k] = qb_f16_to_f32(b->d);                                                             \
        for (int j = 0; j < (elems); j++)                                                                    \
            out->code[j] = (uint8_t)code_of(b, j);                                                           \
    }

DEFINE_DECODE(TQ1_0, 256, tq1_0_code)
DEFINE_DECODE(TQ2_0, 256, tq2_0_code)
DEFINE_DECODE(Q1_0, 128, q1_0_code)
DEFINE_DECODE(Q2_0, 64, q2_0_code)

DEFINE_CODES(TQ1_0, 256, 1, tq1_0_code)
DEFINE_CODES(TQ2_0, 256, 1, tq2_0_code)
DEFINE_CODES(Q1_0, 128, 4, q1_0_code)
DEFINE_CODES(Q2_0, 64, 2, q2_0_code)

QB_DEFINE_SYNTH(TQ1_0, RMS_DIGIT)

/* Code 3 is none of the format's: it becomes 1. */
void qb_synth_TQ2_0(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_TQ2_0 *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    for (size_t i = 0; i < sizeof b->qs; i++)
        b->qs[i] &= (uint8_t) ~(b->qs[i] << 1 & 0xaa);
    b->d = qb_synth_size(std / RMS_PAIR, rng);
}

void qb_synth_Q1_0(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q1_0 *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    b->d = qb_synth_size(std, rng);
}

void qb_synth_Q2_0(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q2_0 *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    b->d = qb_synth_scale(std / RMS_4, rng);
}

QB_DEFINE_CHECK(TQ1_0, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(TQ2_0, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(Q1_0, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(Q2_0, qb_f16_is_finite(b[i].d))

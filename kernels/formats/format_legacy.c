/*
 * Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 with one f16 scale, and in the _1 formats one f16 minimum.
 *
 * Decoding multiplies the scale with the integer as a float, never with factors merged first: the sign of a
 * zero is part of being bit-exact.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

/* Root mean squares of uniformly random codes less their offset: n levels around -1/2, or around their mean.
 */
#define RMS_16          4.6368f  /* -8..7 */
#define RMS_32          9.2466f  /* -16..15 */
#define RMS_256         73.9019f /* -128..127 */
#define RMS_16_CENTERED 4.6098f  /* 0..15 less 7.5 */
#define RMS_32_CENTERED 9.2331f  /* 0..31 less 15.5 */

static int five_bits(const uint8_t *qs, uint32_t qh, int j)
{
    return qb_nibble32(qs, j) | (int)(qh >> j & 1) << 4;
}

void qb_decode_Q4_0(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q4_0 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)(qb_nibble32(b->qs, j) - 8);
    }
}

void qb_decode_Q4_1(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q4_1 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d), m = qb_f16_to_f32(b->m);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)qb_nibble32(b->qs, j) + m;
    }
}

void qb_decode_Q5_0(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q5_0 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)(five_bits(b->qs, b->qh, j) - 16);
    }
}

void qb_decode_Q5_1(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q5_1 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d), m = qb_f16_to_f32(b->m);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)five_bits(b->qs, b->qh, j) + m;
    }
}

void qb_decode_Q8_0(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q8_0 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)b->q[j];
    }
}

void qb_codes_Q4_0(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q4_0 *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)qb_nibble32(b->qs, j);
}

void qb_codes_Q4_1(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q4_1 *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    out->min_f32[0] = qb_f16_to_f32(b->m);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)qb_nibble32(b->qs, j);
}

void qb_codes_Q5_0(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q5_0 *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)five_bits(b->qs, b->qh, j);
}

void qb_codes_Q5_1(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q5_1 *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    out->min_f32[0] = qb_f16_to_f32(b->m);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)five_bits(b->qs, b->qh, j);
}

void qb_codes_Q8_0(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q8_0 *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)b->q[j] ^ 0x80;
}

void qb_synth_Q4_0(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q4_0 *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    b->d = qb_synth_scale(std / RMS_16, rng);
}

/* A minimum that centers codes of this mean under scale d, but for half a code: no multiple of d. */
static uint16_t synth_min(uint16_t d, float mean, struct qb_rng *rng)
{
    return qb_f32_to_f16((0.5f - mean - (float)qb_rng_double(rng)) * qb_f16_to_f32(d));
}

void qb_synth_Q4_1(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q4_1 *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    b->d = qb_synth_size(std / RMS_16_CENTERED, rng);
    b->m = synth_min(b->d, 7.5f, rng);
}

QB_DEFINE_SYNTH(Q5_0, RMS_32)

void qb_synth_Q5_1(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q5_1 *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    b->d = qb_synth_size(std / RMS_32_CENTERED, rng);
    b->m = synth_min(b->d, 15.5f, rng);
}

void qb_synth_Q8_0(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q8_0 *b = block;
    qb_rng_fill(rng, b->q, sizeof b->q);
    b->d = qb_synth_scale(std / RMS_256, rng);
}

QB_DEFINE_CHECK(Q4_0, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(Q4_1, qb_f16_is_finite(b[i].d) && qb_f16_is_finite(b[i].m))
QB_DEFINE_CHECK(Q5_0, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(Q5_1, qb_f16_is_finite(b[i].d) && qb_f16_is_finite(b[i].m))
QB_DEFINE_CHECK(Q8_0, qb_f16_is_finite(b[i].d))

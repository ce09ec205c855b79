/*
 * MXFP4 and NVFP4: four-bit floats (E2M1) under a power of two for 32 weights or a small float for 16.
 *
 * MXFP4: OCP Microscaling Formats (MX) Specification 1.0, with the exponent counted so that the levels are
 * the integers of twice the E2M1 values.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

#define RMS_LEVELS         5.8523f /* of the 16 levels */
#define OFFSET             16      /* of the codes in a panel */
#define MXFP4_MAX_EXPONENT 252     /* the largest with finite weights */

const int8_t qb_fp4_levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e - 128); the first two are subnormal. */
static float mxfp4_scale(uint8_t e)
{
    return qb_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* Half of an unsigned E4M3 number: as an f16 with the exponent at its lower end. The largest byte says 0. */
static float nvfp4_scale(uint8_t s)
{
    return s == 0x7f ? 0 : qb_f16_to_f32((uint16_t)((s & 0x7f) << 7)) * 128.0f;
}

static int mxfp4_level(const struct qb_block_MXFP4 *b, int j)
{
    return qb_fp4_levels[qb_nibble32(b->qs, j)];
}

/* Each sub-block of 16 has 8 bytes: the first 8 weights are the low nibbles. */
static int nvfp4_level(const struct qb_block_NVFP4 *b, int j)
{
    uint8_t v = b->qs[j / 16 * 8 + j % 8];
    return qb_fp4_levels[j % 16 < 8 ? v & 15 : v >> 4];
}

void qb_decode_MXFP4(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_MXFP4 *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++)
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = mxfp4_scale(b->e) * (float)mxfp4_level(b, j);
}

void qb_decode_NVFP4(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_NVFP4 *b = blocks;
    for (int64_t i = 0; i < n / 64; i++, b++)
        for (int j = 0; j < 64; j++)
            out[i * 64 + j] = nvfp4_scale(b->scales[j / 16]) * (float)nvfp4_level(b, j);
}

void qb_codes_MXFP4(const void *block, struct qb_codes *out)
{
    const struct qb_block_MXFP4 *b = block;
    out->scale[0] = mxfp4_scale(b->e);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)(OFFSET + mxfp4_level(b, j));
}

void qb_codes_NVFP4(const void *block, struct qb_codes *out)
{
    const struct qb_block_NVFP4 *b = block;
    for (int k = 0; k < 4; k++)
        out->scale[k] = nvfp4_scale(b->scales[k]);
    for (int j = 0; j < 64; j++)
        out->code[j] = (uint8_t)(OFFSET + nvfp4_level(b, j));
}

/* One of two neighbours at random, such that the mean square is that of `want`. */
static bool take_upper(float lower, float upper, float want, uint32_t random)
{
    float p = (want * want - lower * lower) / (upper * upper - lower * lower);
    return (float)(random >> 8) < p * 16777216.0f;
}

void qb_synth_MXFP4(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_MXFP4 *b = block;
    float scale = std / RMS_LEVELS;
    int e = (int)(qb_f32_bits(scale) >> 23 & 0xff) + 1;
    e = e > MXFP4_MAX_EXPONENT - 1 ? MXFP4_MAX_EXPONENT - 1 : e;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    bool up =
        take_upper(mxfp4_scale((uint8_t)e), mxfp4_scale((uint8_t)(e + 1)), scale, (uint32_t)qb_rng_u64(rng));
    b->e = (uint8_t)(e + up);
}

void qb_synth_NVFP4(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_NVFP4 *b = block;
    float scale = std / RMS_LEVELS;
    float small = scale > 200.0f ? 200.0f : scale; /* the format ends at 224 */
    int s = qb_f32_to_f16(small * (1.0f / 128.0f)) >> 7;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    uint64_t r[2] = {qb_rng_u64(rng), qb_rng_u64(rng)};
    for (int k = 0; k < 4; k++) {
        bool up = take_upper(nvfp4_scale((uint8_t)s), nvfp4_scale((uint8_t)(s + 1)), scale,
                             (uint32_t)(r[k / 2] >> (k % 2 * 32)));
        b->scales[k] = (uint8_t)(s + up);
    }
}

QB_DEFINE_CHECK(MXFP4, b[i].e <= MXFP4_MAX_EXPONENT)

static bool nvfp4_is_good(const struct qb_block_NVFP4 *b)
{
    return ((b->scales[0] | b->scales[1] | b->scales[2] | b->scales[3]) & 0x80) == 0;
}
QB_DEFINE_CHECK(NVFP4, nvfp4_is_good(&b[i]))

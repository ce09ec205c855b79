/*
 * Values for the inputs of kernel checks: ordinary, degenerate, extreme, and such that every sum is exact.
 */
#include "base/f16.h"
#include "kernels/blocks.h"
#include "tests/kernel_check/check.h"
#include <math.h>

const char *qb_values_name(enum qb_values v)
{
    static const char *const names[] = {"random", "zero", "extreme", "exact"};
    _Static_assert(QB_ARRAY_LEN(names) == QB_VALUES_COUNT, "one name per kind");
    return names[v];
}

static float extreme_f32(struct qb_rng *rng)
{
    /* products with the largest f16 scales and codes, summed over thousands, stay below FLT_MAX */
    static const float values[] = {0,      -0.0f,  1e25f, -1e25f, 1e-30f, -3e-38f,
                                   1e-40f, 1e-45f, 1,     -1,     65504,  127.5f};
    return values[qb_rng_below(rng, QB_ARRAY_LEN(values))];
}

/*
 * Exact: small integers with one 127 in 32, so that quantization to int8 has the scale 1 and changes nothing,
 * by pairs neither.
 */
static float exact_f32(struct qb_rng *rng, size_t i)
{
    if (i % 32 == 5)
        return qb_rng_u64(rng) & 1 ? 127 : -127;
    return i % 32 == 4 ? 0 : (float)((int)qb_rng_below(rng, 7) - 3);
}

void qb_check_fill_f32(struct qb_check *c, float *x, size_t n, enum qb_values v)
{
    struct qb_rng *rng = qb_check_rng(c);
    for (size_t i = 0; i < n; i++) {
        switch (v) {
        case QB_VALUES_RANDOM:
            x[i] = qb_rng_normal(rng) * (i / 32 % 5 == 3 ? 20.0f : 1.0f);
            break;
        case QB_VALUES_EXTREME:
            x[i] = extreme_f32(rng);
            break;
        case QB_VALUES_EXACT:
            x[i] = exact_f32(rng, i);
            break;
        default:
            x[i] = 0;
        }
    }
}

static uint16_t extreme_f16(struct qb_rng *rng)
{
    /* zeros, subnormals, smallest normal, one, largest; either sign */
    static const uint16_t values[] = {0x0000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0x2e66};
    return values[qb_rng_below(rng, QB_ARRAY_LEN(values))] | (uint16_t)(qb_rng_below(rng, 2) << 15);
}

/* +-1, 1/2, 2: multiples of 1/2 below 2^23 have room for every sum that the checks make. */
static uint16_t exact_f16(struct qb_rng *rng)
{
    static const uint16_t values[] = {0x3c00, 0x3800, 0x4000};
    return values[qb_rng_below(rng, QB_ARRAY_LEN(values))] | (uint16_t)(qb_rng_below(rng, 2) << 15);
}

static uint16_t scale_f16(struct qb_rng *rng, enum qb_values v)
{
    switch (v) {
    case QB_VALUES_RANDOM:
        return qb_f32_to_f16(0.02f * qb_rng_normal(rng));
    case QB_VALUES_EXTREME:
        return extreme_f16(rng);
    case QB_VALUES_EXACT:
        return exact_f16(rng);
    default:
        return 0;
    }
}

/* Exponents of powers of two; extreme: subnormal ones and those of the largest f16. */
static uint8_t scale_mxfp4(struct qb_rng *rng, enum qb_values v)
{
    static const uint8_t extreme[] = {0, 1, 2, 100, 128, 143}, exact[] = {127, 128, 129};
    switch (v) {
    case QB_VALUES_RANDOM:
        return (uint8_t)(118 + qb_rng_below(rng, 8));
    case QB_VALUES_EXTREME:
        return extreme[qb_rng_below(rng, QB_ARRAY_LEN(extreme))];
    case QB_VALUES_EXACT:
        return exact[qb_rng_below(rng, QB_ARRAY_LEN(exact))];
    default:
        return 0;
    }
}

/* E4M3: zeros, subnormals, the largest; exact: 1, 2, 4 (before they are halved). */
static uint8_t scale_nvfp4(struct qb_rng *rng, enum qb_values v)
{
    static const uint8_t extreme[] = {0, 1, 7, 8, 0x7e, 0x7f}, exact[] = {0x38, 0x40, 0x48};
    switch (v) {
    case QB_VALUES_RANDOM:
        return (uint8_t)qb_rng_below(rng, 0x60);
    case QB_VALUES_EXTREME:
        return extreme[qb_rng_below(rng, QB_ARRAY_LEN(extreme))];
    case QB_VALUES_EXACT:
        return exact[qb_rng_below(rng, QB_ARRAY_LEN(exact))];
    default:
        return 0;
    }
}

/* All bits random, or runs of clear and set bits. */
static void fill_bits(struct qb_rng *rng, uint8_t *p, size_t n, enum qb_values v)
{
    qb_rng_fill(rng, p, n);
    for (size_t i = 0; i < n; i++) {
        if (v == QB_VALUES_ZERO)
            p[i] = 0;
        if (v == QB_VALUES_EXTREME && p[i] & 6) /* three bytes in four */
            p[i] = p[i] & 1 ? 0xff : 0x00;
    }
}

static void fill_float_block(struct qb_rng *rng, const struct qb_format *f, uint8_t *block, enum qb_values v)
{
    /* products with the largest extreme_f32, summed over a thousand, stay below FLT_MAX */
    static const float extreme[] = {0, 1e9f, -1e9f, 1, -1e-5f, 2e-38f, 1e-40f};
    float w = v == QB_VALUES_EXACT     ? (float)((int)qb_rng_below(rng, 17) - 8)
              : v == QB_VALUES_EXTREME ? extreme[qb_rng_below(rng, QB_ARRAY_LEN(extreme))]
              : v == QB_VALUES_RANDOM  ? qb_rng_normal(rng)
                                       : 0;
    uint16_t h = f->id == QB_FORMAT_BF16 ? qb_f32_to_bf16(w) : qb_f32_to_f16(w);
    if (f->id == QB_FORMAT_F16 && v == QB_VALUES_EXTREME)
        h = extreme_f16(rng);
    if (f->id == QB_FORMAT_F32)
        memcpy(block, &w, sizeof w);
    else
        memcpy(block, &h, sizeof h);
}

/* Scale fields: finite, and for exact sums only the lowest two bits of each integer scale. */
static void set_scales_6bit(uint8_t *scales, enum qb_values v)
{
    for (int i = 0; i < 12 && v == QB_VALUES_EXACT; i++)
        scales[i] &= i < 8 ? 0x03 : 0x33;
}

static void limit_iq_scales(const struct qb_format *f, uint8_t *block)
{
    for (int i = 0; i < 8; i++) {
        if (f->id == QB_FORMAT_IQ2_XXS)
            ((struct qb_block_IQ2_XXS *)block)->qs[8 * i + 7] &= 0x3f;
        if (f->id == QB_FORMAT_IQ3_XXS)
            ((struct qb_block_IQ3_XXS *)block)->gas[i] &= 0x3fffffff;
        if (f->id == QB_FORMAT_IQ2_XS)
            ((struct qb_block_IQ2_XS *)block)->scales[i] &= 0x33;
        if (f->id == QB_FORMAT_IQ2_S)
            ((struct qb_block_IQ2_S *)block)->scales[i] &= 0x33;
        if (f->id == QB_FORMAT_IQ3_S && i < 4)
            ((struct qb_block_IQ3_S *)block)->scales[i] &= 0x33;
    }
}

static void set_scales(struct qb_rng *rng, const struct qb_format *f, uint8_t *block, enum qb_values v)
{
    uint16_t d = scale_f16(rng, v), m = scale_f16(rng, v);
    switch (f->id) {
    case QB_FORMAT_Q4_1:
    case QB_FORMAT_Q5_1:
        memcpy(block, &d, sizeof d);
        memcpy(block + 2, &m, sizeof m);
        break;
    case QB_FORMAT_Q4_K:
    case QB_FORMAT_Q5_K:
        memcpy(block, &d, sizeof d);
        memcpy(block + 2, &m, sizeof m);
        set_scales_6bit(((struct qb_block_Q4_K *)block)->scales, v);
        break;
    case QB_FORMAT_Q2_K: {
        struct qb_block_Q2_K *b = (struct qb_block_Q2_K *)block;
        b->d = d;
        b->dmin = m;
        for (int i = 0; i < 16 && v == QB_VALUES_EXACT; i++)
            b->scales[i] &= 0x33;
        break;
    }
    case QB_FORMAT_Q3_K: {
        struct qb_block_Q3_K *b = (struct qb_block_Q3_K *)block;
        b->d = d;
        for (int i = 0; i < 12 && v == QB_VALUES_EXACT; i++) /* scales 32..35, less 32 */
            b->scales[i] = i < 8 ? b->scales[i] & 0x33 : 0xaa;
        break;
    }
    case QB_FORMAT_Q6_K: {
        struct qb_block_Q6_K *b = (struct qb_block_Q6_K *)block;
        b->d = d;
        for (int i = 0; i < 16 && v == QB_VALUES_EXACT; i++)
            b->scales[i] = (int8_t)(b->scales[i] % 4);
        break;
    }
    case QB_FORMAT_IQ4_XS: {
        struct qb_block_IQ4_XS *b = (struct qb_block_IQ4_XS *)block;
        b->d = d;
        if (v != QB_VALUES_EXACT)
            break;
        b->scales_h = 0xaaaa; /* scales 32..35, less 32 */
        for (int i = 0; i < 4; i++)
            b->scales_l[i] &= 0x33;
        break;
    }
    case QB_FORMAT_TQ1_0:
    case QB_FORMAT_TQ2_0: /* behind */
        memcpy(block + f->block_bytes - 2, &d, sizeof d);
        break;
    case QB_FORMAT_MXFP4:
        block[0] = scale_mxfp4(rng, v);
        break;
    case QB_FORMAT_NVFP4:
        for (int i = 0; i < 4; i++)
            block[i] = scale_nvfp4(rng, v);
        break;
    case QB_FORMAT_IQ2_XXS:
    case QB_FORMAT_IQ2_XS:
    case QB_FORMAT_IQ2_S:
    case QB_FORMAT_IQ3_XXS:
    case QB_FORMAT_IQ3_S:
        memcpy(block, &d, sizeof d);
        if (v == QB_VALUES_EXACT)
            limit_iq_scales(f, block);
        break;
    case QB_FORMAT_IQ1_M: { /* spread over the top nibbles */
        struct qb_block_IQ1_M *b = (struct qb_block_IQ1_M *)block;
        for (int i = 0; i < 4; i++)
            b->scales[i] = (uint16_t)((b->scales[i] & 0x0fff) | (d >> (4 * i) & 15) << 12);
        break;
    }
    default: /* one f16 in front */
        memcpy(block, &d, sizeof d);
    }
}

void qb_check_fill_weights(struct qb_check *c, const struct qb_format *f, uint8_t *blocks, int64_t n_blocks,
                           enum qb_values v)
{
    struct qb_rng *rng = qb_check_rng(c);
    for (int64_t i = 0; i < n_blocks; i++, blocks += f->block_bytes) {
        if (!f->quantized) {
            fill_float_block(rng, f, blocks, v);
            continue;
        }
        fill_bits(rng, blocks, (size_t)f->block_bytes, v);
        for (int j = 0; j < f->block_bytes && f->id == QB_FORMAT_Q8_0 && v == QB_VALUES_EXTREME; j++)
            blocks[j] ^= 0x80; /* the ends of signed bytes */
        set_scales(rng, f, blocks, v);
    }
}

/*
 * Q4_K, Q5_K, Q6_K: blocks of 256 with integer scales for sub-blocks of 32 (with minimum) or 16, under f16
 * factors.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include "kernels/formats/k_scales.h"
#include <string.h>

#define RMS_16_CENTERED 4.6098f  /* codes 0..15 less 7.5 */
#define RMS_32_CENTERED 9.2331f  /* codes 0..31 less 15.5 */
#define RMS_64          18.4797f /* codes -32..31 */
#define RMS_SCALE_6     48.3890f /* scales 32..63 */
#define RMS_SCALE_8     97.2702f /* scales 64..127 */

/* Codes by sub-block k and place l in it, so that the loops over l have no divisions and vectorize. */

/* Sub-blocks 2i and 2i + 1 share the 32 bytes qs + 32 i: low and high nibbles. */
static inline int q4_k_code(const uint8_t *qs, int k, int l)
{
    return qs[k / 2 * 32 + l] >> (k % 2 * 4) & 15;
}

static inline int q5_k_code(const struct qb_block_Q5_K *b, int k, int l)
{
    return q4_k_code(b->qs, k, l) | (b->qh[l] >> k & 1) << 4;
}

/* Sub-blocks of 16. 0..63, 32 too much. Each half has 64 bytes of low nibbles and 32 bytes of four bit pairs.
 */
static inline int q6_k_code(const struct qb_block_Q6_K *b, int k, int l)
{
    int h = k / 8, c = k % 8 / 2, at = k % 2 * 16 + l;
    int lo = b->ql[64 * h + 32 * (c & 1) + at] >> (c / 2 * 4) & 15;
    return lo | (b->qh[32 * h + at] >> (2 * c) & 3) << 4;
}

void qb_decode_Q4_K(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q4_K *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d), dmin = qb_f16_to_f32(b->dmin);
        for (int k = 0; k < 8; k++, out += 32) {
            struct scale_min s = get_scale_min(b->scales, k);
            float scale = d * (float)s.sc, min = dmin * (float)s.mn;
            for (int l = 0; l < 32; l++)
                out[l] = scale * (float)q4_k_code(b->qs, k, l) - min;
        }
    }
}

void qb_decode_Q5_K(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q5_K *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d), dmin = qb_f16_to_f32(b->dmin);
        for (int k = 0; k < 8; k++, out += 32) {
            struct scale_min s = get_scale_min(b->scales, k);
            float scale = d * (float)s.sc, min = dmin * (float)s.mn;
            for (int l = 0; l < 32; l++)
                out[l] = scale * (float)q5_k_code(b, k, l) - min;
        }
    }
}

void qb_decode_Q6_K(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q6_K *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int k = 0; k < 16; k++, out += 16) {
            float scale = d * (float)b->scales[k];
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)(q6_k_code(b, k, l) - 32);
        }
    }
}

static void codes_scale_min(uint16_t d, uint16_t dmin, const uint8_t *scales, struct qb_codes *out)
{
    for (int k = 0; k < 8; k++) {
        struct scale_min s = get_scale_min(scales, k);
        out->sub_scale[k] = (int16_t)s.sc;
        out->min_i16[k] = (int16_t)s.mn;
    }
    qb_codes_set_scales(out, qb_f16_to_f32(d), 8);
    out->min_scale = qb_f16_to_f32(dmin);
}

void qb_codes_Q4_K(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q4_K *b = block;
    codes_scale_min(b->d, b->dmin, b->scales, out);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)q4_k_code(b->qs, j / 32, j % 32);
}

void qb_codes_Q5_K(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q5_K *b = block;
    codes_scale_min(b->d, b->dmin, b->scales, out);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)q5_k_code(b, j / 32, j % 32);
}

void qb_codes_Q6_K(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q6_K *b = block;
    for (int k = 0; k < 16; k++)
        out->sub_scale[k] = b->scales[k];
    qb_codes_set_scales(out, qb_f16_to_f32(b->d), 16);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)q6_k_code(b, j / 16, j % 16);
}

/*
 * Scales at random in 32..63, minima equal to them: with dmin = d * (mean code) every sub-block has mean 0.
 */
static void synth_scale_min(uint8_t *scales, struct qb_rng *rng)
{
    struct scale_min sm[8];
    uint64_t r = qb_rng_u64(rng);
    for (int k = 0; k < 8; k++, r >>= 8)
        sm[k].sc = sm[k].mn = 32 + (int)(r & 31);
    put_scale_min(scales, sm);
}

void qb_synth_Q4_K(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q4_K *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    synth_scale_min(b->scales, rng);
    b->d = qb_synth_size(std / (RMS_16_CENTERED * RMS_SCALE_6), rng);
    b->dmin = qb_f32_to_f16(7.5f * qb_f16_to_f32(b->d));
}

void qb_synth_Q5_K(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q5_K *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    synth_scale_min(b->scales, rng);
    b->d = qb_synth_size(std / (RMS_32_CENTERED * RMS_SCALE_6), rng);
    b->dmin = qb_f32_to_f16(15.5f * qb_f16_to_f32(b->d));
}

void qb_synth_Q6_K(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q6_K *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    /* 64..127 with a random sign */
    for (int k = 0; k < 16; k++) {
        int size = 64 | (b->scales[k] & 63);
        b->scales[k] = (int8_t)(b->scales[k] < 0 ? -size : size);
    }
    b->d = qb_synth_size(std / (RMS_64 * RMS_SCALE_8), rng);
}

QB_DEFINE_CHECK(Q4_K, qb_f16_is_finite(b[i].d) && qb_f16_is_finite(b[i].dmin))
QB_DEFINE_CHECK(Q5_K, qb_f16_is_finite(b[i].d) && qb_f16_is_finite(b[i].dmin))
QB_DEFINE_CHECK(Q6_K, qb_f16_is_finite(b[i].d))

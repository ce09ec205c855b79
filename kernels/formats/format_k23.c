/*
 * Q2_K, Q3_K: blocks of 256 with bit planes and integer scales for sub-blocks of 16, under f16 factors.
 *
 * Panels hold the codes times their integer scale, so that one float scale serves all 256 weights.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

#define RMS_4_CENTERED 1.1180f  /* codes 0..3 less 1.5 */
#define RMS_8          2.3452f  /* codes -4..3 */
#define RMS_SCALE_4    11.7260f /* scales 8..15 */
#define RMS_SCALE_6    18.4797f /* scales -32..31 */
#define Q3_K_OFFSET    128      /* of the codes in a panel */

/* Codes by sub-block k and place l in it, so that the loops over l have no divisions and vectorize. */

static inline int two_bits(const uint8_t *qs, int k, int l)
{
    return qs[32 * (k / 8) + k % 2 * 16 + l] >> (k % 8 / 2 * 2) & 3;
}

static inline int q2_k_code(const struct qb_block_Q2_K *b, int k, int l)
{
    return two_bits(b->qs, k, l);
}

/* -4..3: two bits, less 4 where the bit of the mask is clear. */
static inline int q3_k_code(const struct qb_block_Q3_K *b, int k, int l)
{
    int high = b->hmask[k % 2 * 16 + l] >> (k / 2) & 1;
    return two_bits(b->qs, k, l) - 4 + 4 * high;
}

/* -32..31: four bits in a nibble of bytes 0..7, two in bytes 8..11. */
static int q3_k_scale(const uint8_t *s, int k)
{
    int low = k < 8 ? s[k] & 15 : s[k - 8] >> 4, high = s[8 + k % 4] >> (2 * (k / 4)) & 3;
    return (low | high << 4) - 32;
}

void qb_decode_Q2_K(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q2_K *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d), dmin = qb_f16_to_f32(b->dmin);
        for (int k = 0; k < 16; k++, out += 16) {
            float scale = d * (float)(b->scales[k] & 15), min = dmin * (float)(b->scales[k] >> 4);
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)q2_k_code(b, k, l) - min;
        }
    }
}

void qb_decode_Q3_K(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_Q3_K *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int k = 0; k < 16; k++, out += 16) {
            float scale = d * (float)q3_k_scale(b->scales, k);
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)q3_k_code(b, k, l);
        }
    }
}

void qb_codes_Q2_K(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q2_K *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    out->min_scale = qb_f16_to_f32(b->dmin);
    for (int k = 0; k < 16; k++)
        out->min_i16[k] = b->scales[k] >> 4;
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)(q2_k_code(b, j / 16, j % 16) * (b->scales[j / 16] & 15));
}

/* The product lies in -124..128: its negative fits a byte with an offset of 128. */
void qb_codes_Q3_K(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q3_K *b = block;
    out->scale[0] = -qb_f16_to_f32(b->d);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)(Q3_K_OFFSET - q3_k_code(b, j / 16, j % 16) * q3_k_scale(b->scales, j / 16));
}

/* The same with a scale per 16: codes 0..7. */
void qb_codes_Q3_K_s16(const void *block, struct qb_codes *out)
{
    const struct qb_block_Q3_K *b = block;
    float d = qb_f16_to_f32(b->d);
    for (int k = 0; k < 16; k++)
        out->scale[k] = d * (float)q3_k_scale(b->scales, k);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)(4 + q3_k_code(b, j / 16, j % 16));
}

/* Scales 8..15, minima equal to them: with dmin = d * (mean code) every sub-block has mean 0. */
void qb_synth_Q2_K(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_Q2_K *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    for (int k = 0; k < 16; k++)
        b->scales[k] = (uint8_t)((8 | (b->scales[k] & 7)) * 0x11);
    b->d = qb_synth_size(std / (RMS_4_CENTERED * RMS_SCALE_4), rng);
    b->dmin = qb_f32_to_f16(1.5f * qb_f16_to_f32(b->d));
}

QB_DEFINE_SYNTH(Q3_K, RMS_8 *RMS_SCALE_6)

QB_DEFINE_CHECK(Q2_K, qb_f16_is_finite(b[i].d) && qb_f16_is_finite(b[i].dmin))
QB_DEFINE_CHECK(Q3_K, qb_f16_is_finite(b[i].d))

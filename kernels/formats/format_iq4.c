/*
 * IQ4_NL and IQ4_XS: four bits select one of 16 levels that are denser around 0.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

#define RMS_LEVELS   67.4389f /* of the 16 levels */
#define RMS_SCALE_XS 18.4797f /* scales -32..31 */
#define OFFSET       128      /* of the codes in a panel */

const int8_t qb_iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static int level32(const uint8_t *qs, int j)
{
    return qb_iq4_levels[qb_nibble32(qs, j)];
}

/* Six bits: four in scales_l, two in scales_h. */
static int xs_scale(const struct qb_block_IQ4_XS *b, int k)
{
    int lo = b->scales_l[k / 2] >> (4 * (k & 1)) & 15, hi = b->scales_h >> (2 * k) & 3;
    return (lo | hi << 4) - 32;
}

void qb_decode_IQ4_NL(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_IQ4_NL *b = blocks;
    for (int64_t i = 0; i < n / 32; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = d * (float)level32(b->qs, j);
    }
}

void qb_decode_IQ4_XS(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_IQ4_XS *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 256; j++)
            out[i * 256 + j] = d * (float)xs_scale(b, j / 32) * (float)level32(b->qs + j / 32 * 16, j % 32);
    }
}

void qb_codes_IQ4_NL(const void *block, struct qb_codes *out)
{
    const struct qb_block_IQ4_NL *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    for (int j = 0; j < 32; j++)
        out->code[j] = (uint8_t)(level32(b->qs, j) + OFFSET);
}

void qb_codes_IQ4_XS(const void *block, struct qb_codes *out)
{
    const struct qb_block_IQ4_XS *b = block;
    for (int k = 0; k < 8; k++)
        out->sub_scale[k] = (int16_t)xs_scale(b, k);
    qb_codes_set_scales(out, qb_f16_to_f32(b->d), 8);
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)(level32(b->qs + j / 32 * 16, j % 32) + OFFSET);
}

void qb_synth_IQ4_NL(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_IQ4_NL *b = block;
    qb_rng_fill(rng, b->qs, sizeof b->qs);
    b->d = qb_synth_scale(std / RMS_LEVELS, rng);
}

QB_DEFINE_SYNTH(IQ4_XS, RMS_LEVELS *RMS_SCALE_XS)

QB_DEFINE_CHECK(IQ4_NL, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(IQ4_XS, qb_f16_is_finite(b[i].d))

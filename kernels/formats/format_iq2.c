/*
 * IQ2_XXS, IQ2_XS, IQ2_S: 8 weights are a point of a codebook with the levels 8, 25, 43, signs are apart;
 * 4-bit scales for 32 or 16 weights.
 */
#include "kernels/formats/format_iq.h"

#define RMS_LEVELS_XXS 23.1177f
#define RMS_LEVELS_XS  24.2173f
#define RMS_LEVELS_S   24.4303f
#define RMS_SCALE      2.30827f /* (2 s + 1) / 8 for s = 0..15 */

static const int8_t levels[4] = {8, 25, 43};

/* Scales are odd eighths. */
#define FACTOR 0.125f

static int scale_of(int code)
{
    return 2 * code + 1;
}

/* Four index bytes, then four sign codes of 7 bits below the scale. */
static struct qb_iq_group xxs_group(const struct qb_block_IQ2_XXS *b, int q)
{
    const uint8_t *at = b->qs + q / 4 * 8;
    uint32_t signs = qb_load_u32(at + 4);
    return (struct qb_iq_group){qb_codebook_iq2xxs[at[q % 4]], qb_iq_even_signs(signs >> (q % 4 * 7))};
}

static int xxs_scale(const struct qb_block_IQ2_XXS *b, int s)
{
    return scale_of(b->qs[8 * s + 7] >> 4);
}

static struct qb_iq_group xs_group(const struct qb_block_IQ2_XS *b, int q)
{
    uint16_t v = b->qs[q];
    return (struct qb_iq_group){qb_codebook_iq2xs[v & 511], qb_iq_even_signs(v >> 9)};
}

static int xs_scale(const struct qb_block_IQ2_XS *b, int s)
{
    return scale_of(b->scales[s / 2] >> (s % 2 * 4) & 15);
}

static struct qb_iq_group s_group(const struct qb_block_IQ2_S *b, int q)
{
    int high = b->qh[q / 4] >> (q % 4 * 2) & 3;
    return (struct qb_iq_group){qb_codebook_iq2s[b->qs[q] | high << 8], b->signs[q]};
}

static int s_scale(const struct qb_block_IQ2_S *b, int s)
{
    return scale_of(b->scales[s / 2] >> (s % 2 * 4) & 15);
}

QB_DEFINE_IQ(IQ2_XXS, xxs, FACTOR, 2, levels, 32, 64)
QB_DEFINE_IQ(IQ2_XS, xs, FACTOR, 2, levels, 16, 64)
QB_DEFINE_IQ(IQ2_S, s, FACTOR, 2, levels, 16, 64)

QB_DEFINE_SYNTH(IQ2_XXS, RMS_LEVELS_XXS *RMS_SCALE)
QB_DEFINE_SYNTH(IQ2_XS, RMS_LEVELS_XS *RMS_SCALE)
QB_DEFINE_SYNTH(IQ2_S, RMS_LEVELS_S *RMS_SCALE)

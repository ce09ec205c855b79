/*
 * IQ3_XXS, IQ3_S: 4 weights are a point of a codebook with 8 levels, signs are apart; 4-bit scales for 32
 * weights.
 */
#include "kernels/formats/format_iq.h"

#define RMS_LEVELS_XXS 30.8487f
#define RMS_LEVELS_S   7.5942f
#define RMS_SCALE_XXS  4.61655f  /* (2 s + 1) / 4 for s = 0..15 */
#define RMS_SCALE_S    18.46619f /* 2 s + 1 */

static const int8_t levels_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const int8_t levels_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Two points of 4 values. */
static uint32_t join(uint16_t first, uint16_t second)
{
    return first | (uint32_t)second << 12;
}

/* gas: four sign codes of 7 bits below the scale. */
static struct qb_iq_group xxs_group(const struct qb_block_IQ3_XXS *b, int q)
{
    return (struct qb_iq_group){join(qb_codebook_iq3xxs[b->qs[2 * q]], qb_codebook_iq3xxs[b->qs[2 * q + 1]]),
                                qb_iq_even_signs(b->gas[q / 4] >> (q % 4 * 7))};
}

/* Odd quarters. */
static int xxs_scale(const struct qb_block_IQ3_XXS *b, int s)
{
    return 2 * (int)(b->gas[s] >> 28) + 1;
}

static struct qb_iq_group s_group(const struct qb_block_IQ3_S *b, int q)
{
    int high = b->qh[q / 4] >> (q % 4 * 2); /* bit 0: first point, bit 1: second */
    return (struct qb_iq_group){join(qb_codebook_iq3s[b->qs[2 * q] | (high & 1) << 8],
                                     qb_codebook_iq3s[b->qs[2 * q + 1] | (high & 2) << 7]),
                                b->signs[q]};
}

static int s_scale(const struct qb_block_IQ3_S *b, int s)
{
    return 1 + 2 * (b->scales[s / 2] >> (s % 2 * 4) & 15);
}

QB_DEFINE_IQ(IQ3_XXS, xxs, 0.25f, 3, levels_xxs, 32, 64)
QB_DEFINE_IQ(IQ3_S, s, 1.0f, 3, levels_s, 32, 16)

QB_DEFINE_SYNTH(IQ3_XXS, RMS_LEVELS_XXS *RMS_SCALE_XXS)
QB_DEFINE_SYNTH(IQ3_S, RMS_LEVELS_S *RMS_SCALE_S)

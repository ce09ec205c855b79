/*
 * IQ3_XXS, IQ3_S: 4 weights are a point of a codebook with 8 levels, signs are apart; 4-bit scales for 32
 * weights.
 */
#include "kernels/expansion.h"
#include "kernels/formats/format_iq.h"
#include <string.h>

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

/* ---- expanded (kernels/expansion.h) ---- */

/* Three bits for each of 4 weights, to a byte each. */
static uint32_t spread_levels(uint32_t point)
{
    uint32_t pairs = (point | point << 10) & 0x003f003fu;
    return (pairs | pairs << 5) & 0x07070707u;
}

/* 8 weights, to a nibble in a byte each. */
static uint64_t nibbles_of(struct qb_iq_group g)
{
    uint64_t levels = spread_levels(g.levels & 0xfff) | (uint64_t)spread_levels(g.levels >> 12) << 32;
    return (levels + 0x0808080808080808ull) ^ qb_spread_bits(g.signs) * 15;
}

/* 32 weights from their groups of 8. */
static void put_nibbles(uint8_t q[16], const struct qb_iq_group g[4])
{
    for (int i = 0; i < 2; i++) {
        uint64_t v = nibbles_of(g[i]) | nibbles_of(g[2 + i]) << 4;
        memcpy(q + 8 * i, &v, sizeof v);
    }
}

/* Group k of 32 weights. */
static struct qb_iq_group group_of(const uint8_t q[16], int k)
{
    struct qb_iq_group g = {0, 0};
    for (int i = 0; i < 8; i++) {
        int v = q[k % 2 * 8 + i] >> (k / 2 * 4) & 15;
        g.levels |= (uint32_t)(v < 8 ? 7 - v : v - 8) << (3 * i);
        g.signs |= (uint8_t)((v < 8) << i);
    }
    return g;
}

#define DEFINE_EXPAND(id, PREFIX)                                                                            \
    void qb_expand_##id(const void *block, void *expanded)                                                   \
    {                                                                                                        \
        const struct qb_block_##id *b = block;                                                               \
        struct qb_expanded_nibbles *out = expanded;                                                          \
        *out = (struct qb_expanded_nibbles){.d = b->d};                                                      \
        for (int k = 0; k < 8; k++) {                                                                        \
            struct qb_iq_group g[4];                                                                         \
            for (int i = 0; i < 4; i++)                                                                      \
                g[i] = PREFIX##_group(b, 4 * k + i);                                                         \
            put_nibbles(out->q[k], g);                                                                       \
            out->scales[k / 2] |= (uint8_t)(PREFIX##_scale(b, k) / 2 << (k % 2 * 4));                        \
        }                                                                                                    \
    }
DEFINE_EXPAND(IQ3_XXS, xxs)
DEFINE_EXPAND(IQ3_S, s)

void qb_contract_IQ3_XXS(const void *expanded, void *block)
{
    const struct qb_expanded_nibbles *in = expanded;
    struct qb_block_IQ3_XXS *b = block;
    *b = (struct qb_block_IQ3_XXS){.d = in->d};
    for (int q = 0; q < 32; q++) {
        struct qb_iq_group g = group_of(in->q[q / 4], q % 4);
        b->qs[2 * q] = (uint8_t)qb_codebook_find(qb_codebook_iq3xxs, 256, g.levels & 0xfff);
        b->qs[2 * q + 1] = (uint8_t)qb_codebook_find(qb_codebook_iq3xxs, 256, g.levels >> 12);
        b->gas[q / 4] |= (uint32_t)(g.signs & 127) << (q % 4 * 7);
    }
    for (int k = 0; k < 8; k++)
        b->gas[k] |= (uint32_t)(in->scales[k / 2] >> (k % 2 * 4) & 15) << 28;
}

void qb_contract_IQ3_S(const void *expanded, void *block)
{
    const struct qb_expanded_nibbles *in = expanded;
    struct qb_block_IQ3_S *b = block;
    *b = (struct qb_block_IQ3_S){.d = in->d};
    memcpy(b->scales, in->scales, sizeof b->scales);
    for (int q = 0; q < 32; q++) {
        struct qb_iq_group g = group_of(in->q[q / 4], q % 4);
        int first = qb_codebook_find(qb_codebook_iq3s, 512, g.levels & 0xfff);
        int second = qb_codebook_find(qb_codebook_iq3s, 512, g.levels >> 12);
        b->qs[2 * q] = (uint8_t)first;
        b->qs[2 * q + 1] = (uint8_t)second;
        b->qh[q / 4] |= (uint8_t)((first >> 8 | second >> 8 << 1) << (q % 4 * 2));
        b->signs[q] = g.signs;
    }
}

/*
 * IQ2_XXS, IQ2_XS, IQ2_S: 8 weights are a point of a codebook with the levels 8, 25, 43, signs are apart;
 * 4-bit scales for 32 or 16 weights.
 */
#include "kernels/expansion.h"
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

/* ---- expanded (kernels/expansion.h) ---- */

/* Two groups of four weights of three bits share a dword; the last two of a 32 are bits 3 and 7 of three. */
static void put_group(struct qb_expanded_signed *e, int g, struct qb_iq_group group)
{
    uint64_t codes = qb_spread_levels(group.levels) | qb_spread_bits(group.signs) << 2;
    uint32_t nibbles = (uint32_t)(codes | codes >> 28), q[3];
    memcpy(q, e->q[g / 4], sizeof q);
    if (g % 4 < 3)
        q[g % 4] |= nibbles;
    else
        for (int k = 0; k < 3; k++)
            q[k] |= (nibbles >> k & 0x11111111) << 3;
    memcpy(e->q[g / 4], q, sizeof q);
}

static struct qb_iq_group get_group(const struct qb_expanded_signed *e, int g)
{
    uint32_t q[3], nibbles = 0;
    memcpy(q, e->q[g / 4], sizeof q);
    if (g % 4 < 3)
        nibbles = q[g % 4] & 0x77777777;
    else
        for (int k = 0; k < 3; k++)
            nibbles |= (q[k] >> 3 & 0x11111111) << k;
    uint64_t codes = (nibbles & 0x0f0f0f0full) | (nibbles & 0xf0f0f0f0ull) << 28;
    struct qb_iq_group group = {qb_gather_levels(codes), 0};
    for (int i = 0; i < 8; i++)
        group.signs |= (uint8_t)((codes >> (8 * i + 2) & 1) << i);
    return group;
}

/* PER: weights for a scale of the format. */
#define DEFINE_EXPAND(id, PREFIX, PER)                                                                       \
    void qb_expand_##id(const void *block, void *expanded)                                                   \
    {                                                                                                        \
        const struct qb_block_##id *b = block;                                                               \
        struct qb_expanded_signed e = {.d = b->d};                                                           \
        for (int g = 0; g < 32; g++)                                                                         \
            put_group(&e, g, PREFIX##_group(b, g));                                                          \
        for (int s = 0; s < 16; s++)                                                                         \
            qb_put_scale(e.scales, s, PREFIX##_scale(b, s * 16 / (PER)) / 2);                                \
        memcpy(expanded, &e, sizeof e);                                                                      \
    }
DEFINE_EXPAND(IQ2_XXS, xxs, 32)
DEFINE_EXPAND(IQ2_XS, xs, 16)
DEFINE_EXPAND(IQ2_S, s, 16)

/* Nibble s of 8 bytes of zeros is that of 16s number s. */
static void get_scales(const struct qb_expanded_signed *e, uint8_t scales[8])
{
    for (int s = 0; s < 16; s++)
        scales[s / 2] |= (uint8_t)(qb_get_scale(e->scales, s) << (s % 2 * 4));
}

void qb_contract_IQ2_XXS(const void *expanded, void *block)
{
    struct qb_expanded_signed e;
    memcpy(&e, expanded, sizeof e);
    struct qb_block_IQ2_XXS *b = block;
    b->d = e.d;
    for (int k = 0; k < 8; k++) {
        uint32_t gas = (uint32_t)qb_get_scale(e.scales, 2 * k) << 28;
        for (int i = 0; i < 4; i++) {
            struct qb_iq_group g = get_group(&e, 4 * k + i);
            b->qs[8 * k + i] = (uint8_t)qb_codebook_find(qb_codebook_iq2xxs, 256, g.levels);
            gas |= (uint32_t)(g.signs & 127) << (7 * i);
        }
        memcpy(b->qs + 8 * k + 4, &gas, sizeof gas);
    }
}

void qb_contract_IQ2_XS(const void *expanded, void *block)
{
    struct qb_expanded_signed e;
    memcpy(&e, expanded, sizeof e);
    struct qb_block_IQ2_XS *b = block;
    *b = (struct qb_block_IQ2_XS){.d = e.d};
    for (int q = 0; q < 32; q++) {
        struct qb_iq_group g = get_group(&e, q);
        int index = qb_codebook_find(qb_codebook_iq2xs, 512, g.levels);
        b->qs[q] = (uint16_t)(index | (g.signs & 127) << 9);
    }
    get_scales(&e, b->scales);
}

void qb_contract_IQ2_S(const void *expanded, void *block)
{
    struct qb_expanded_signed e;
    memcpy(&e, expanded, sizeof e);
    struct qb_block_IQ2_S *b = block;
    *b = (struct qb_block_IQ2_S){.d = e.d};
    for (int q = 0; q < 32; q++) {
        struct qb_iq_group g = get_group(&e, q);
        int index = qb_codebook_find(qb_codebook_iq2s, 1024, g.levels);
        b->qs[q] = (uint8_t)index;
        b->qh[q / 4] |= (uint8_t)(index >> 8 << (q % 4 * 2));
        b->signs[q] = g.signs;
    }
    get_scales(&e, b->scales);
}

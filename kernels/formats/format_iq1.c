/*
 * IQ1_S, IQ1_M: 8 weights are a point of a ternary codebook, moved by +1/8 or -1/8 as one; 3-bit scales for
 * 32 or 16 weights.
 */
#include "kernels/expansion.h"
#include "kernels/formats/format_iq.h"
#include <string.h>

#define RMS_LEVELS 0.780898f /* of -1, 0, 1 moved by 1/8 */
#define RMS_SCALE  9.219545f /* 2 s + 1 for s = 0..7 */

static int ternary(unsigned index, int i)
{
    return (int)(qb_codebook_iq1s[index] >> (2 * i) & 3) - 1;
}

/* IQ1_S: a word for 32 weights holds four times 3 high index bits, 3 bits of scale and the sign of the move.
 */
static unsigned s_index(const struct qb_block_IQ1_S *b, int q)
{
    return b->qs[q] | (unsigned)(b->qh[q / 4] >> (q % 4 * 3) & 7) << 8;
}

static int s_scale(const struct qb_block_IQ1_S *b, int k)
{
    return 2 * (b->qh[k] >> 12 & 7) + 1;
}

static bool s_down(const struct qb_block_IQ1_S *b, int k)
{
    return b->qh[k] >> 15;
}

void qb_decode_IQ1_S(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_IQ1_S *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(b->d);
        for (int j = 0; j < 256; j++)
            out[i * 256 + j] =
                d * (float)s_scale(b, j / 32) *
                ((float)ternary(s_index(b, j / 8), j % 8) + (s_down(b, j / 32) ? -0.125f : 0.125f));
    }
}

void qb_codes_IQ1_S(const void *block, struct qb_codes *out)
{
    const struct qb_block_IQ1_S *b = block;
    out->scale[0] = qb_f16_to_f32(b->d);
    out->min_scale = out->scale[0] / 8;
    for (int k = 0; k < 8; k++)
        out->min_i16[k] = (int16_t)(s_down(b, k) ? s_scale(b, k) : -s_scale(b, k));
    for (int j = 0; j < 256; j++)
        out->code[j] = (uint8_t)(16 + s_scale(b, j / 32) * ternary(s_index(b, j / 8), j % 8));
}

/* IQ1_M: a nibble for 8 weights holds 3 high index bits and the sign of the move. */
static int m_nibble(const struct qb_block_IQ1_M *b, int q)
{
    return b->qh[q / 2] >> (q % 2 * 4) & 15;
}

static unsigned m_index(const struct qb_block_IQ1_M *b, int q)
{
    return b->qs[q] | (unsigned)(m_nibble(b, q) & 7) << 8;
}

static int m_scale(const struct qb_block_IQ1_M *b, int s)
{
    return 2 * (b->scales[s / 4] >> (s % 4 * 3) & 7) + 1;
}

/* The f16 scale is spread over the top nibbles of the four words of scales. */
static uint16_t m_d(const struct qb_block_IQ1_M *b)
{
    return (uint16_t)(b->scales[0] >> 12 | (b->scales[1] >> 12) << 4 | (b->scales[2] >> 12) << 8 |
                      (b->scales[3] >> 12) << 12);
}

void qb_decode_IQ1_M(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_IQ1_M *b = blocks;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = qb_f16_to_f32(m_d(b));
        for (int j = 0; j < 256; j++)
            out[i * 256 + j] =
                d * (float)m_scale(b, j / 16) *
                ((float)ternary(m_index(b, j / 8), j % 8) + (m_nibble(b, j / 8) & 8 ? -0.125f : 0.125f));
    }
}

void qb_codes_IQ1_M(const void *block, struct qb_codes *out)
{
    const struct qb_block_IQ1_M *b = block;
    for (int s = 0; s < 16; s++)
        out->sub_scale[s] = (int16_t)m_scale(b, s);
    qb_codes_set_scales(out, qb_f16_to_f32(m_d(b)) / 8, 16);
    for (int j = 0; j < 256; j++)
        out->code[j] =
            (uint8_t)(16 + 8 * ternary(m_index(b, j / 8), j % 8) + (m_nibble(b, j / 8) & 8 ? -1 : 1));
}

QB_DEFINE_SYNTH(IQ1_S, RMS_LEVELS *RMS_SCALE)

void qb_synth_IQ1_M(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_IQ1_M *b = block;
    qb_rng_fill(rng, b, sizeof *b);
    uint16_t d = qb_synth_scale(std / (RMS_LEVELS * RMS_SCALE), rng);
    for (int i = 0; i < 4; i++)
        b->scales[i] = (uint16_t)((b->scales[i] & 0x0fff) | (d >> (4 * i) & 15) << 12);
}

QB_DEFINE_CHECK(IQ1_S, qb_f16_is_finite(b[i].d))
QB_DEFINE_CHECK(IQ1_M, qb_f16_is_finite(m_d(&b[i])))

/* ---- expanded (kernels/expansion.h) ---- */

void qb_expand_IQ1_S(const void *block, void *expanded)
{
    const struct qb_block_IQ1_S *b = block;
    struct qb_expanded_ternary out = {.d = b->d};
    for (int k = 0; k < 8; k++)
        out.scales[k % 4] |= (uint8_t)(b->qh[k] >> 12 << (k / 4 * 4));
    for (int q = 0; q < 32; q++)
        qb_put_levels(out.q, q, qb_codebook_iq1s[s_index(b, q)]);
    memcpy(expanded, &out, sizeof out);
}

void qb_contract_IQ1_S(const void *expanded, void *block)
{
    struct qb_expanded_ternary in;
    memcpy(&in, expanded, sizeof in);
    struct qb_block_IQ1_S *b = block;
    *b = (struct qb_block_IQ1_S){.d = in.d};
    for (int q = 0; q < 32; q++) {
        unsigned index = (unsigned)qb_codebook_find(qb_codebook_iq1s, 2048, qb_get_levels(in.q, q));
        b->qs[q] = (uint8_t)index;
        b->qh[q / 4] |= (uint16_t)(index >> 8 << (q % 4 * 3));
    }
    for (int k = 0; k < 8; k++)
        b->qh[k] |= (uint16_t)((in.scales[k % 4] >> (k / 4 * 4) & 15) << 12);
}

void qb_expand_IQ1_M(const void *block, void *expanded)
{
    const struct qb_block_IQ1_M *b = block;
    struct qb_expanded_ternary_16 e = {.d = m_d(b)};
    for (int q = 0; q < 32; q++)
        qb_put_levels(e.q, q, qb_codebook_iq1s[m_index(b, q)]);
    for (int s = 0; s < 16; s++) {
        uint32_t first = m_nibble(b, 2 * s) >> 3 & 1, second = m_nibble(b, 2 * s + 1) >> 3 & 1;
        qb_put_scale(e.scales, s, m_scale(b, s));
        e.down |= (first | second << 16) << s;
    }
    memcpy(expanded, &e, sizeof e);
}

void qb_contract_IQ1_M(const void *expanded, void *block)
{
    struct qb_expanded_ternary_16 e;
    memcpy(&e, expanded, sizeof e);
    struct qb_block_IQ1_M *b = block;
    *b = (struct qb_block_IQ1_M){.scales = {0}};
    for (int q = 0; q < 32; q++) {
        unsigned index = (unsigned)qb_codebook_find(qb_codebook_iq1s, 2048, qb_get_levels(e.q, q));
        unsigned down = e.down >> (q % 2 * 16 + q / 2) & 1;
        b->qs[q] = (uint8_t)index;
        b->qh[q / 2] |= (uint8_t)((index >> 8 | down << 3) << (q % 2 * 4));
    }
    for (int s = 0; s < 16; s++)
        b->scales[s / 4] |= (uint16_t)(qb_get_scale(e.scales, s) / 2 << (s % 4 * 3));
    for (int i = 0; i < 4; i++)
        b->scales[i] |= (uint16_t)((e.d >> (4 * i) & 15) << 12);
}

/*
 * Q1_0: signs of 128 weights; for them the best scale is the mean magnitude. Q2_0: -1..2 times a scale of
 * either sign for 64 weights, searched.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"
#include <string.h>

/* Weighted, the sums lane by lane. */
static float mean_magnitude(struct qb_encode_group g)
{
    float w[QB_LANES] = {0}, wx[QB_LANES] = {0};
    for (int i = 0; i < g.n; i += QB_LANES) {
        QB_FOR_LANES(c)
        {
            w[c] += g.w[i + c];
            wx[c] += g.w[i + c] * __builtin_fabsf(g.x[i + c]);
        }
    }
    return qb_sum_lanes(wx) / qb_sum_lanes(w);
}

void QB_ENCODE_FN(Q1_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q1_0 *o = out;
    for (int64_t i = 0; i < n; i += 128, o++) {
        struct qb_encode_block b;
        memset(o, 0, sizeof *o);
        qb_encode_load(&b, x + i, importance ? importance + i : NULL, 128);
        if (b.unit == 0.0f)
            continue;
        o->d = qb_f32_to_f16(mean_magnitude((struct qb_encode_group){b.x, b.w, 128}) * b.unit);
        for (int j = 0; j < 128; j++)
            o->qs[j / 8] |= (uint8_t)((b.x[j] >= 0.0f) << (j % 8));
    }
}

/* The largest magnitude becomes 2 (or is cut to it), or -1 under a scale of the other sign. */
static const float starts[QB_LANES] = {1.5f, 1.7f, 1.9f,  2.1f,   2.4f,  2.8f,  3.3f,  4.0f,
                                       5.5f, 9.0f, -0.8f, -1.05f, -1.4f, -1.9f, -2.6f, -4.0f};

static void encode_q2_0(const float *x, const float *importance, struct qb_block_Q2_0 *o)
{
    struct qb_encode_block b;
    uint8_t codes[64];
    uint16_t h = 0;
    memset(codes, 1, sizeof codes);
    qb_encode_load(&b, x, importance, 64);
    if (b.unit != 0.0f) {
        struct qb_encode_group g = {b.x, b.w, 64};
        float scale = qb_sym_search(g, -1.0f, 2.0f, starts, qb_signed_max(b.x, 64), 3);
        float inv = qb_encode_invert(qb_encode_f16(scale, b.unit, &h));
        for (int j = 0; j < 64; j += QB_LANES)
            qb_take_codes(b.x + j, 0.0f, inv, -1.0f, 2.0f, 1, codes + j);
    }
    o->d = h;
    for (int i = 0; i < 16; i++) {
        const uint8_t *q = codes + 4 * i;
        o->qs[i] = (uint8_t)(q[0] | q[1] << 2 | q[2] << 4 | q[3] << 6);
    }
}

void QB_ENCODE_FN(Q2_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q2_0 *b = out;
    for (int64_t i = 0; i < n; i += 64, b++)
        encode_q2_0(x + i, importance ? importance + i : NULL, b);
}

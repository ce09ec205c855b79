/*
 * Q2_K (scale and minimum for each 16, four bits each: encode_asym.h) and Q3_K (scale for each 16, six bits).
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_asym.h"
#include <string.h>

#define EVENNESS 2.0f /* qb_weigh_by_size */

static const struct qb_asym_shape shape2 = {.subs = 16,
                                            .size = 16,
                                            .hi = 3.0f,
                                            .most = 15.0f,
                                            .evenness = EVENNESS,
                                            .passes = 3,
                                            .rounds = 2,
                                            .shrink = {-0.1f, 0.0f, 0.1f, 0.2f}};

/* Four planes of two bits per 128 elements. */
static void pack_planes(const uint8_t *q, uint8_t *qs)
{
    for (int h = 0; h < 2; h++, q += 128, qs += 32)
        for (int j = 0; j < 32; j++)
            qs[j] =
                (uint8_t)((q[j] & 3) | (q[32 + j] & 3) << 2 | (q[64 + j] & 3) << 4 | (q[96 + j] & 3) << 6);
}

void QB_ENCODE_FN(Q2_K)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q2_K *b = out;
    for (int64_t i = 0; i < n; i += 256, b++) {
        struct qb_asym_choice c;
        memset(b, 0, sizeof *b);
        if (!qb_asym_choose(&shape2, x + i, importance ? importance + i : NULL, &c))
            continue;
        b->d = c.d;
        b->dmin = c.dmin;
        for (int k = 0; k < 16; k++)
            b->scales[k] = (uint8_t)(c.sc[k] | c.mn[k] << 4);
        pack_planes(c.q, b->qs);
    }
}

/* What is chosen for a block of Q3_K: codes 0..7 for -4..3, scales -32..31. */
struct q3_choice {
    uint8_t q[256];
    int sc[16];
    uint16_t d;
    float d_value, error;
};

/* Inverse scales times the signed maximum: it becomes the lowest or the highest code, or is clipped. */
static const float starts3[QB_LANES] = {-2.9f, -3.15f, -3.4f, -3.65f, -3.9f, -4.15f, -4.4f, -4.7f,
                                        -5.1f, -5.6f,  2.4f,  2.7f,   3.0f,  3.3f,   3.7f,  4.2f};

static void take_q3(const struct qb_encode_block *b, struct q3_choice *c)
{
    for (int k = 0; k < 16; k++) {
        float inv = qb_encode_invert(c->d_value * (float)c->sc[k]);
        qb_take_codes(b->x + 16 * k, 0.0f, inv, -4.0f, 3.0f, 4, c->q + 16 * k);
    }
}

/* Integer scales by error, of 16 around the wanted ones, and codes. */
static void choose_q3(const struct qb_encode_block *b, const float *want, float d, struct q3_choice *c)
{
    c->d_value = qb_encode_f16(d, b->unit, &c->d);
    c->error = 0.0f;
    for (int k = 0; k < 16; k++) {
        float scale[QB_LANES], score[QB_LANES];
        float first = qb_clamp(qb_rint_small(want[k] * qb_encode_invert(c->d_value)) - 8.0f, -32.0f, 16.0f);
        QB_FOR_LANES(l) scale[l] = c->d_value * (first + (float)l);
        qb_sym_errors((struct qb_encode_group){b->x + 16 * k, b->w + 16 * k, 16}, -4.0f, 3.0f, scale, score);
        int best = qb_best_lane(score);
        c->sc[k] = (int)first + best;
        c->error -= score[best];
    }
    take_q3(b, c);
}

/* The least-squares factor for fixed codes. */
static float refit_q3(const struct qb_encode_block *b, const struct q3_choice *c)
{
    float xa[QB_LANES] = {0}, aa[QB_LANES] = {0};
    for (int k = 0; k < 16; k++) {
        float sc = (float)c->sc[k];
        QB_FOR_LANES(l)
        {
            float a = sc * (float)(c->q[16 * k + l] - 4), wa = b->w[16 * k + l] * a;
            xa[l] += wa * b->x[16 * k + l];
            aa[l] += wa * a;
        }
    }
    float sum = qb_sum_lanes(aa);
    return sum > 0.0f ? qb_sum_lanes(xa) / sum : 0.0f;
}

static void pack_q3(const struct q3_choice *c, struct qb_block_Q3_K *b)
{
    b->d = c->d;
    pack_planes(c->q, b->qs);
    for (int j = 0; j < 256; j++)
        b->hmask[j % 32] |= (uint8_t)(c->q[j] >> 2 << (j / 32));
    for (int k = 0; k < 16; k++) {
        int v = c->sc[k] + 32;
        b->scales[k % 8] |= (uint8_t)((v & 15) << (k / 8 * 4));
        b->scales[8 + k % 4] |= (uint8_t)(v >> 4 << (k / 4 * 2));
    }
}

static void encode_q3(const float *x, const float *importance, struct qb_block_Q3_K *out)
{
    struct qb_encode_block b;
    struct q3_choice c, next;
    float want[16], largest = 0.0f, d;
    memset(out, 0, sizeof *out);
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return;
    qb_weigh_by_size(&b, 256, EVENNESS);
    for (int k = 0; k < 16; k++) {
        float m = qb_signed_max(b.x + 16 * k, 16);
        want[k] = 0.0f;
        if (__builtin_fabsf(m) > 1e-12f)
            want[k] = qb_sym_search((struct qb_encode_group){b.x + 16 * k, b.w + 16 * k, 16}, -4.0f, 3.0f,
                                    starts3, m, 2);
        largest = __builtin_fabsf(want[k]) > __builtin_fabsf(largest) ? want[k] : largest;
    }
    choose_q3(&b, want, largest / -32.0f, &c);
    d = refit_q3(&b, &c);
    if (d != 0.0f) {
        choose_q3(&b, want, d, &next);
        c = next.error < c.error ? next : c;
    }
    d = refit_q3(&b, &c);
    if (d != 0.0f) {
        c.d_value = qb_encode_f16(d, b.unit, &c.d);
        take_q3(&b, &c);
    }
    pack_q3(&c, out);
}

void QB_ENCODE_FN(Q3_K)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q3_K *b = out;
    for (int64_t i = 0; i < n; i += 256, b++)
        encode_q3(x + i, importance ? importance + i : NULL, b);
}

/*
 * Q4_K, Q5_K (scale and minimum for each 32, six bits each: encode_asym.h) and Q6_K (scale for each 16, eight
 * bits).
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_asym.h"
#include <string.h>

static const struct qb_asym_shape shape4 = {.subs = 8,
                                            .size = 32,
                                            .hi = 15.0f,
                                            .most = 63.0f,
                                            .passes = 2,
                                            .rounds = 1,
                                            .shrink = {-0.02f, 0.01f, 0.05f, 0.09f}};
static const struct qb_asym_shape shape5 = {.subs = 8,
                                            .size = 32,
                                            .hi = 31.0f,
                                            .most = 63.0f,
                                            .passes = 1,
                                            .rounds = 1,
                                            .shrink = {-0.01f, 0.0f, 0.02f, 0.04f}};

/* Eight 6-bit scales and minima in 12 bytes (kernels/formats/format_k.c reads them). */
static void pack_scales(const struct qb_asym_choice *c, uint8_t *s)
{
    for (int k = 0; k < 4; k++) {
        s[k] = (uint8_t)(c->sc[k] | c->sc[k + 4] >> 4 << 6);
        s[k + 4] = (uint8_t)(c->mn[k] | c->mn[k + 4] >> 4 << 6);
        s[k + 8] = (uint8_t)((c->sc[k + 4] & 15) | (c->mn[k + 4] & 15) << 4);
    }
}

/* Low four bits: sub-blocks 2i and 2i + 1 are the nibbles of 32 bytes. */
static void pack_nibbles(const uint8_t *q, uint8_t *qs)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 32; j++)
            qs[32 * i + j] = (uint8_t)((q[64 * i + j] & 15) | q[64 * i + 32 + j] << 4);
}

void QB_ENCODE_FN(Q4_K)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q4_K *b = out;
    for (int64_t i = 0; i < n; i += 256, b++) {
        struct qb_asym_choice c;
        memset(b, 0, sizeof *b);
        if (!qb_asym_choose(&shape4, x + i, importance ? importance + i : NULL, &c))
            continue;
        b->d = c.d;
        b->dmin = c.dmin;
        pack_scales(&c, b->scales);
        pack_nibbles(c.q, b->qs);
    }
}

void QB_ENCODE_FN(Q5_K)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q5_K *b = out;
    for (int64_t i = 0; i < n; i += 256, b++) {
        struct qb_asym_choice c;
        memset(b, 0, sizeof *b);
        if (!qb_asym_choose(&shape5, x + i, importance ? importance + i : NULL, &c))
            continue;
        b->d = c.d;
        b->dmin = c.dmin;
        pack_scales(&c, b->scales);
        pack_nibbles(c.q, b->qs);
        for (int j = 0; j < 256; j++)
            b->qh[j % 32] |= (uint8_t)(c.q[j] >> 4 << (j / 32));
    }
}

/* What is chosen for a block of Q6_K. */
struct q6_choice {
    uint8_t q[256]; /* 32 too much */
    int8_t sc[16];
    uint16_t d;
};

#define Q6_LARGEST 116.0f /* integer scale that the largest sub-block starts from: 128 at most */
#define Q6_BELOW   3.0f   /* candidates of smaller magnitude than the start; the other 12 are larger */

/*
 * Integer scale of sub-block k: of 16 around the one that makes the value of largest magnitude -32, that of
 * least error. Eight bits are fine enough to need no search for a free scale before.
 */
static void choose_q6(const struct qb_encode_block *b, int k, float max, float d, struct q6_choice *c)
{
    struct qb_encode_group g = {b->x + 16 * k, b->w + 16 * k, 16};
    float scale[QB_LANES], score[QB_LANES];
    float want = qb_rint_small(max / -32.0f * qb_encode_invert(d));
    float first = qb_clamp(want - (want < 0.0f ? 15.0f - Q6_BELOW : Q6_BELOW), -128.0f, 112.0f);
    QB_FOR_LANES(l) scale[l] = d * (first + (float)l);
    qb_sym_errors(g, -32.0f, 31.0f, scale, score);
    int best = qb_best_lane(score);
    float inv = qb_encode_invert(scale[best]);
    c->sc[k] = (int8_t)((int)first + best);
    qb_take_codes(g.x, 0.0f, inv, -32.0f, 31.0f, 32, c->q + 16 * k);
}

static void pack_q6(const struct q6_choice *c, struct qb_block_Q6_K *b)
{
    b->d = c->d;
    memcpy(b->scales, c->sc, 16);
    for (int h = 0; h < 2; h++) {
        const uint8_t *q = c->q + 128 * h;
        for (int l = 0; l < 32; l++) {
            unsigned v[4];
            for (int p = 0; p < 4; p++)
                v[p] = q[32 * p + l];
            b->ql[64 * h + l] = (uint8_t)((v[0] & 15) | (v[2] & 15) << 4);
            b->ql[64 * h + 32 + l] = (uint8_t)((v[1] & 15) | (v[3] & 15) << 4);
            b->qh[32 * h + l] = (uint8_t)(v[0] >> 4 | v[1] >> 4 << 2 | v[2] >> 4 << 4 | v[3] >> 4 << 6);
        }
    }
}

static void encode_q6(const float *x, const float *importance, struct qb_block_Q6_K *out)
{
    struct qb_encode_block b;
    struct q6_choice c;
    float max[16], largest = 0.0f;
    memset(out, 0, sizeof *out);
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return;
    for (int k = 0; k < 16; k++) {
        max[k] = qb_signed_max(b.x + 16 * k, 16);
        largest = __builtin_fabsf(max[k]) > __builtin_fabsf(largest) ? max[k] : largest;
    }
    float d = qb_encode_f16(largest / (32.0f * Q6_LARGEST), b.unit, &c.d);
    for (int k = 0; k < 16; k++)
        choose_q6(&b, k, max[k], d, &c);
    pack_q6(&c, out);
}

void QB_ENCODE_FN(Q6_K)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q6_K *b = out;
    for (int64_t i = 0; i < n; i += 256, b++)
        encode_q6(x + i, importance ? importance + i : NULL, b);
}

/*
 * Q4_K, Q5_K (scale and minimum for each 32, six bits each) and Q6_K (scale for each 16, eight bits). Free
 * scales first; then integer scales by the error after decoding; then least-squares factors for the
 * super-block, and the integer scales once more.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"
#include <string.h>

#define SUBS 8 /* of 32 */

/* Everything that is chosen for a block of Q4_K or Q5_K. */
struct asym_choice {
    uint8_t q[256], sc[SUBS], mn[SUBS];
    uint16_t d, dmin;          /* f16 */
    float d_value, dmin_value; /* what the f16 say, in units of the block */
};

static const float shrink4[QB_LANES][2] = {{-.02f, -.02f}, {-.02f, 0.01f}, {-.02f, 0.05f}, {-.02f, 0.09f},
                                           {0.01f, -.02f}, {0.01f, 0.01f}, {0.01f, 0.05f}, {0.01f, 0.09f},
                                           {0.05f, -.02f}, {0.05f, 0.01f}, {0.05f, 0.05f}, {0.05f, 0.09f},
                                           {0.09f, -.02f}, {0.09f, 0.01f}, {0.09f, 0.05f}, {0.09f, 0.09f}};
static const float shrink5[QB_LANES][2] = {{-.01f, -.01f}, {-.01f, 0.00f}, {-.01f, 0.02f}, {-.01f, 0.04f},
                                           {0.00f, -.01f}, {0.00f, 0.00f}, {0.00f, 0.02f}, {0.00f, 0.04f},
                                           {0.02f, -.01f}, {0.02f, 0.00f}, {0.02f, 0.02f}, {0.02f, 0.04f},
                                           {0.04f, -.01f}, {0.04f, 0.00f}, {0.04f, 0.02f}, {0.04f, 0.04f}};

/* Lowest of four neighbouring integer scales around v. */
static float lowest_of_four(float v, float most)
{
    return qb_clamp(qb_rint_small(v - 1.5f), 0.0f, most - 3.0f);
}

/* Integer scale and minimum of sub-block k: of 4 x 4 around the wanted ones those of least error. */
static void choose_sub(const struct qb_encode_block *b, int k, float hi, struct qb_asym want,
                       struct asym_choice *c)
{
    struct qb_encode_group g = {b->x + 32 * k, b->w + 32 * k, 32};
    float scale[QB_LANES], offset[QB_LANES], score[QB_LANES];
    float sc = lowest_of_four(want.scale * qb_encode_invert(c->d_value), 63.0f);
    float mn = lowest_of_four(-want.offset * qb_encode_invert(c->dmin_value), 63.0f);
    QB_FOR_LANES(l)
    {
        scale[l] = c->d_value * (sc + (float)(l % 4));
        offset[l] = -c->dmin_value * (mn + (float)(l / 4));
    }
    qb_asym_errors(g, hi, scale, offset, score);
    int best = qb_best_lane(score);
    c->sc[k] = (uint8_t)((int)sc + best % 4);
    c->mn[k] = (uint8_t)((int)mn + best / 4);
}

/* The nearest codes of sub-block k under the scales that it has. */
static void take_codes(const struct qb_encode_block *b, int k, float hi, struct asym_choice *c)
{
    float inv = qb_encode_invert(c->d_value * (float)c->sc[k]), offset = -c->dmin_value * (float)c->mn[k];
    for (int j = 32 * k; j < 32 * k + 32; j++)
        c->q[j] = (uint8_t)(int)qb_nearest((b->x[j] - offset) * inv, 0.0f, hi);
}

/* Sums over a sub-block for the factors: x ~ d A - dmin B with A = sc q, B = mn. */
struct factor_sums {
    float aa, ab, bb, xa, xb;
};

static void add_sums(const struct qb_encode_block *b, int k, const struct asym_choice *c,
                     struct factor_sums *s)
{
    float q1[QB_LANES] = {0}, q2[QB_LANES] = {0}, xq[QB_LANES] = {0}, w1[QB_LANES] = {0}, x1[QB_LANES] = {0};
    for (int h = 0; h < 32; h += QB_LANES) {
        QB_FOR_LANES(l)
        {
            int i = 32 * k + h + l;
            float q = (float)c->q[i], w = b->w[i], x = b->x[i];
            q1[l] += w * q;
            q2[l] += w * q * q;
            xq[l] += w * x * q;
            w1[l] += w;
            x1[l] += w * x;
        }
    }
    float sc = (float)c->sc[k], mn = (float)c->mn[k];
    s->aa += sc * sc * qb_sum_lanes(q2);
    s->ab += sc * mn * qb_sum_lanes(q1);
    s->bb += mn * mn * qb_sum_lanes(w1);
    s->xa += sc * qb_sum_lanes(xq);
    s->xb += mn * qb_sum_lanes(x1);
}

/* Least-squares factors for fixed codes; false when there is no better pair of positive ones. */
static bool refit_factors(const struct qb_encode_block *b, const struct asym_choice *c, float *d, float *dmin)
{
    struct factor_sums s = {0};
    for (int k = 0; k < SUBS; k++)
        add_sums(b, k, c, &s);
    if (!(s.aa > 0.0f))
        return false;
    float det = s.aa * s.bb - s.ab * s.ab;
    if (!(s.bb > 0.0f) || !(det > 1e-6f * s.aa * s.bb)) {
        *d = (s.xa + c->dmin_value * s.ab) / s.aa;
        *dmin = c->dmin_value;
    } else {
        *d = (s.xa * s.bb - s.xb * s.ab) / det;
        *dmin = (s.xa * s.ab - s.xb * s.aa) / det;
    }
    return *d > 0.0f && *dmin >= 0.0f;
}

/* The factors that are best for the codes, and the nearest codes under these. */
static void finish_asym(const struct qb_encode_block *b, float hi, struct asym_choice *c)
{
    float d, dmin;
    if (!refit_factors(b, c, &d, &dmin))
        return;
    c->d_value = qb_encode_f16(d, b->unit, &c->d);
    c->dmin_value = qb_encode_f16(dmin, b->unit, &c->dmin);
    for (int k = 0; k < SUBS; k++)
        take_codes(b, k, hi, c);
}

/* False: all zero. */
static bool choose_asym(const float *x, const float *importance, float hi, const float shrink[QB_LANES][2],
                        struct asym_choice *c)
{
    struct qb_encode_block b;
    struct qb_asym want[SUBS];
    float max_scale = 0.0f, max_min = 0.0f;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    for (int k = 0; k < SUBS; k++) {
        want[k] =
            qb_asym_search((struct qb_encode_group){b.x + 32 * k, b.w + 32 * k, 32}, hi, 0.0f, shrink, 2);
        max_scale = want[k].scale > max_scale ? want[k].scale : max_scale;
        max_min = -want[k].offset > max_min ? -want[k].offset : max_min;
    }
    c->d_value = qb_encode_f16(max_scale / 63.0f, b.unit, &c->d);
    c->dmin_value = qb_encode_f16(max_min / 63.0f, b.unit, &c->dmin);
    for (int k = 0; k < SUBS; k++) {
        choose_sub(&b, k, hi, want[k], c);
        take_codes(&b, k, hi, c);
    }
    finish_asym(&b, hi, c);
    return true;
}

/* Eight 6-bit scales and minima in 12 bytes (kernels/formats/format_k.c reads them). */
static void pack_scales(const struct asym_choice *c, uint8_t *s)
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
        struct asym_choice c;
        memset(b, 0, sizeof *b);
        if (!choose_asym(x + i, importance ? importance + i : NULL, 15.0f, shrink4, &c))
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
        struct asym_choice c;
        memset(b, 0, sizeof *b);
        if (!choose_asym(x + i, importance ? importance + i : NULL, 31.0f, shrink5, &c))
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
    int8_t q[256], sc[16];
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
    for (int j = 0; j < 16; j++)
        c->q[16 * k + j] = (int8_t)(int)qb_nearest(g.x[j] * inv, -32.0f, 31.0f);
}

static void pack_q6(const struct q6_choice *c, struct qb_block_Q6_K *b)
{
    b->d = c->d;
    memcpy(b->scales, c->sc, 16);
    for (int h = 0; h < 2; h++) {
        const int8_t *q = c->q + 128 * h;
        for (int l = 0; l < 32; l++) {
            unsigned v[4];
            for (int p = 0; p < 4; p++)
                v[p] = (unsigned)(q[32 * p + l] + 32);
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

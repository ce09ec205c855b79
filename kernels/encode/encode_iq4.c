/*
 * IQ4_NL and IQ4_XS: 16 unequal levels under one scale per 32; for IQ4_XS six bits of it, under an f16
 * factor.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"
#include <string.h>

/* The levels of qb_iq4_levels. */
static const struct qb_levels levels = {
    .n = 15,
    .first = -127.0f,
    .edge = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f, 7.0f, 19.0f, 31.5f, 45.5f, 61.0f,
             79.0f, 101.0f},
    .step = {23.0f, 21.0f, 18.0f, 16.0f, 14.0f, 13.0f, 12.0f, 11.0f, 12.0f, 12.0f, 13.0f, 15.0f, 16.0f, 20.0f,
             24.0f},
};

static const float starts[QB_LANES] = {-104.0f, -109.0f, -113.0f, -117.0f, -121.0f, -125.0f, -129.0f, -134.0f,
                                       -140.0f, -148.0f, 94.0f,   100.0f,  106.0f,  112.0f,  118.0f,  126.0f};

static float search_scale(struct qb_encode_group g, int passes)
{
    float m = qb_signed_max(g.x, g.n);
    return __builtin_fabsf(m) > 1e-12f ? qb_level_search(g, &levels, starts, m, passes) : 0.0f;
}

static void take_codes(const float *x, float scale, uint8_t *codes)
{
    float inv = qb_encode_invert(scale);
    for (int j = 0; j < 32; j += QB_LANES) {
        int32_t code[QB_LANES];
        QB_FOR_LANES(c) code[c] = qb_nearest_level(&levels, x[j + c] * inv);
        QB_FOR_LANES(c) codes[j + c] = (uint8_t)code[c];
    }
}

void QB_ENCODE_FN(IQ4_NL)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_IQ4_NL *o = out;
    for (int64_t i = 0; i < n; i += 32, o++) {
        struct qb_encode_block b;
        uint8_t codes[32];
        uint16_t d;
        memset(o, 0, sizeof *o);
        qb_encode_load(&b, x + i, importance ? importance + i : NULL, 32);
        if (b.unit == 0.0f)
            continue;
        take_codes(b.x, qb_encode_f16(search_scale((struct qb_encode_group){b.x, b.w, 32}, 2), b.unit, &d),
                   codes);
        o->d = d;
        qb_encode_nibbles32(codes, o->qs);
    }
}

/* What is chosen for a block of IQ4_XS. */
struct xs_choice {
    uint8_t codes[256];
    int sc[8];
    uint16_t d;
};

/* Integer scale of sub-block k: of 16 around the wanted one that of least error. */
static void choose_xs(const struct qb_encode_block *b, int k, float want, float d, struct xs_choice *c)
{
    struct qb_encode_group g = {b->x + 32 * k, b->w + 32 * k, 32};
    float scale[QB_LANES], score[QB_LANES];
    float first = qb_clamp(qb_rint_small(want * qb_encode_invert(d)) - 8.0f, -32.0f, 16.0f);
    QB_FOR_LANES(l) scale[l] = d * (first + (float)l);
    qb_level_errors(g, &levels, scale, score);
    int best = qb_best_lane(score);
    c->sc[k] = (int)first + best;
    take_codes(g.x, scale[best], c->codes + 32 * k);
}

/* The least-squares factor for fixed codes. */
static float refit_xs(const struct qb_encode_block *b, const struct xs_choice *c)
{
    float xa[QB_LANES] = {0}, aa[QB_LANES] = {0};
    for (int i = 0; i < 256; i += QB_LANES) {
        float sc = (float)c->sc[i / 32];
        QB_FOR_LANES(l)
        {
            float a = sc * (float)qb_iq4_levels[c->codes[i + l]], wa = b->w[i + l] * a;
            xa[l] += wa * b->x[i + l];
            aa[l] += wa * a;
        }
    }
    float sum = qb_sum_lanes(aa);
    return sum > 0.0f ? qb_sum_lanes(xa) / sum : 0.0f;
}

static void finish_xs(const struct qb_encode_block *b, struct xs_choice *c)
{
    float d = refit_xs(b, c);
    if (d == 0.0f)
        return;
    d = qb_encode_f16(d, b->unit, &c->d);
    for (int k = 0; k < 8; k++)
        take_codes(b->x + 32 * k, d * (float)c->sc[k], c->codes + 32 * k);
}

static void pack_xs(const struct xs_choice *c, struct qb_block_IQ4_XS *o)
{
    unsigned high = 0;
    o->d = c->d;
    for (int k = 0; k < 8; k++) {
        unsigned v = (unsigned)(c->sc[k] + 32);
        o->scales_l[k / 2] |= (uint8_t)((v & 15) << (4 * (k & 1)));
        high |= v >> 4 << (2 * k);
        qb_encode_nibbles32(c->codes + 32 * k, o->qs + 16 * k);
    }
    o->scales_h = (uint16_t)high;
}

static void encode_xs(const float *x, const float *importance, struct qb_block_IQ4_XS *o)
{
    struct qb_encode_block b;
    struct xs_choice c;
    float want[8], largest = 0.0f;
    memset(o, 0, sizeof *o);
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return;
    for (int k = 0; k < 8; k++) {
        want[k] = search_scale((struct qb_encode_group){b.x + 32 * k, b.w + 32 * k, 32}, 1);
        largest = __builtin_fabsf(want[k]) > __builtin_fabsf(largest) ? want[k] : largest;
    }
    float d = qb_encode_f16(largest / -32.0f, b.unit, &c.d);
    for (int k = 0; k < 8; k++)
        choose_xs(&b, k, want[k], d, &c);
    finish_xs(&b, &c);
    pack_xs(&c, o);
}

void QB_ENCODE_FN(IQ4_XS)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_IQ4_XS *b = out;
    for (int64_t i = 0; i < n; i += 256, b++)
        encode_xs(x + i, importance ? importance + i : NULL, b);
}

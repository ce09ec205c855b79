/*
 * IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S: magnitudes are points of a codebook, signs are separate, 16 or 32
 * weights share four bits of scale. Every point is tried, with the true weights and the levels of the
 * decoder, under a few scales at once: for magnitudes a and a point v the error under scale s is s (s sum w
 * v^2 - 2 sum w a v) and a constant, and the two sums serve all scales.
 */
#include "kernels/blocks.h"
#include "kernels/codebooks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"
#include <string.h>

#define MOST_POINTS 1024
#define CANDIDATES  4 /* neighbouring scales: code 2c + 1 times the factor of the super-block */

struct shape {
    const uint16_t *codes; /* packed level numbers of each point */
    int n_points;          /* a multiple of the lanes */
    int len, bits;         /* values of a point: 8 of 2 bits or 4 of 3 */
    int sub;               /* weights under one scale */
    bool parity;           /* the number of minus signs in 8 is even */
    float factor;          /* decoded scale = d factor (2c + 1) */
    float level[8];
    struct qb_levels free;  /* the levels without a codebook */
    float starts[QB_LANES]; /* inverse scales times the largest magnitude */
};

/* The largest magnitude on the last level, or clipped. */
#define STARTS2                                                                                              \
    {                                                                                                        \
        28.0f, 31.0f, 34.0f, 36.0f, 38.0f, 40.0f, 42.0f, 44.0f, 46.0f, 48.0f, 50.0f, 53.0f, 56.0f, 60.0f,    \
            65.0f, 72.0f                                                                                     \
    }
#define STARTS3(last)                                                                                        \
    {                                                                                                        \
        (last) * 0.76f, (last)*0.80f, (last)*0.84f, (last)*0.87f, (last)*0.90f, (last)*0.93f, (last)*0.96f,  \
            (last)*0.98f, (last), (last)*1.02f, (last)*1.05f, (last)*1.08f, (last)*1.12f, (last)*1.16f,      \
            (last)*1.20f, (last)*1.27f                                                                       \
    }
#define NEVER 1e30f /* edge of a level that a format does not have */
#define LEVELS2                                                                                              \
    {                                                                                                        \
        .first = 8.0f, .edge = {16.5f, 34.0f, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER,                      \
                                NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER},                            \
        .step = {                                                                                            \
            17.0f,                                                                                           \
            18.0f                                                                                            \
        }                                                                                                    \
    }
/* Odd multiples of `unit`, but for the last. */
#define LEVELS3(unit, last)                                                                                  \
    {                                                                                                        \
        .first = (unit), .edge = {2 * (unit),                                                                \
                                  4 * (unit),                                                                \
                                  6 * (unit),                                                                \
                                  8 * (unit),                                                                \
                                  10 * (unit),                                                               \
                                  12 * (unit),                                                               \
                                  6.5f * (unit) + (last)*0.5f,                                               \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER,                                                                     \
                                  NEVER},                                                                    \
        .step = {                                                                                            \
            2 * (unit),                                                                                      \
            2 * (unit),                                                                                      \
            2 * (unit),                                                                                      \
            2 * (unit),                                                                                      \
            2 * (unit),                                                                                      \
            2 * (unit),                                                                                      \
            (last)-13 * (unit)                                                                               \
        }                                                                                                    \
    }

/* clang-format off */
static const struct shape shape_2xxs = {qb_codebook_iq2xxs, 256, 8, 2, 32, true, 0.125f, {8, 25, 43}, LEVELS2, STARTS2};
static const struct shape shape_2xs = {qb_codebook_iq2xs, 512, 8, 2, 16, true, 0.125f, {8, 25, 43}, LEVELS2, STARTS2};
static const struct shape shape_2s = {qb_codebook_iq2s, 1024, 8, 2, 16, false, 0.125f, {8, 25, 43}, LEVELS2, STARTS2};
static const struct shape shape_3xxs = {qb_codebook_iq3xxs, 256, 4, 3, 32, true, 0.25f, {4, 12, 20, 28, 36, 44, 52, 62},
                                        LEVELS3(4.0f, 62.0f), STARTS3(62.0f)};
static const struct shape shape_3s = {qb_codebook_iq3s, 512, 4, 3, 32, false, 1.0f, {1, 3, 5, 7, 9, 11, 13, 15},
                                      LEVELS3(1.0f, 15.0f), STARTS3(15.0f)};
/* clang-format on */

/* Value i of every point. */
struct planes {
    float v[8][MOST_POINTS];
};

/* What is chosen for a block. */
struct choice {
    uint16_t point[64];
    uint8_t sign[32]; /* masks of 8 */
    uint8_t code[16]; /* of the scales */
    uint16_t d;
};

static void expand(const struct shape *s, struct planes *p)
{
    for (int i = 0; i < s->len; i++)
        for (int k = 0; k < s->n_points; k++)
            p->v[i][k] = s->level[s->codes[k] >> (s->bits * i) & ((1 << s->bits) - 1)];
}

/* Magnitudes in place of x, and masks. To make the number of minus signs even the sign that costs least is
 * flipped: its magnitude is then negative. */
static void split_signs(struct qb_encode_block *b, bool parity, uint8_t *sign)
{
    for (int g = 0; g < 32; g++) {
        float *x = b->x + 8 * g, *w = b->w + 8 * g, least = __builtin_inff();
        int least_at = 0;
        unsigned mask = 0;
        for (int i = 0; i < 8; i++) {
            float cost = w[i] * x[i] * x[i];
            mask |= (unsigned)(x[i] < 0.0f) << i;
            least_at = cost < least ? i : least_at;
            least = cost < least ? cost : least;
            x[i] = __builtin_fabsf(x[i]);
        }
        if (parity && __builtin_popcount(mask) % 2) {
            mask ^= 1u << least_at;
            x[least_at] = -x[least_at];
        }
        sign[g] = (uint8_t)mask;
    }
}

/* The best point of one group under each candidate scale: its number, and what it explains of the error. */
QB_INLINE void best_points(const struct shape *s, const struct planes *p, const float *a, const float *w,
                           const float *scale, uint16_t *point, float *score)
{
    float best[CANDIDATES][QB_LANES], wa[8];
    int32_t at[CANDIDATES][QB_LANES] = {0};
    for (int c = 0; c < CANDIDATES; c++)
        QB_FOR_LANES(l) best[c][l] = -__builtin_inff();
    for (int i = 0; i < s->len; i++)
        wa[i] = w[i] * a[i];
    for (int k = 0; k < s->n_points; k += QB_LANES) {
        float av[QB_LANES] = {0}, vv[QB_LANES] = {0};
        QB_UNROLL
        for (int i = 0; i < s->len; i++) {
            const float *v = p->v[i] + k;
            QB_FOR_LANES(l)
            {
                av[l] += wa[i] * v[l];
                vv[l] += w[i] * v[l] * v[l];
            }
        }
        QB_UNROLL
        for (int c = 0; c < CANDIDATES; c++) {
            float two = 2.0f * scale[c], square = scale[c] * scale[c];
            QB_FOR_LANES(l)
            {
                float e = two * av[l] - square * vv[l];
                at[c][l] = e > best[c][l] ? k : at[c][l];
                best[c][l] = e > best[c][l] ? e : best[c][l];
            }
        }
    }
    for (int c = 0; c < CANDIDATES; c++) {
        int lane = qb_best_lane(best[c]);
        point[c] = (uint16_t)(at[c][lane] + lane);
        score[c] += best[c][lane];
    }
}

/* Scale and points of sub-block k, with the scale codes first .. first + 3. */
QB_INLINE void choose_sub(const struct shape *s, const struct planes *p, const struct qb_encode_block *b,
                          int k, int first, float d, struct choice *c)
{
    int groups = s->sub / s->len, best = 0;
    uint16_t point[8][CANDIDATES];
    float scale[CANDIDATES], score[CANDIDATES] = {0};
    first = first < 0 ? 0 : first > 16 - CANDIDATES ? 16 - CANDIDATES : first;
    for (int n = 0; n < CANDIDATES; n++)
        scale[n] = d * s->factor * (float)(2 * (first + n) + 1);
    for (int g = 0; g < groups; g++) {
        int at = k * s->sub + g * s->len;
        best_points(s, p, b->x + at, b->w + at, scale, point[g], score);
    }
    for (int n = 1; n < CANDIDATES; n++)
        best = score[n] > score[best] ? n : best;
    c->code[k] = (uint8_t)(first + best);
    for (int g = 0; g < groups; g++)
        c->point[k * groups + g] = point[g][best];
}

/* The least-squares d for fixed codes. */
QB_INLINE float refit(const struct shape *s, const struct planes *p, const struct qb_encode_block *b,
                      const struct choice *c)
{
    float av = 0.0f, vv = 0.0f;
    for (int j = 0; j < 256; j++) {
        float v = p->v[j % s->len][c->point[j / s->len]] * s->factor * (float)(2 * c->code[j / s->sub] + 1);
        av += b->w[j] * b->x[j] * v;
        vv += b->w[j] * v * v;
    }
    return av / vv;
}

/* False: all zero. */
QB_INLINE bool choose(const struct shape *s, const struct planes *p, const float *x, const float *importance,
                      struct choice *c)
{
    struct qb_encode_block b;
    float want[16], largest = 0.0f;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    split_signs(&b, s->parity, c->sign);
    for (int k = 0; k < 256 / s->sub; k++) {
        struct qb_encode_group g = {b.x + k * s->sub, b.w + k * s->sub, s->sub};
        float m = qb_signed_max(g.x, s->sub);
        want[k] = m > 1e-12f ? qb_level_search(g, &s->free, s->starts, m, 1) : 0.0f;
        largest = want[k] > largest ? want[k] : largest;
    }
    float d = qb_encode_f16(largest / (s->factor * 31.0f), b.unit, &c->d);
    for (int k = 0; k < 256 / s->sub; k++) {
        int code = (int)qb_clamp(want[k] * qb_encode_invert(d * s->factor) * 0.5f, 0.0f, 16.0f);
        choose_sub(s, p, &b, k, code - 2, d, c);
    }
    float better = refit(s, p, &b, c);
    if (!(better > 0.0f))
        return true;
    d = qb_encode_f16(better, b.unit, &c->d);
    for (int k = 0; k < 256 / s->sub; k++)
        choose_sub(s, p, &b, k, c->code[k] - 1, d, c);
    return true;
}

/* The seven signs that are stored of eight, from bit 0 on. */
static uint32_t signs28(const uint8_t *sign)
{
    return (sign[0] & 127u) | (sign[1] & 127u) << 7 | (sign[2] & 127u) << 14 |
           (uint32_t)(sign[3] & 127u) << 21;
}

/* Encode a row: expand the codebook once, then PUT, which fills *b from c, block by block. */
#define DEFINE_ENCODER(id, shape_, PUT)                                                                      \
    void QB_ENCODE_FN(id)(const float *x, const float *importance, int64_t n, void *out)                     \
    {                                                                                                        \
        struct qb_block_##id *b = out;                                                                       \
        struct planes p;                                                                                     \
        struct choice c;                                                                                     \
        expand(&shape_, &p);                                                                                 \
        for (int64_t i = 0; i < n; i += 256, b++) {                                                          \
            memset(b, 0, sizeof *b);                                                                         \
            if (choose(&shape_, &p, x + i, importance ? importance + i : NULL, &c))                          \
                PUT(&c, b);                                                                                  \
        }                                                                                                    \
    }

static void put_2xxs(const struct choice *c, struct qb_block_IQ2_XXS *b)
{
    b->d = c->d;
    for (int k = 0; k < 8; k++) {
        uint32_t v = signs28(c->sign + 4 * k) | (uint32_t)c->code[k] << 28;
        for (int l = 0; l < 4; l++)
            b->qs[8 * k + l] = (uint8_t)c->point[4 * k + l];
        memcpy(b->qs + 8 * k + 4, &v, 4);
    }
}

static void put_2xs(const struct choice *c, struct qb_block_IQ2_XS *b)
{
    b->d = c->d;
    for (int g = 0; g < 32; g++)
        b->qs[g] = (uint16_t)(c->point[g] | (c->sign[g] & 127) << 9);
    for (int k = 0; k < 8; k++)
        b->scales[k] = (uint8_t)(c->code[2 * k] | c->code[2 * k + 1] << 4);
}

static void put_2s(const struct choice *c, struct qb_block_IQ2_S *b)
{
    b->d = c->d;
    memcpy(b->signs, c->sign, 32);
    for (int g = 0; g < 32; g++) {
        b->qs[g] = (uint8_t)c->point[g];
        b->qh[g / 4] |= (uint8_t)(c->point[g] >> 8 << (g % 4 * 2));
    }
    for (int k = 0; k < 8; k++)
        b->scales[k] = (uint8_t)(c->code[2 * k] | c->code[2 * k + 1] << 4);
}

static void put_3xxs(const struct choice *c, struct qb_block_IQ3_XXS *b)
{
    b->d = c->d;
    for (int g = 0; g < 64; g++)
        b->qs[g] = (uint8_t)c->point[g];
    for (int k = 0; k < 8; k++)
        b->gas[k] = signs28(c->sign + 4 * k) | (uint32_t)c->code[k] << 28;
}

static void put_3s(const struct choice *c, struct qb_block_IQ3_S *b)
{
    b->d = c->d;
    memcpy(b->signs, c->sign, 32);
    for (int g = 0; g < 64; g++) {
        b->qs[g] = (uint8_t)c->point[g];
        b->qh[g / 8] |= (uint8_t)(c->point[g] >> 8 << (g % 8));
    }
    for (int k = 0; k < 4; k++)
        b->scales[k] = (uint8_t)(c->code[2 * k] | c->code[2 * k + 1] << 4);
}

DEFINE_ENCODER(IQ2_XXS, shape_2xxs, put_2xxs)
DEFINE_ENCODER(IQ2_XS, shape_2xs, put_2xs)
DEFINE_ENCODER(IQ2_S, shape_2s, put_2s)
DEFINE_ENCODER(IQ3_XXS, shape_3xxs, put_3xxs)
DEFINE_ENCODER(IQ3_S, shape_3s, put_3s)

/*
 * IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S: magnitudes are points of a codebook, signs are separate, 16 or 32
 * weights share four bits of scale. A few scales are tried; under each a group is rounded to the levels, and
 * the points of the codebook nearest to that cell (neighbours.h) are weighed with the true weights: for
 * magnitudes a and a point v the error under scale s is s (s sum w v^2 - 2 sum w a v) and a constant.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_bias.h"
#include "kernels/encode/neighbours.h"
#include <string.h>

#define CANDIDATES  4 /* neighbouring scales: code 2c + 1 times the factor of the super-block */
#define MOST_GROUPS 8 /* under one scale */

struct shape {
    enum qb_codebook_id codebook;
    int len;                /* values of a point: 8 of 3 levels or 4 of 8 */
    int sub;                /* weights under one scale */
    bool parity;            /* the number of minus signs in 8 is even */
    float factor;           /* decoded scale = d factor (2c + 1) */
    float evenness;         /* qb_weigh_by_size */
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
/* clang-format off */
#define LEVELS2 {.n = 2, .first = 8.0f, .edge = {16.5f, 34.0f}, .step = {17.0f, 18.0f}}
/* Odd multiples of u, but for the last. */
#define LEVELS3(u, last)                                                                                     \
    {.n = 7, .first = (u),                                                                                   \
     .edge = {2 * (u), 4 * (u), 6 * (u), 8 * (u), 10 * (u), 12 * (u), 6.5f * (u) + (last) * 0.5f},           \
     .step = {2 * (u), 2 * (u), 2 * (u), 2 * (u), 2 * (u), 2 * (u), (last) - 13 * (u)}}

static const struct shape shape_2xxs = {QB_CODEBOOK_IQ2_XXS, 8, 32, true, 0.125f, 8.0f, LEVELS2, STARTS2};
static const struct shape shape_2xs = {QB_CODEBOOK_IQ2_XS, 8, 16, true, 0.125f, 16.0f, LEVELS2, STARTS2};
static const struct shape shape_2s = {QB_CODEBOOK_IQ2_S, 8, 16, false, 0.125f, 16.0f, LEVELS2, STARTS2};
static const struct shape shape_3xxs = {QB_CODEBOOK_IQ3_XXS, 4, 32, true, 0.25f, 16.0f, LEVELS3(4.0f, 62.0f), STARTS3(62.0f)};
static const struct shape shape_3s = {QB_CODEBOOK_IQ3_S, 4, 32, false, 1.0f, 16.0f, LEVELS3(1.0f, 15.0f), STARTS3(15.0f)};
/* clang-format on */

/* What is chosen for a block. */
struct choice {
    uint16_t point[64];
    int8_t value[256]; /* of the points */
    uint8_t sign[32];  /* masks of 8 */
    uint8_t code[16];  /* of the scales */
    uint16_t d;
};

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

/* The cell of a group under each candidate: every value on its nearest level. */
QB_INLINE void find_cells(const struct shape *s, const float *a, const float *inv, int *cell)
{
    int place = 1;
    for (int c = 0; c < CANDIDATES; c++)
        cell[c] = 0;
    QB_UNROLL
    for (int i = 0; i < s->len; i++, place *= s->free.n + 1) {
        _Pragma("omp simd") for (int c = 0; c < CANDIDATES; c++)
        {
            float v = a[i] * inv[c];
            int digit = 0;
            QB_UNROLL
            for (int k = 0; k < s->free.n; k++)
                digit += v >= s->free.edge[k];
            cell[c] += place * digit;
        }
    }
}

/* What each neighbour of a cell explains of the error of a group under a scale. */
QB_INLINE void weigh_neighbours(const struct shape *s, const int8_t *value, const float *wa, const float *w,
                                float scale, float *explained)
{
    float two = 2.0f * scale, square = scale * scale;
    QB_FOR_LANES(l)
    {
        float av = 0.0f, vv = 0.0f;
        QB_UNROLL
        for (int i = 0; i < s->len; i++) {
            float v = (float)value[QB_NEIGHBOURS * i + l];
            av += wa[i] * v;
            vv += w[i] * v * v;
        }
        explained[l] = two * av - square * vv;
    }
}

/* Scale and points of sub-block k, with the scale codes first .. first + 3. */
QB_INLINE void choose_sub(const struct shape *s, const struct qb_neighbours *t,
                          const struct qb_encode_block *b, int k, int first, float d, struct choice *c)
{
    int groups = s->sub / s->len, best = 0, cell[MOST_GROUPS][CANDIDATES];
    float scale[CANDIDATES], inv[CANDIDATES], score[CANDIDATES] = {0};
    float explained[MOST_GROUPS][CANDIDATES][QB_LANES];
    first = first < 0 ? 0 : first > 16 - CANDIDATES ? 16 - CANDIDATES : first;
    for (int n = 0; n < CANDIDATES; n++) {
        scale[n] = d * s->factor * (float)(2 * (first + n) + 1);
        inv[n] = qb_encode_invert(scale[n]);
    }
    for (int g = 0; g < groups; g++) {
        const float *a = b->x + k * s->sub + g * s->len, *w = b->w + k * s->sub + g * s->len;
        float wa[8];
        for (int i = 0; i < s->len; i++)
            wa[i] = w[i] * a[i];
        find_cells(s, a, inv, cell[g]);
        for (int n = 0; n < CANDIDATES; n++) {
            weigh_neighbours(s, qb_neighbour_values(t, cell[g][n]), wa, w, scale[n], explained[g][n]);
            score[n] += qb_largest_lane(explained[g][n]);
        }
    }
    for (int n = 1; n < CANDIDATES; n++)
        best = score[n] > score[best] ? n : best;
    c->code[k] = (uint8_t)(first + best);
    for (int g = 0; g < groups; g++) {
        int lane = qb_best_lane(explained[g][best]), at = k * groups + g;
        const int8_t *value = qb_neighbour_values(t, cell[g][best]) + lane;
        c->point[at] = qb_neighbour_points(t, cell[g][best])[lane];
        for (int i = 0; i < s->len; i++)
            c->value[at * s->len + i] = value[QB_NEIGHBOURS * i];
    }
}

/* The d for fixed codes: least squares, or the last one. 0: there is none. */
QB_INLINE float refit(const struct shape *s, const struct qb_encode_block *b, const struct choice *c,
                      bool last)
{
    float av[QB_LANES] = {0}, vv[QB_LANES] = {0}, aa[QB_LANES] = {0};
    for (int k = 0; k < 256; k += QB_LANES) {
        float scale = s->factor * (float)(2 * c->code[k / s->sub] + 1);
        QB_FOR_LANES(l)
        {
            float v = scale * (float)c->value[k + l], wv = b->w[k + l] * v;
            av[l] += wv * b->x[k + l];
            vv[l] += wv * v;
            aa[l] += b->w[k + l] * b->x[k + l] * b->x[k + l];
        }
    }
    float sum_av = qb_sum_lanes(av), sum_vv = qb_sum_lanes(vv);
    if (!(sum_av > 0.0f && sum_vv > 0.0f))
        return 0.0f;
    return last ? qb_unshrunk_scale(sum_av, sum_vv, qb_sum_lanes(aa)) : sum_av / sum_vv;
}

/* False: all zero. */
QB_INLINE bool choose(const struct shape *s, const struct qb_neighbours *t, const float *x,
                      const float *importance, struct choice *c)
{
    struct qb_encode_block b;
    float want[16], largest = 0.0f;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    qb_weigh_by_size(&b, 256, s->evenness);
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
        choose_sub(s, t, &b, k, code - 2, d, c);
    }
    float better = refit(s, &b, c, false);
    if (!(better > 0.0f))
        return true;
    d = qb_encode_f16(better, b.unit, &c->d);
    for (int k = 0; k < 256 / s->sub; k++)
        choose_sub(s, t, &b, k, c->code[k] - 1, d, c);
    better = refit(s, &b, c, true);
    if (better > 0.0f)
        qb_encode_f16(better, b.unit, &c->d);
    return true;
}

/* The seven signs that are stored of eight, from bit 0 on. */
static uint32_t signs28(const uint8_t *sign)
{
    return (sign[0] & 127u) | (sign[1] & 127u) << 7 | (sign[2] & 127u) << 14 |
           (uint32_t)(sign[3] & 127u) << 21;
}

/* Encode a row: PUT fills *b from c, block by block. */
#define DEFINE_ENCODER(id, shape_, PUT)                                                                      \
    void QB_ENCODE_FN(id)(const float *x, const float *importance, int64_t n, void *out)                     \
    {                                                                                                        \
        struct qb_block_##id *b = out;                                                                       \
        struct choice c;                                                                                     \
        const struct qb_neighbours *t = qb_neighbours_get(shape_.codebook);                                  \
        for (int64_t i = 0; i < n; i += 256, b++) {                                                          \
            memset(b, 0, sizeof *b);                                                                         \
            if (choose(&shape_, t, x + i, importance ? importance + i : NULL, &c))                           \
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

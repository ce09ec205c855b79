/*
 * IQ1_S, IQ1_M: points of a ternary codebook, all values of a point moved by +1/8 or -1/8; three bits of
 * scale for 32 (IQ1_S) or 16 weights (IQ1_M), the sign of the move for the same 32 or for each point of 8.
 * A few scales are tried with both moves; under each a group is rounded to -1, 0, 1, and the points nearest
 * to that cell (neighbours.h) are weighed: with t the point, e the move and s the scale the error is a
 * constant and s^2 (sum w t^2 + 2 e sum w t + e^2 sum w) - 2 s (sum w x t + e sum w x).
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_bias.h"
#include "kernels/encode/encode_ternary.h"
#include "kernels/encode/neighbours.h"
#include <string.h>

#define SCALES     3 /* neighbouring scales: code 2c + 1 times d */
#define CANDIDATES (2 * SCALES)
#define MOVE       0.125f
#define EVENNESS   2.0f

/* What is chosen for a block. */
struct choice {
    uint16_t point[32];
    int8_t value[256]; /* of the points */
    bool down[32];     /* moved by -1/8; all points of a scale alike in IQ1_S */
    uint8_t code[16];  /* of the scales */
    uint16_t d;
};

/* What the neighbours of a group explain of the error under each candidate: scale[c / 2], moved down when c
 * is odd. */
struct weighed {
    int cell[CANDIDATES];
    float explained[CANDIDATES][QB_LANES], best[CANDIDATES];
};

/* Inverse scales times the largest magnitude. */
static const float starts[QB_LANES] = {0.7f, 0.85f, 1.0f, 1.1f, 1.2f, 1.3f, 1.4f, 1.5f,
                                       1.6f, 1.75f, 1.9f, 2.1f, 2.4f, 2.8f, 3.4f, 4.5f};

/* The cell of a group under each candidate: every value, less the move, on the nearest of -1, 0, 1. */
QB_INLINE void find_cells(const float *x, const float *inv, int *cell)
{
    static const float move[CANDIDATES] = {MOVE, -MOVE, MOVE, -MOVE, MOVE, -MOVE};
    int place = 1;
    for (int c = 0; c < CANDIDATES; c++)
        cell[c] = 0;
    for (int i = 0; i < 8; i++, place *= 3) {
        for (int c = 0; c < CANDIDATES; c++) {
            float v = x[i] * inv[c / 2] - move[c];
            cell[c] += place * ((v >= -0.5f) + (v >= 0.5f));
        }
    }
}

QB_INLINE void weigh_neighbours(const int8_t *value, const float *wx, const float *w, float scale, float move,
                                float fixed, float *explained)
{
    float two = 2.0f * scale, square = scale * scale, twice = 2.0f * move;
    QB_FOR_LANES(l)
    {
        float xt = 0.0f, t1 = 0.0f, t2 = 0.0f;
        QB_UNROLL
        for (int i = 0; i < 8; i++) {
            float t = (float)value[QB_NEIGHBOURS * i + l], wt = w[i] * t;
            xt += wx[i] * t;
            t1 += wt;
            t2 += wt * t;
        }
        explained[l] = fixed + two * xt - square * (t2 + twice * t1);
    }
}

static void weigh_group(const struct qb_neighbours *t, const float *x, const float *w, const float *scale,
                        struct weighed *out)
{
    float inv[SCALES], wx[8], sum_w = 0.0f, sum_wx = 0.0f;
    for (int i = 0; i < 8; i++) {
        wx[i] = w[i] * x[i];
        sum_w += w[i];
        sum_wx += wx[i];
    }
    for (int n = 0; n < SCALES; n++)
        inv[n] = qb_encode_invert(scale[n]);
    find_cells(x, inv, out->cell);
    for (int c = 0; c < CANDIDATES; c++) {
        float s = scale[c / 2], move = c % 2 ? -MOVE : MOVE;
        weigh_neighbours(qb_neighbour_values(t, out->cell[c]), wx, w, s, move,
                         2.0f * s * move * sum_wx - s * s * move * move * sum_w, out->explained[c]);
        out->best[c] = qb_largest_lane(out->explained[c]);
    }
}

static void take_point(const struct qb_neighbours *t, const struct weighed *w, int candidate, int group,
                       struct choice *c)
{
    int lane = qb_best_lane(w->explained[candidate]);
    c->point[group] = qb_neighbour_points(t, w->cell[candidate])[lane];
    c->down[group] = candidate % 2;
    for (int i = 0; i < 8; i++)
        c->value[8 * group + i] = qb_neighbour_values(t, w->cell[candidate])[QB_NEIGHBOURS * i + lane];
}

/* Scale, moves and points of `groups` groups from group g on under scale k; one move for all when `together`.
 */
static void choose_sub(const struct qb_neighbours *t, const struct qb_encode_block *b, int k, int groups,
                       bool together, int first, float d, struct choice *c)
{
    struct weighed w[4];
    float scale[SCALES], score[CANDIDATES] = {0};
    int winner = 0;
    first = first < 0 ? 0 : first > 8 - SCALES ? 8 - SCALES : first;
    for (int n = 0; n < SCALES; n++)
        scale[n] = d * (float)(2 * (first + n) + 1);
    for (int g = 0; g < groups; g++) {
        int at = 8 * (k * groups + g);
        weigh_group(t, b->x + at, b->w + at, scale, &w[g]);
        for (int n = 0; n < CANDIDATES; n++) {
            float other = w[g].best[n ^ 1], own = w[g].best[n];
            score[n] += !together && other > own ? other : own;
        }
    }
    for (int n = 1; n < CANDIDATES; n++)
        winner = score[n] > score[winner] ? n : winner;
    c->code[k] = (uint8_t)(first + winner / 2);
    for (int g = 0; g < groups; g++) {
        bool other = !together && w[g].best[winner ^ 1] > w[g].best[winner];
        take_point(t, &w[g], other ? winner ^ 1 : winner, k * groups + g, c);
    }
}

/* The d for fixed codes: least squares, or the last one. 0: there is none. */
static float refit(const struct qb_encode_block *b, int groups, const struct choice *c, bool last)
{
    float xv = 0.0f, vv = 0.0f, xx = 0.0f;
    for (int j = 0; j < 256; j++) {
        int g = j / 8;
        float v = (float)c->value[j] + (c->down[g] ? -MOVE : MOVE);
        v *= (float)(2 * c->code[g / groups] + 1);
        xv += b->w[j] * b->x[j] * v;
        vv += b->w[j] * v * v;
        xx += b->w[j] * b->x[j] * b->x[j];
    }
    if (!(xv > 0.0f && vv > 0.0f))
        return 0.0f;
    return last ? qb_unshrunk_scale(xv, vv, xx) : xv / vv;
}

/* `groups` groups under one scale. False: all zero. */
static bool choose(const float *x, const float *importance, int groups, bool together, struct choice *c)
{
    const struct qb_neighbours *t = qb_neighbours_get(QB_CODEBOOK_IQ1);
    struct qb_encode_block b;
    float want[16], largest = 0.0f;
    int n = 8 * groups;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    qb_weigh_by_size(&b, 256, EVENNESS);
    for (int k = 0; k < 256 / n; k++) {
        struct qb_encode_group g = {b.x + k * n, b.w + k * n, n};
        float m = __builtin_fabsf(qb_signed_max(g.x, n));
        want[k] = m > 1e-12f ? qb_ternary_search(g, starts, m, 2) : 0.0f;
        largest = want[k] > largest ? want[k] : largest;
    }
    float d = qb_encode_f16(largest / 15.0f, b.unit, &c->d);
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < 256 / n; k++) {
            int code =
                pass > 0 ? c->code[k] : (int)qb_clamp(want[k] * qb_encode_invert(d) * 0.5f, 0.0f, 8.0f);
            choose_sub(t, &b, k, groups, together, code - 1, d, c);
        }
        float better = refit(&b, groups, c, pass == 1);
        if (better > 0.0f)
            d = qb_encode_f16(better, b.unit, &c->d);
    }
    return true;
}

void QB_ENCODE_FN(IQ1_S)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_IQ1_S *b = out;
    struct choice c;
    for (int64_t i = 0; i < n; i += 256, b++) {
        memset(b, 0, sizeof *b);
        if (!choose(x + i, importance ? importance + i : NULL, 4, true, &c))
            continue;
        b->d = c.d;
        for (int k = 0; k < 8; k++) {
            unsigned h = (unsigned)c.code[k] << 12 | (c.down[4 * k] ? 0x8000u : 0u);
            for (int l = 0; l < 4; l++) {
                b->qs[4 * k + l] = (uint8_t)c.point[4 * k + l];
                h |= (unsigned)(c.point[4 * k + l] >> 8) << (3 * l);
            }
            b->qh[k] = (uint16_t)h;
        }
    }
}

/* d has no field of its own: its nibbles are on top of the four words of scales. */
void QB_ENCODE_FN(IQ1_M)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_IQ1_M *b = out;
    struct choice c;
    for (int64_t i = 0; i < n; i += 256, b++) {
        uint16_t words[4] = {0};
        memset(b, 0, sizeof *b);
        if (!choose(x + i, importance ? importance + i : NULL, 2, false, &c))
            continue;
        for (int g = 0; g < 32; g++) {
            b->qs[g] = (uint8_t)c.point[g];
            b->qh[g / 2] |= (uint8_t)((c.point[g] >> 8 | (c.down[g] ? 8 : 0)) << (4 * (g % 2)));
        }
        for (int k = 0; k < 16; k++)
            words[k / 4] |= (uint16_t)(c.code[k] << (3 * (k % 4)));
        for (int k = 0; k < 4; k++)
            words[k] |= (uint16_t)((c.d >> (4 * k) & 15) << 12);
        memcpy(b->scales, words, sizeof words);
    }
}

/*
 * IQ1_S, IQ1_M: points of a ternary codebook, all values of a point moved by +1/8 or -1/8; three bits of
 * scale for 32 (IQ1_S) or 16 weights (IQ1_M), the sign of the move for the same 32 or for each point of 8.
 * Every point is tried under a few scales and both moves at once: with t the point, e the move and s the
 * scale the error is a constant and s^2 (sum w t^2 + 2 e sum w t + e^2 sum w) - 2 s (sum w x t + e sum w x),
 * and the sums serve all of them.
 */
#include "kernels/blocks.h"
#include "kernels/codebooks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_ternary.h"
#include <string.h>

#define POINTS     2048
#define SCALES     3 /* neighbouring scales: code 2c + 1 times d */
#define CANDIDATES (2 * SCALES)
#define MOVE       0.125f

/* Value i of every point. */
struct planes {
    int8_t v[8][POINTS];
};

/* What is chosen for a block. */
struct choice {
    uint16_t point[32];
    bool down[32];    /* moved by -1/8; all points of a scale alike in IQ1_S */
    uint8_t code[16]; /* of the scales */
    uint16_t d;
};

/* The best of all points of a group under each candidate. */
struct best {
    uint16_t point[CANDIDATES];
    float score[CANDIDATES]; /* what it explains of the error */
};

/* Inverse scales times the largest magnitude. */
static const float starts[QB_LANES] = {0.7f, 0.85f, 1.0f, 1.1f, 1.2f, 1.3f, 1.4f, 1.5f,
                                       1.6f, 1.75f, 1.9f, 2.1f, 2.4f, 2.8f, 3.4f, 4.5f};

static void expand(struct planes *p)
{
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < POINTS; k++)
            p->v[i][k] = (int8_t)((qb_codebook_iq1s[k] >> (2 * i) & 3) - 1);
}

/* Candidate c: scale[c / 2], moved down when c is odd. */
static void best_points(const struct planes *p, const float *x, const float *w, const float *scale,
                        struct best *out)
{
    float best[CANDIDATES][QB_LANES], wx[8], sum_w = 0.0f, sum_wx = 0.0f;
    int32_t at[CANDIDATES][QB_LANES] = {0};
    for (int c = 0; c < CANDIDATES; c++)
        QB_FOR_LANES(l) best[c][l] = -__builtin_inff();
    for (int i = 0; i < 8; i++) {
        wx[i] = w[i] * x[i];
        sum_w += w[i];
        sum_wx += wx[i];
    }
    for (int k = 0; k < POINTS; k += QB_LANES) {
        float xt[QB_LANES] = {0}, tt[QB_LANES] = {0}, t1[QB_LANES] = {0};
        QB_UNROLL
        for (int i = 0; i < 8; i++) {
            const int8_t *v = p->v[i] + k;
            QB_FOR_LANES(l)
            {
                float t = (float)v[l], wt = w[i] * t;
                xt[l] += wx[i] * t;
                t1[l] += wt;
                tt[l] += wt * t;
            }
        }
        QB_UNROLL
        for (int c = 0; c < CANDIDATES; c++) {
            float move = c % 2 ? -MOVE : MOVE, two = 2.0f * scale[c / 2],
                  square = scale[c / 2] * scale[c / 2];
            float fixed = two * move * sum_wx - square * move * move * sum_w, twice = 2.0f * move;
            QB_FOR_LANES(l)
            {
                float e = fixed + two * xt[l] - square * (tt[l] + twice * t1[l]);
                at[c][l] = e > best[c][l] ? k : at[c][l];
                best[c][l] = e > best[c][l] ? e : best[c][l];
            }
        }
    }
    for (int c = 0; c < CANDIDATES; c++) {
        int lane = qb_best_lane(best[c]);
        out->point[c] = (uint16_t)(at[c][lane] + lane);
        out->score[c] = best[c][lane];
    }
}

/* Scale, moves and points of `groups` groups from group g on under scale k; one move for all when `together`.
 */
static void choose_sub(const struct planes *p, const struct qb_encode_block *b, int k, int groups,
                       bool together, int first, float d, struct choice *c)
{
    struct best best[4];
    float scale[SCALES], score[CANDIDATES] = {0};
    int winner = 0;
    first = first < 0 ? 0 : first > 8 - SCALES ? 8 - SCALES : first;
    for (int n = 0; n < SCALES; n++)
        scale[n] = d * (float)(2 * (first + n) + 1);
    for (int g = 0; g < groups; g++) {
        int at = 8 * (k * groups + g);
        best_points(p, b->x + at, b->w + at, scale, &best[g]);
        for (int n = 0; n < CANDIDATES; n++) {
            float other = best[g].score[n ^ 1], own = best[g].score[n];
            score[n] += !together && other > own ? other : own;
        }
    }
    for (int n = 1; n < CANDIDATES; n++)
        winner = score[n] > score[winner] ? n : winner;
    c->code[k] = (uint8_t)(first + winner / 2);
    for (int g = 0; g < groups; g++) {
        bool other = !together && best[g].score[winner ^ 1] > best[g].score[winner];
        int n = other ? winner ^ 1 : winner;
        c->point[k * groups + g] = best[g].point[n];
        c->down[k * groups + g] = n % 2;
    }
}

/* The least-squares d for fixed codes. */
static float refit(const struct planes *p, const struct qb_encode_block *b, int groups,
                   const struct choice *c)
{
    float xv = 0.0f, vv = 0.0f;
    for (int j = 0; j < 256; j++) {
        int g = j / 8;
        float v = (float)p->v[j % 8][c->point[g]] + (c->down[g] ? -MOVE : MOVE);
        v *= (float)(2 * c->code[g / groups] + 1);
        xv += b->w[j] * b->x[j] * v;
        vv += b->w[j] * v * v;
    }
    return xv / vv;
}

/* `groups` groups under one scale. False: all zero. */
static bool choose(const struct planes *p, const float *x, const float *importance, int groups, bool together,
                   struct choice *c)
{
    struct qb_encode_block b;
    float want[16], largest = 0.0f;
    int n = 8 * groups;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    for (int k = 0; k < 256 / n; k++) {
        struct qb_encode_group g = {b.x + k * n, b.w + k * n, n};
        float m = __builtin_fabsf(qb_signed_max(g.x, n));
        want[k] = m > 1e-12f ? qb_ternary_search(g, starts, m, 2) : 0.0f;
        largest = want[k] > largest ? want[k] : largest;
    }
    float d = qb_encode_f16(largest / 15.0f, b.unit, &c->d);
    for (int k = 0; k < 256 / n; k++) {
        int code = (int)qb_clamp(want[k] * qb_encode_invert(d) * 0.5f, 0.0f, 8.0f);
        choose_sub(p, &b, k, groups, together, code - 1, d, c);
    }
    float better = refit(p, &b, groups, c);
    if (better > 0.0f)
        qb_encode_f16(better, b.unit, &c->d);
    return true;
}

void QB_ENCODE_FN(IQ1_S)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_IQ1_S *b = out;
    struct planes p;
    struct choice c;
    expand(&p);
    for (int64_t i = 0; i < n; i += 256, b++) {
        memset(b, 0, sizeof *b);
        if (!choose(&p, x + i, importance ? importance + i : NULL, 4, true, &c))
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
    struct planes p;
    struct choice c;
    expand(&p);
    for (int64_t i = 0; i < n; i += 256, b++) {
        uint16_t words[4] = {0};
        memset(b, 0, sizeof *b);
        if (!choose(&p, x + i, importance ? importance + i : NULL, 2, false, &c))
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

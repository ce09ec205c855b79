/*
 * The searches of the encoders. A candidate is a scale (and an offset); 16 candidates are tried side by side,
 * one a lane, and each lane runs over the elements in their order. So the loops over lanes vectorize, there
 * are no sums across lanes, and the result is the same for every vector width.
 *
 * Method: for fixed codes the best scale (and offset) is a weighted least-squares solution; for a fixed scale
 * the best codes are the nearest ones. Every lane alternates both from its own start (Lloyd, "Least squares
 * quantization in PCM", 1982), and the best lane wins.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_SEARCH_H
#define QB_KERNELS_ENCODE_ENCODE_SEARCH_H

#include "base/f16.h"
#include "kernels/simd.h"
#include <stdint.h>

#define QB_LANES 16
/* A loop over lanes: one vector operation a statement (-fopenmp-simd; without it compilers unroll it
 * instead). */
#define QB_FOR_LANES(c) _Pragma("omp simd") for (int c = 0; c < QB_LANES; c++)

/* n values with their weights. */
struct qb_encode_group {
    const float *x, *w;
    int n;
};

/* Nearest integer, ties to even, for |v| < 2^22 (larger ones stay large: clamp afterwards). */
QB_INLINE float qb_rint_small(float v)
{
    return v + 12582912.0f - 12582912.0f;
}

/* NaN becomes lo. */
QB_INLINE float qb_clamp(float v, float lo, float hi)
{
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}

/*
 * Nearest code of lo..hi, ties to even. The sum with 1.5 * 2^23 has the integer in its low bits, where
 * integer minimum and maximum cut it: half the instructions of comparing floats. Values far outside go to the
 * nearer end.
 */
#define QB_ROUND_MAGIC 12582912.0f
QB_INLINE float qb_nearest(float v, float lo, float hi)
{
    int32_t bits = (int32_t)qb_f32_bits(v + QB_ROUND_MAGIC);
    int32_t least = (int32_t)qb_f32_bits(lo + QB_ROUND_MAGIC),
            most = (int32_t)qb_f32_bits(hi + QB_ROUND_MAGIC);
    bits = bits > least ? bits : least;
    bits = bits < most ? bits : most;
    return qb_f32_from_bits((uint32_t)bits) - QB_ROUND_MAGIC;
}

QB_INLINE float qb_largest_lane(const float *v)
{
    float max = -__builtin_inff();
    _Pragma("omp simd reduction(max : max)") for (int c = 0; c < QB_LANES; c++) max = v[c] > max ? v[c] : max;
    return max;
}

/* The nearest codes lo..hi of QB_LANES values, plus `base`. Two loops: compilers narrow badly on the way. */
QB_INLINE void qb_take_codes(const float *x, float offset, float inv, float lo, float hi, int base,
                             uint8_t *q)
{
    int32_t code[QB_LANES];
    QB_FOR_LANES(c) code[c] = (int32_t)qb_nearest((x[c] - offset) * inv, lo, hi) + base;
    QB_FOR_LANES(c) q[c] = (uint8_t)code[c];
}

/* The lane of the largest value, the first of equals; NaN loses. */
QB_INLINE int qb_best_lane(const float *v)
{
    float max = qb_largest_lane(v);
    int best = QB_LANES;
    _Pragma("omp simd reduction(min : best)") for (int c = 0; c < QB_LANES; c++)
    {
        int lane = v[c] == max ? c : QB_LANES;
        best = lane < best ? lane : best;
    }
    return best & (QB_LANES - 1);
}

/* The value of largest magnitude, with its sign. */
QB_INLINE float qb_signed_max(const float *x, int n)
{
    float low = 0.0f, high = 0.0f;
    _Pragma("omp simd reduction(min : low) reduction(max : high)") for (int i = 0; i < n; i++)
    {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    return -low > high ? low : high;
}

/* Pairwise, the same order everywhere. */
QB_INLINE float qb_sum_lanes(const float *v)
{
    float t[QB_LANES / 2];
    for (int i = 0; i < 8; i++)
        t[i] = v[i] + v[i + 8];
    for (int i = 0; i < 4; i++)
        t[i] += t[i + 4];
    return (t[0] + t[2]) + (t[1] + t[3]);
}

/* Codes lo..hi under inverse scales inv: the least-squares scale of each lane and how much it explains of sum
 * w x^2. */
QB_INLINE void qb_sym_pass(struct qb_encode_group g, float lo, float hi, const float *inv, float *scale,
                           float *gain)
{
    float xq[QB_LANES] = {0}, qq[QB_LANES] = {0};
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i], wx = w * x;
        QB_FOR_LANES(c)
        {
            float q = qb_nearest(inv[c] * x, lo, hi);
            xq[c] += wx * q;
            qq[c] += w * q * q;
        }
    }
    QB_FOR_LANES(c)
    {
        scale[c] = xq[c] / (qq[c] > 0.0f ? qq[c] : 1.0f);
        gain[c] = xq[c] * scale[c];
    }
}

/* The best scale for codes lo..hi, from the inverse scales `starts` divided by the signed maximum. */
QB_INLINE float qb_sym_search(struct qb_encode_group g, float lo, float hi, const float *starts, float max,
                              int passes)
{
    float inv[QB_LANES], scale[QB_LANES], gain[QB_LANES], best_scale[QB_LANES] = {0},
                                                          best_gain[QB_LANES] = {0};
    float inverse_max = 1.0f / max;
    QB_FOR_LANES(c) inv[c] = starts[c] * inverse_max;
    for (int p = 0; p < passes; p++) {
        qb_sym_pass(g, lo, hi, inv, scale, gain);
        QB_FOR_LANES(c)
        {
            best_scale[c] = gain[c] > best_gain[c] ? scale[c] : best_scale[c];
            best_gain[c] = gain[c] > best_gain[c] ? gain[c] : best_gain[c];
            inv[c] = 1.0f / (scale[c] != 0.0f ? scale[c] : 1.0f);
        }
    }
    return best_scale[qb_best_lane(best_gain)];
}

/* The weighted squared error of each lane, negated, with codes lo..hi and the given scales. */
QB_INLINE void qb_sym_errors(struct qb_encode_group g, float lo, float hi, const float *scale, float *score)
{
    float inv[QB_LANES], error[QB_LANES] = {0};
    QB_FOR_LANES(c) inv[c] = 1.0f / (scale[c] != 0.0f ? scale[c] : 1e30f);
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i];
        QB_FOR_LANES(c)
        {
            float e = x - scale[c] * qb_nearest(inv[c] * x, lo, hi);
            error[c] += w * e * e;
        }
    }
    QB_FOR_LANES(c) score[c] = -error[c];
}

struct qb_asym {
    float scale, offset;
};

/* What is the same for all candidates of a group: sums of w and w x. */
struct qb_asym_sums {
    float w, x;
};

/* n is a multiple of the lanes. */
QB_INLINE struct qb_asym_sums qb_asym_sum(struct qb_encode_group g)
{
    float w[QB_LANES] = {0}, wx[QB_LANES] = {0};
    for (int i = 0; i < g.n; i += QB_LANES) {
        QB_FOR_LANES(c)
        {
            w[c] += g.w[i + c];
            wx[c] += g.w[i + c] * g.x[i + c];
        }
    }
    return (struct qb_asym_sums){qb_sum_lanes(w), qb_sum_lanes(wx)};
}

/* As qb_sym_pass for codes 0..hi with an offset; `most_offset` bounds the offset from above. */
QB_INLINE void qb_asym_pass(struct qb_encode_group g, struct qb_asym_sums sum, float hi, float most_offset,
                            float *scale, float *offset, float *gain)
{
    float q1[QB_LANES] = {0}, q2[QB_LANES] = {0}, xq[QB_LANES] = {0}, inv[QB_LANES];
    QB_FOR_LANES(c) inv[c] = 1.0f / scale[c];
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i], wx = w * x;
        QB_FOR_LANES(c)
        {
            float q = qb_nearest(inv[c] * (x - offset[c]), 0.0f, hi), wq = w * q;
            q1[c] += wq;
            q2[c] += wq * q;
            xq[c] += wx * q;
        }
    }
    QB_FOR_LANES(c)
    {
        float det = sum.w * q2[c] - q1[c] * q1[c], inv_det = 1.0f / (det > 0.0f ? det : 1.0f);
        float s = (sum.w * xq[c] - sum.x * q1[c]) * inv_det, o = (q2[c] * sum.x - q1[c] * xq[c]) * inv_det;
        float s0 = xq[c] / (q2[c] > 0.0f ? q2[c] : 1.0f);
        s = o > most_offset ? s0 : s;
        o = o > most_offset ? 0.0f : o;
        gain[c] = det > 0.0f && s > 0.0f ? s * xq[c] + o * sum.x : -1.0f;
        scale[c] = s > 0.0f ? s : scale[c];
        offset[c] = s > 0.0f ? o : offset[c];
    }
}

/*
 * The best scale and offset for codes 0..hi. The 16 lanes start with the range shortened by each of
 * shrink[] (parts of it; negative: widened) at the bottom and each at the top. most_offset: 0, or huge for
 * offsets of any sign.
 */
QB_INLINE struct qb_asym qb_asym_search(struct qb_encode_group g, float hi, float most_offset,
                                        const float shrink[4], int passes)
{
    float scale[QB_LANES], offset[QB_LANES], gain[QB_LANES],
        best_scale[QB_LANES] = {0}, best_offset[QB_LANES] = {0}, best_gain[QB_LANES] = {0};
    struct qb_asym_sums sum = qb_asym_sum(g);
    float low = g.x[0], high = g.x[0];
    _Pragma("omp simd reduction(min : low) reduction(max : high)") for (int i = 0; i < g.n; i++)
    {
        low = g.x[i] < low ? g.x[i] : low;
        high = g.x[i] > high ? g.x[i] : high;
    }
    low = low < most_offset ? low : most_offset;
    float range = high - low;
    if (!(range > 1e-12f))
        return (struct qb_asym){0.0f, low};
    QB_FOR_LANES(c)
    {
        scale[c] = range * (1.0f - shrink[c / 4] - shrink[c % 4]) / hi;
        offset[c] = low + range * shrink[c / 4];
    }
    for (int p = 0; p < passes; p++) {
        qb_asym_pass(g, sum, hi, most_offset, scale, offset, gain);
        QB_FOR_LANES(c)
        {
            best_scale[c] = gain[c] > best_gain[c] ? scale[c] : best_scale[c];
            best_offset[c] = gain[c] > best_gain[c] ? offset[c] : best_offset[c];
            best_gain[c] = gain[c] > best_gain[c] ? gain[c] : best_gain[c];
        }
    }
    int best = qb_best_lane(best_gain);
    return (struct qb_asym){best_scale[best], best_offset[best]};
}

/* The weighted squared error of each lane, negated, with codes 0..hi and the given scales and offsets. */
QB_INLINE void qb_asym_errors(struct qb_encode_group g, float hi, const float *scale, const float *offset,
                              float *score)
{
    float inv[QB_LANES], error[QB_LANES] = {0};
    QB_FOR_LANES(c) inv[c] = 1.0f / (scale[c] != 0.0f ? scale[c] : 1e30f);
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i];
        QB_FOR_LANES(c)
        {
            float y = x - offset[c], e = y - scale[c] * qb_nearest(inv[c] * y, 0.0f, hi);
            error[c] += w * e * e;
        }
    }
    QB_FOR_LANES(c) score[c] = -error[c];
}

/* n + 1 unequal levels: the value of code k is first + step[0] + .. + step[k - 1], taken from v >= edge[k -
 * 1] on.
 */
struct qb_levels {
    int n;
    float first, edge[15], step[15];
};

/* Steps k to k + 4 that v has taken. */
QB_INLINE float qb_level_steps(const struct qb_levels *l, int k, float v)
{
    float a = v >= l->edge[k] ? l->step[k] : 0.0f, b = v >= l->edge[k + 1] ? l->step[k + 1] : 0.0f;
    float c = v >= l->edge[k + 2] ? l->step[k + 2] : 0.0f, d = v >= l->edge[k + 3] ? l->step[k + 3] : 0.0f;
    float e = v >= l->edge[k + 4] ? l->step[k + 4] : 0.0f;
    return (a + b) + (c + d) + e;
}

/* The level nearest to v: exact, steps are integers. */
QB_INLINE float qb_level_value(const struct qb_levels *l, float v)
{
    if (l->n == 15)
        return l->first + qb_level_steps(l, 0, v) + qb_level_steps(l, 5, v) + qb_level_steps(l, 10, v);
    float value = l->first;
    QB_UNROLL
    for (int k = 0; k < l->n; k++)
        value += v >= l->edge[k] ? l->step[k] : 0.0f;
    return value;
}

QB_INLINE int qb_nearest_level(const struct qb_levels *l, float v)
{
    int code = 0;
    for (int k = 0; k < l->n; k++)
        code += v >= l->edge[k];
    return code;
}

QB_INLINE void qb_level_pass(struct qb_encode_group g, const struct qb_levels *l, const float *inv,
                             float *scale, float *gain)
{
    float xq[QB_LANES] = {0}, qq[QB_LANES] = {0};
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i], wx = w * x;
        QB_FOR_LANES(c)
        {
            float q = qb_level_value(l, inv[c] * x);
            xq[c] += wx * q;
            qq[c] += w * q * q;
        }
    }
    QB_FOR_LANES(c)
    {
        scale[c] = xq[c] / (qq[c] > 0.0f ? qq[c] : 1.0f);
        gain[c] = xq[c] * scale[c];
    }
}

/* As qb_sym_search. */
QB_INLINE float qb_level_search(struct qb_encode_group g, const struct qb_levels *l, const float *starts,
                                float max, int passes)
{
    float inv[QB_LANES], scale[QB_LANES], gain[QB_LANES], best_scale[QB_LANES] = {0},
                                                          best_gain[QB_LANES] = {0};
    float inverse_max = 1.0f / max;
    QB_FOR_LANES(c) inv[c] = starts[c] * inverse_max;
    for (int p = 0; p < passes; p++) {
        qb_level_pass(g, l, inv, scale, gain);
        QB_FOR_LANES(c)
        {
            best_scale[c] = gain[c] > best_gain[c] ? scale[c] : best_scale[c];
            best_gain[c] = gain[c] > best_gain[c] ? gain[c] : best_gain[c];
            inv[c] = 1.0f / (scale[c] != 0.0f ? scale[c] : 1.0f);
        }
    }
    return best_scale[qb_best_lane(best_gain)];
}

/* As qb_sym_errors. */
QB_INLINE void qb_level_errors(struct qb_encode_group g, const struct qb_levels *l, const float *scale,
                               float *score)
{
    float inv[QB_LANES], error[QB_LANES] = {0};
    QB_FOR_LANES(c) inv[c] = 1.0f / (scale[c] != 0.0f ? scale[c] : 1e30f);
    for (int i = 0; i < g.n; i++) {
        float x = g.x[i], w = g.w[i];
        QB_FOR_LANES(c)
        {
            float e = x - scale[c] * qb_level_value(l, inv[c] * x);
            error[c] += w * e * e;
        }
    }
    QB_FOR_LANES(c) score[c] = -error[c];
}

#endif

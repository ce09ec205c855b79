/*
 * Where few bits are left, least squares alone makes a model worse than its error says: it shrinks what it
 * cannot represent, in every row alike, and nothing in a network takes that for noise. Two remedies, both
 * measured by KL divergence (docs/quantization.md): large values weigh more, and the last scale is made
 * larger.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_BIAS_H
#define QB_KERNELS_ENCODE_ENCODE_BIAS_H

#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"

/*
 * Multiply the weights of a loaded block by sqrt(evenness * mean(x^2) + x^2): the larger the evenness, the
 * less the size of a value counts. Without importances the weights stay equal: then the bare error is the
 * better guide.
 */
QB_INLINE void qb_weigh_by_size(struct qb_encode_block *b, int n, float evenness)
{
    float lanes[QB_LANES] = {0};
    if (!b->weighted)
        return;
    for (int i = 0; i < n; i += QB_LANES)
        QB_FOR_LANES(l) lanes[l] += b->x[i + l] * b->x[i + l];
    float floor = evenness * qb_sum_lanes(lanes) / (float)n;
    for (int i = 0; i < n; i++)
        b->w[i] *= __builtin_sqrtf(floor + b->x[i] * b->x[i]);
}

/*
 * The last scale for fixed codes, from sums with weights: xv of x times the decoded value under scale 1, vv
 * and xx of their squares. Least squares is xv / vv; times sqrt(r), r = xx vv / xv^2 >= 1, the values keep
 * their power, times r their slope. In between is best: r^(3/4).
 */
QB_INLINE float qb_unshrunk_scale(float xv, float vv, float xx)
{
    float root = __builtin_sqrtf(xx * vv) / xv; /* sqrt(r) */
    return xv / vv * root * __builtin_sqrtf(root);
}

#endif

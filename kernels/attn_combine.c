/*
 * Joining attention over parts of the keys: each part carries its maximum and its sum of exponentials, and is
 * weighted by exp(its maximum - the overall one) (the merge rule of online softmax, Milakov and Gimelshein,
 * 2018).
 */
#include "kernels/vector.h"
#include <math.h>

static void combine_column(int n_parts, int n_cols, int c, int dim, const float *parts, size_t part_stride,
                           const float *ml, float *out)
{
    float max = -INFINITY, sum = 0;
    for (int p = 0; p < n_parts; p++)
        max = fmaxf(max, ml[((size_t)p * (size_t)n_cols + (size_t)c) * 2]);
    for (int d = 0; d < dim; d++)
        out[d] = 0;
    for (int p = 0; p < n_parts; p++) {
        const float *x = parts + (size_t)p * part_stride + (size_t)c * (size_t)dim;
        const float *part = ml + ((size_t)p * (size_t)n_cols + (size_t)c) * 2;
        if (part[0] == -INFINITY)
            continue;
        float w = expf(part[0] - max);
        sum += w * part[1];
        for (int d = 0; d < dim; d++)
            out[d] += w * x[d];
    }
    float inv = sum > 0 ? 1.0f / sum : 0;
    for (int d = 0; d < dim; d++)
        out[d] *= inv;
}

void qb_attn_combine(int n_parts, int n_cols, int group, int dim, const float *parts, size_t part_stride,
                     const float *ml, float *out, size_t ldo)
{
    for (int c = 0; c < n_cols; c++)
        combine_column(n_parts, n_cols, c, dim, parts, part_stride, ml,
                       out + (size_t)(c / group) * ldo + (size_t)(c % group) * (size_t)dim);
}

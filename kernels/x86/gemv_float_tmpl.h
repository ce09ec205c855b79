/*
 * What the float GEMV kernels share, whatever they multiply with; include after simd_avx2.h or simd_avx512.h.
 */
#ifndef QB_KERNELS_GEMV_FLOAT_TMPL_H
#define QB_KERNELS_GEMV_FLOAT_TMPL_H

#include <stdbool.h>
#include <string.h>

#include "kernels/act.h"

/* How far ahead of its stream a GEMV asks for weights; measured on Zen 5. */
#define PREFETCH_BYTES 2048
/* Most rows that advance together. */
#define MAX_ROWS 4
/* Room for the taken-apart columns, in values of 4 bytes (floats, or pairs of bf16). */
#define SPLIT_VALUES 16384

struct gemv_out {
    const float *bias;
    bool accumulate;
    float *out;
    size_t ldo;
};

/* Rows row, row + step, ... */
INLINE void gemv_store(struct gemv_out o, int64_t row, int64_t step, int n_rows, int w,
                       float (*sum)[QB_GEMV_MAX_COLS])
{
    for (int r = 0; r < n_rows; r++, row += step) {
        for (int c = 0; c < w; c++) {
            float *y = o.out + (size_t)c * o.ldo + row;
            float from = (o.accumulate ? *y : 0.0f) + (o.bias ? o.bias[row] : 0.0f);
            *y = from + sum[r][c];
        }
    }
}

/* Rows row .. row + n - 1 of column c. */
INLINE void gemv_store_rows(struct gemv_out o, int64_t row, int n, int c, vf v)
{
    float *y = o.out + (size_t)c * o.ldo + row;
    if (o.bias)
        v = vf_add(v, vf_load_n(o.bias + row, n));
    if (o.accumulate)
        v = vf_add(v, vf_load_n(y, n));
    vf_store_n(y, v, n);
}

/* Columns of a tile, values of 4 bytes in the order [n][w], to one stretch of n a column. */
INLINE const void *split_columns(const void *x, int w, int64_t n, void *out)
{
    if (w == 1)
        return x;
    for (int64_t k = 0; k < n; k++)
        for (int c = 0; c < w; c++)
            memcpy((uint32_t *)out + c * n + k, (const uint32_t *)x + k * w + c, 4);
    return out;
}

#endif

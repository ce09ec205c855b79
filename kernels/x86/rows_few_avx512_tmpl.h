/*
 * Plain rows of a codebook format times one column, a few rows at a time over all of K: a vector of indices
 * is a part of one row or of two, so nothing is transposed, and the rows are read as one stream. Two vectors
 * go together, because they share the loads of a table. Included by the *_avx512vbmi.c files, before
 * weights_planes_avx512_tmpl.h. They define before:
 *
 *   W_BYTES              of a block
 *   W_ROWS               2: a vector is one row; 4: half of a vector is
 *   struct rows_act;     a block of 256 activations as the format wants them
 *   void rows_act(const struct qb_act *a, int64_t b, struct rows_act *x);
 *   void rows_block(const uint8_t *const p[W_ROWS], const struct rows_act *x, float scale, __m512 acc[2]);
 *                        acc += what a block of each row adds; scale: of the activations
 */
#include "kernels/x86/rows16_avx512.h"

#define W_ROWS_FEW

#define ROWS_MAX_BLOCKS 64 /* on the stack; longer rows are left to the other kernel */

/* The rows are streams, but all together they are contiguous: ask for whole groups ahead. */
QB_INLINE size_t rows_ahead(size_t row_bytes)
{
    return (qb_cpu_stream.near_bytes + W_ROWS * row_bytes - 1) / (W_ROWS * row_bytes) * W_ROWS * row_bytes;
}

QB_INLINE float rows_sum(const __m512 acc[2], int row)
{
    if (W_ROWS == 2)
        return _mm512_reduce_add_ps(acc[row]);
    return _mm512_mask_reduce_add_ps(row % 2 ? 0xff00 : 0x00ff, acc[row / 2]);
}

static bool rows_gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                      const float *bias, bool accumulate, float *out)
{
    struct rows_act x[ROWS_MAX_BLOCKS] __attribute__((aligned(64)));
    const int64_t blocks = m->n_cols / 256, end = row0 + n_rows;
    if (a->n_cols != 1 || blocks > ROWS_MAX_BLOCKS)
        return false;
    for (int64_t b = 0; b < blocks; b++)
        rows_act(a, b, x + b);
    const size_t row_bytes = qb_matrix_row_bytes(m), ahead = rows_ahead(row_bytes);
    const uint8_t *p = m->data + (size_t)row0 * row_bytes, *asked = stream_walk(p, p + ahead);
    for (int64_t r = row0; r < end; r += W_ROWS, p += W_ROWS * row_bytes) {
        const uint8_t *at[W_ROWS];
        QB_UNROLL
        for (int i = 0; i < W_ROWS; i++) /* the last row may repeat */
            at[i] = p + (size_t)(r + i < end ? i : end - 1 - r) * row_bytes;
        __m512 acc[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int64_t b = 0; b < blocks; b++) {
            asked = stream_walk(asked, p + ahead + (size_t)(b + 1) * W_ROWS * W_BYTES);
            rows_block(at, x + b, a->scale[b], acc);
            QB_UNROLL
            for (int i = 0; i < W_ROWS; i++)
                at[i] += W_BYTES;
        }
        QB_UNROLL
        for (int i = 0; i < W_ROWS; i++)
            if (r + i < end)
                out[r + i] = (bias ? bias[r + i] : 0) + (accumulate ? out[r + i] : 0) + rows_sum(acc, i);
    }
    return true;
}

/*
 * Plain rows of a codebook format times one column, two rows at a time over all of K: a vector of indices is
 * a part of one row, so nothing is transposed, and the rows are read as one stream. Included by the
 * *_avx512vbmi.c files that have it, before weights_planes_avx512_tmpl.h. They define before:
 *
 *   W_BYTES             of a block
 *   struct rows2_act;   a block of 256 activations as the format wants them
 *   void rows2_act(const struct qb_act *a, int64_t b, struct rows2_act *x);
 *   void rows2_block(const uint8_t *const p[2], const struct rows2_act *x, float scale, __m512 acc[2]);
 *                       acc += what a block of each row adds; scale: of the activations
 */
#include "kernels/x86/rows16_avx512.h"

#define W_ROWS2

#define ROWS2_MAX_BLOCKS 64 /* on the stack; longer rows are left to the other kernel */

/* The two rows of a pair are two streams, but all rows together are contiguous: ask for whole pairs ahead. */
QB_INLINE size_t rows2_ahead(size_t row_bytes)
{
    return (ROWS16_AHEAD_BYTES + 2 * row_bytes - 1) / (2 * row_bytes) * 2 * row_bytes;
}

QB_INLINE const uint8_t *rows2_prefetch(const uint8_t *from, const uint8_t *to)
{
    QB_NO_UNROLL
    for (; from < to; from += 64)
        _mm_prefetch((const char *)from, _MM_HINT_T0);
    return from;
}

static bool rows2_gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                       const float *bias, bool accumulate, float *out)
{
    struct rows2_act x[ROWS2_MAX_BLOCKS] __attribute__((aligned(64)));
    const int64_t blocks = m->n_cols / 256;
    if (a->n_cols != 1 || blocks > ROWS2_MAX_BLOCKS)
        return false;
    for (int64_t b = 0; b < blocks; b++)
        rows2_act(a, b, x + b);
    const size_t row_bytes = qb_matrix_row_bytes(m), ahead = rows2_ahead(row_bytes);
    const uint8_t *p = m->data + (size_t)row0 * row_bytes, *asked = rows2_prefetch(p, p + ahead);
    for (int64_t r = row0; r < row0 + n_rows; r += 2, p += 2 * row_bytes) {
        const int second = r + 1 < row0 + n_rows; /* the last row may be alone */
        const uint8_t *at[2] = {p, p + (second ? row_bytes : 0)};
        __m512 acc[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int64_t b = 0; b < blocks; b++) {
            asked = rows2_prefetch(asked, p + ahead + (size_t)(b + 1) * 2 * W_BYTES);
            rows2_block(at, x + b, a->scale[b], acc);
            at[0] += W_BYTES;
            at[1] += W_BYTES;
        }
        for (int i = 0; i <= second; i++)
            out[r + i] =
                (bias ? bias[r + i] : 0) + (accumulate ? out[r + i] : 0) + _mm512_reduce_add_ps(acc[i]);
    }
    return true;
}

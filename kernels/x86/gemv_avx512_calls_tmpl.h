/*
 * From 16 rows to gemv() of weights_kernels.h, for AVX512. The includer defines
 *
 *   W_ELEMS, W_BYTES   of a block
 *   void gemv_block(s, a, b, acc, cols, kind);  acc[c] += what block b adds to 16 rows
 *
 * and perhaps includes rows_few_avx512_tmpl.h before: plain rows of one column.
 */
#include "kernels/x86/rows16_avx512.h"
#include "kernels/x86/weights_kernels.h"

QB_INLINE void gemv_rows16(const struct qb_matrix *m, int64_t row0, int64_t n, const struct qb_act *a,
                           const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                           enum rows16_kind kind)
{
    struct rows16 s;
    rows16_init(&s, m, row0, 0, kind);
    __m512 acc[QB_GEMV_MAX_COLS] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                                    _mm512_setzero_ps()};
    __mmask16 valid = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        acc[i] = bias ? _mm512_maskz_loadu_ps(valid, bias + row0) : _mm512_setzero_ps();
        if (accumulate)
            acc[i] = _mm512_add_ps(acc[i], _mm512_maskz_loadu_ps(valid, out + (size_t)i * ldo + row0));
    }
    for (int64_t b = 0; b < m->n_cols / W_ELEMS; b++, rows16_next(&s, W_BYTES, kind)) {
        gemv_block(&s, a, b, acc, cols, kind);
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        _mm512_mask_storeu_ps(out + (size_t)i * ldo + row0, valid, acc[i]);
}

/* The end of a plain matrix: rare, so one instance for any number of columns is enough. */
static __attribute__((noinline)) void gemv_tail(const struct qb_matrix *m, int64_t row0, int64_t n,
                                                const struct qb_act *a, const float *bias, bool accumulate,
                                                float *out, size_t ldo)
{
    gemv_rows16(m, row0, n, a, bias, accumulate, out, ldo, a->n_cols, ROWS16_TABLE);
}

QB_INLINE void gemv_cols(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                         const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                         enum rows16_kind kind)
{
    int64_t tail = kind == ROWS16_STRIDED ? n_rows % 16 : 0, end = row0 + n_rows;
    rows16_prefetch_first(m, row0, kind);
    for (int64_t r = row0; r < end - tail; r += 16)
        gemv_rows16(m, r, end - r, a, bias, accumulate, out, ldo, cols, kind);
    if (tail)
        gemv_tail(m, end - tail, tail, a, bias, accumulate, out, ldo);
}

QB_INLINE void gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                    const float *bias, bool accumulate, float *out, size_t ldo, enum rows16_kind kind)
{
#ifdef W_ROWS_FEW
    if (kind == ROWS16_STRIDED && rows_gemv(m, row0, n_rows, a, bias, accumulate, out))
        return;
#endif
#define W_COLS(n, kind) gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, n, kind)
    QB_SWITCH_COLS(a->n_cols, W_COLS, kind)
#undef W_COLS
}

/*
 * The outer half of the AVX512 templates: from 16 rows to the kernels of the registry. The includer defines
 *
 *   W_FORMAT parameters as in weights_avx512_tmpl.h, and W_ISA: the suffix of the symbols
 *   void panel_half(m, row0, k0, n_k, p, half, kind);  decode 16 rows into a half of the panel
 *   void gemv_block(s, a, b, acc, cols, kind);         acc[c] += what block b adds to 16 rows
 *
 * and perhaps includes rows_few_avx512_tmpl.h before: plain rows of one column.
 */

static __attribute__((noinline)) void panel_tail(const struct qb_matrix *m, int64_t row0, int64_t k0,
                                                 int64_t n_k, struct qb_panel *p, int half)
{
    panel_half(m, row0, k0, n_k, p, half, ROWS16_TABLE);
}

QB_INLINE void decode_panel(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p, enum rows16_kind kind)
{
    const struct qb_format form = {
        .sub = W_SUB, .min = W_MIN, .int_scales = W_CUT != NO_INT_SCALES}; /* kernels/panel_form.h */
    qb_panel_set_form(p, W_SHIFT, form.int_scales, W_CUT);
    for (int half = 0; half < 2; half++) {
        if (kind == ROWS16_STRIDED && n_rows < 16 * (half + 1))
            panel_tail(m, row0 + 16 * half, k0, n_k, p, half);
        else
            panel_half(m, row0 + 16 * half, k0, n_k, p, half, kind);
    }
    if (kind != ROWS16_STRIDED && n_rows < QB_PANEL_ROWS)
        qb_panel_repeat_last_row(p, &form, n_rows, n_k);
}

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

/* The two kernels of one layout: W_KERNELS(q4_k, r16, ROWS16_R16). */
#define W_KERNELS(format, layout, kind)             W_KERNELS_EXPAND(format, layout, kind, W_ISA)
#define W_KERNELS_EXPAND(format, layout, kind, isa) W_KERNELS_OF(format, layout, kind, isa)
#define W_KERNELS_OF(format, layout, kind, isa)                                                              \
    void qb_decode_panel_##format##_##layout##_##isa(const struct qb_matrix *m, int64_t row0, int n_rows,    \
                                                     int64_t k0, int64_t n_k, struct qb_panel *p)            \
    {                                                                                                        \
        decode_panel(m, row0, n_rows, k0, n_k, p, kind);                                                     \
    }                                                                                                        \
    void qb_gemv_##format##_##layout##_##isa(const struct qb_matrix *m, int64_t row0, int64_t n_rows,        \
                                             const struct qb_act *a, const float *bias, bool accumulate,     \
                                             float *out, size_t ldo)                                         \
    {                                                                                                        \
        gemv(m, row0, n_rows, a, bias, accumulate, out, ldo, kind);                                          \
    }

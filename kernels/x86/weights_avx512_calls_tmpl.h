/*
 * The outer half of the AVX512 templates: from 16 rows to the kernels of the registry. The includer defines
 *
 *   W_FORMAT parameters as in weights_avx512_tmpl.h, and W_ISA: the suffix of the symbols
 *   void panel_half(m, row0, k0, n_k, p, half, kind);  decode 16 rows into a half of the panel
 *
 * and what gemv_avx512_calls_tmpl.h wants.
 */
#include "kernels/x86/gemv_avx512_calls_tmpl.h"

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

/* The two kernels of one layout: W_KERNELS(q4_k, r16, ROWS16_R16). */
#define W_KERNELS(format, layout, kind) W_KERNELS_OF(format, layout, W_ISA, kind)
#define W_KERNELS_OF(format, layout, isa, kind)                                                              \
    W_PANEL(format, layout, isa, kind) W_GEMV(format, layout, isa, kind)

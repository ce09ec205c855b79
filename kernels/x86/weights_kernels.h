/*
 * The kernels of one layout of a format, as the registry names them, around decode_panel() and gemv() of the
 * file that includes it: W_PANEL(q4_k, r16, avx2, ROWS8_R16), W_GEMV(q4_k, r16, avx2, ROWS8_R16).
 */
#ifndef QB_KERNELS_X86_WEIGHTS_KERNELS_H
#define QB_KERNELS_X86_WEIGHTS_KERNELS_H

#include "kernels/kernel_protos.h"

#define W_PANEL(format, layout, isa, kind)                                                                   \
    void qb_decode_panel_##format##_##layout##_##isa(const struct qb_matrix *m, int64_t row0, int n_rows,    \
                                                     int64_t k0, int64_t n_k, struct qb_panel *p)            \
    {                                                                                                        \
        decode_panel(m, row0, n_rows, k0, n_k, p, kind);                                                     \
    }
#define W_GEMV(format, layout, isa, kind)                                                                    \
    void qb_gemv_##format##_##layout##_##isa(const struct qb_matrix *m, int64_t row0, int64_t n_rows,        \
                                             const struct qb_act *a, const float *bias, bool accumulate,     \
                                             float *out, size_t ldo)                                         \
    {                                                                                                        \
        gemv(m, row0, n_rows, a, bias, accumulate, out, ldo, kind);                                          \
    }

#endif

/*
 * Panels of Q3_K for AVX2: bare codes, a scale per 16 (kernels/panel_forms.def).
 */
#include "kernels/x86/weights_q3_k_avx2.h"

#define W_SUB   16
#define W_SHIFT 2
#define W_OWN_RUN

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    const __m256 d = block8_f16(b, 108), bias = _mm256_set1_ps(32);
    QB_UNROLL
    for (int g = 0; g < 4; g++) {
        __m256i sc = biased_scales(b, g);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            _mm256_storeu_ps(h.scale + (4 * g + i) * h.rows,
                             _mm256_mul_ps(d, _mm256_sub_ps(byte_as_float(sc, i), bias)));
    }
}

QB_INLINE void read_constant_run(struct block8 b, int c, int j, __m256i w[4])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = read_code(b, c, j, i);
}

READ_RUN_BY_CHUNK(read_constant_run)

#include "kernels/x86/weights_avx2_tmpl.h"

W_PANEL(q3_k, plain, avx2, ROWS8_PLAIN)
W_PANEL(q3_k, r16, avx2, ROWS8_R16)

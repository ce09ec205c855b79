/*
 * Panels of IQ1_M in x16, for AVX2.
 */
#include "kernels/x86/weights_iq1_m_x16_avx2.h"

#define W_SUB 16

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 unit = read_unit(b);
    QB_UNROLL
    for (int s = 0; s < 16; s++)
        _mm256_storeu_ps(h.scale + s * h.rows,
                         _mm256_mul_ps(unit, byte_as_float(odd_scales(b, s / 4), s % 4)));
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_PANEL(iq1_m, x16, avx2, ROWS8_R16)

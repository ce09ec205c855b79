/*
 * Panels of IQ1_M in x16, for AVX2.
 */
#include "kernels/x86/weights_iq1_m_x16_avx2.h"

#define W_SUB   16
#define W_SHIFT 4

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 unit = read_unit(b);
    QB_UNROLL
    for (int s = 0; s < W_ELEMS / W_SUB; s++) {
        const int first = s * (W_SUB / 16);
        __m256 odd = byte_as_float(odd_scales(b, first / 4), first % 4);
        _mm256_storeu_ps(h.scale + s * h.rows, _mm256_mul_ps(unit, odd));
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_PANEL(iq1_m, x16, avx2, ROWS8_R16)

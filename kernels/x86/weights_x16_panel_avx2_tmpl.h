/*
 * Panels of x16 formats of planes with a scale for 16 weights, for AVX2. The includer defines W_SUB, 32 where
 * both scales of a 32 are the same, and what weights_x16_gemv_avx2_tmpl.h wants but for add_scaled().
 */
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

#include "kernels/x86/weights_x16_planes_avx2_tmpl.h"

/*
 * Panels of IQ2 in x16 for AVX2. The includer defines W_SUB: 16, or 32 where both scales of a 32 are the
 * same.
 */
#include "kernels/x86/weights_iq2_x16_avx2.h"

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

QB_INLINE int chunk_sub(int c, int j)
{
    return c * (32 / W_SUB) + j;
}

#include "kernels/x86/weights_avx2_tmpl.h"

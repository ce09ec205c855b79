/*
 * GEMV of IQ2 in x16 for AVX2. Activations are of the kind of pairs: of 8 values the magnitudes of the first
 * and third, or second and fourth pair sum to 258 at most, which times the largest code, 107, fits int16.
 */
#include "kernels/x86/weights_iq2_x16_avx2.h"

QB_INLINE __m256i add_16(__m256i sum, const __m256i product[4], __m256i scale)
{
    __m256i first = _mm256_madd_epi16(_mm256_add_epi16(product[0], product[1]), scale);
    __m256i second = _mm256_madd_epi16(_mm256_add_epi16(product[2], product[3]), scale);
    return _mm256_add_epi32(sum, _mm256_add_epi32(first, second));
}

#include "kernels/x86/weights_iq2_x16_gemv_avx2_tmpl.h"

W_GEMV(iq2, x16, avx2, ROWS8_R16)

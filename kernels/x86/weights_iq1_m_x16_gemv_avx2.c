/*
 * GEMV of IQ1_M in x16 for AVX2.
 */
#include "kernels/x86/weights_avx2.h"

QB_INLINE __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, scale));
}

#include "kernels/x86/weights_iq1_m_x16_gemv_avx2_tmpl.h"

W_GEMV(iq1_m, x16, avx2, ROWS8_R16)

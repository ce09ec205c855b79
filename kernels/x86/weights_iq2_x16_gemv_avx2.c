/*
 * GEMV of IQ2 in x16 for AVX2.
 */
#include "kernels/x86/weights_iq2_x16_avx2.h"

#define W_SHIFT 6

QB_INLINE __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, scale));
}

#include "kernels/x86/weights_x16_gemv_avx2_tmpl.h"

W_GEMV(iq2, x16, avx2, ROWS8_R16)

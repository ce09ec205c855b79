/*
 * GEMV of IQ2 in x16 for AVX-VNNI.
 */
#include "kernels/x86/weights_iq2_x16_avx2.h"

QB_INLINE __m256i add_16(__m256i sum, const __m256i product[4], __m256i scale)
{
    __m256i part = _mm256_madd_epi16(product[0], scale);
    QB_UNROLL
    for (int i = 1; i < 4; i++)
        part = _mm256_dpwssd_avx_epi32(part, product[i], scale);
    return _mm256_add_epi32(sum, part);
}

#include "kernels/x86/weights_iq2_x16_gemv_avx2_tmpl.h"

W_GEMV(iq2, x16, avxvnni, ROWS8_R16)

/*
 * Q8_0 for AVX-VNNI. Its panels hold codes, those of AVX2 magnitudes.
 */
#define W_VNNI
#define W_OWN_CODE
#include "kernels/x86/weights_q8_0_avx2.h"

/* Unsigned. */
QB_INLINE __m256i gemv_code(struct block8 b, int c, int j, int i)
{
    return _mm256_xor_si256(read_code(b, c, j, i), _mm256_set1_epi8((char)0x80));
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(q8_0, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(q8_0, r16, avxvnni, ROWS8_R16)
W_PANEL(q8_0, plain, avxvnni, ROWS8_PLAIN)
W_PANEL(q8_0, r16, avxvnni, ROWS8_R16)
W_PANEL(q8_0, 4x4, avxvnni, ROWS8_4X4)
W_PANEL(q8_0, 4x8, avxvnni, ROWS8_4X8)

/*
 * GEMV of Q3_K for AVX2. The panels have a file of their own: weights_q3_k_s16_avx2.c.
 */
#include "kernels/x86/weights_q3_k_avx2.h"

#define W_SUB   256
#define W_SHIFT 7

/* Minus d, as the scales are negated. */
QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, _mm256_xor_ps(block8_f16(b, 108), _mm256_set1_ps(-0.0f)));
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(q3_k, plain, avx2, ROWS8_PLAIN)
W_GEMV(q3_k, r16, avx2, ROWS8_R16)

/*
 * Q4_K for AVX2.
 */
#include "kernels/x86/weights_q4_k_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q4_k, plain, ROWS8_PLAIN)
W_KERNELS(q4_k, r16, ROWS8_R16)
W_KERNELS(q4_k, 8x4, ROWS8_8X4)
W_KERNELS(q4_k, 8x8, ROWS8_8X8)

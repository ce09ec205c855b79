/*
 * Q8_0 for AVX2.
 */
#include "kernels/x86/weights_q8_0_avx2.h"

#define W_MAGNITUDES 1
#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q8_0, plain, ROWS8_PLAIN)
W_KERNELS(q8_0, r16, ROWS8_R16)
W_KERNELS(q8_0, 4x4, ROWS8_4X4)
W_KERNELS(q8_0, 4x8, ROWS8_4X8)

/*
 * Q4_1 for AVX2.
 */
#include "kernels/x86/weights_q4_1_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q4_1, plain, ROWS8_PLAIN)
W_KERNELS(q4_1, r16, ROWS8_R16)

/*
 * GEMV of Q4_0 for AVX-VNNI.
 */
#define W_VNNI
#include "kernels/x86/weights_q4_0_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(q4_0, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(q4_0, r16, avxvnni, ROWS8_R16)

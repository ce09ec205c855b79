/*
 * GEMV of Q6_K for AVX-VNNI.
 */
#define W_VNNI
#include "kernels/x86/weights_q6_k_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(q6_k, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(q6_k, r16, avxvnni, ROWS8_R16)

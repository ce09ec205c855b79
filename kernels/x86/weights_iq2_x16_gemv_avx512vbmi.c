/*
 * GEMV of IQ2 in x16 for AVX512-VBMI.
 */
#include "kernels/x86/weights_iq2_x16_avx512.h"

#include "kernels/x86/weights_x16_gemv_avx512_tmpl.h"

W_GEMV(iq2, x16, avx512vbmi, ROWS16_R16)

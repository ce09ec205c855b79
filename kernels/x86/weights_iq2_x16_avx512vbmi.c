/*
 * IQ2_XS and IQ2_S in x16: a scale for 16 weights, for AVX512-VBMI.
 */
#define W_FORMAT QB_FORMAT_IQ2_S
#define W_SUB    16
#define W_CUT    2
#include "kernels/x86/weights_iq2_x16_avx512_tmpl.h"

W_KERNELS(iq2, x16, ROWS16_R16)

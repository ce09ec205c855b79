/*
 * IQ2_XXS in x16: a scale for 32 weights, which stands there twice, for AVX512-VBMI.
 */
#define W_FORMAT QB_FORMAT_IQ2_XXS
#define W_SUB    32
#define W_CUT    3
#include "kernels/x86/weights_iq2_x16_avx512_tmpl.h"

W_KERNELS(iq2_xxs, x16, ROWS16_R16)

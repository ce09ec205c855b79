/*
 * IQ3_XXS in x16 for AVX512-VBMI (its panels have the form of that level).
 */
#include "kernels/x86/codes_iq3.h"

#define W_FORMAT QB_FORMAT_IQ3_XXS
#define W_SHIFT  6
#define W_CUT    3
#define W_LEVELS CODES_IQ3_XXS
#define W_UNIT   0.25f
#include "kernels/x86/weights_nibbles_avx512_tmpl.h"

W_KERNELS(iq3_xxs, x16, ROWS16_R16)

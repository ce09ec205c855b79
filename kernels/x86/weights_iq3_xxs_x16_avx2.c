/*
 * IQ3_XXS in x16 for AVX2.
 */
#include "kernels/x86/codes_iq3.h"

#define W_SHIFT  6
#define W_DEPTH  1
#define W_LEVELS CODES_IQ3_XXS
#define W_UNIT   0.25f
#include "kernels/x86/weights_nibbles_avx2_tmpl.h"

W_KERNELS(iq3_xxs, x16, ROWS8_R16)

/*
 * IQ3_XXS in x16 for AVX2.
 */
#define W_SHIFT  6
#define W_DEPTH  1
#define W_LEVELS 2, 12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92, 100, 108, 116, 126
#define W_UNIT   0.25f
#include "kernels/x86/weights_nibbles_avx2_tmpl.h"

W_KERNELS(iq3_xxs, x16, ROWS8_R16)

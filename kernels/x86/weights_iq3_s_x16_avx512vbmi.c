/*
 * IQ3_S in x16 for AVX512-VBMI (its panels have the form of that level).
 */
#define W_FORMAT QB_FORMAT_IQ3_S
#define W_SHIFT  4
#define W_CUT    1
#define W_LEVELS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define W_UNIT   1.0f
#include "kernels/x86/weights_nibbles_avx512_tmpl.h"

W_KERNELS(iq3_s, x16, ROWS16_R16)

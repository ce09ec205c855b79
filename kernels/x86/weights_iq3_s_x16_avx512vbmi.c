/*
 * IQ3_S in x16 for AVX512-VBMI (its panels have the form of that level).
 */
#include "kernels/x86/codes_iq3.h"

#define W_FORMAT QB_FORMAT_IQ3_S
#define W_SHIFT  4
#define W_CUT    1
#define W_LEVELS CODES_IQ3_S
#define W_UNIT   1.0f
#include "kernels/x86/weights_nibbles_avx512_tmpl.h"

W_KERNELS(iq3_s, x16, ROWS16_R16)

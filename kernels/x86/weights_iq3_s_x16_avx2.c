/*
 * IQ3_S in x16 for AVX2.
 */
#include "kernels/x86/codes_iq3.h"

#define W_SHIFT  4
#define W_DEPTH  4
#define W_LEVELS CODES_IQ3_S
#define W_UNIT   1.0f
#include "kernels/x86/weights_nibbles_avx2_tmpl.h"

W_KERNELS(iq3_s, x16, ROWS8_R16)

/*
 * IQ3_S in x16 for AVX-VNNI.
 */
#define W_VNNI
#define W_SHIFT  4
#define W_DEPTH  4
#define W_LEVELS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define W_UNIT   1.0f
#include "kernels/x86/weights_nibbles_avx2_tmpl.h"

W_GEMV(iq3_s, x16, avxvnni, ROWS8_R16)

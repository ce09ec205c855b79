/*
 * MXFP4 for AVX2.
 */
#include "kernels/x86/weights_mxfp4_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(mxfp4, plain, ROWS8_PLAIN)
W_KERNELS(mxfp4, r16, ROWS8_R16)
W_KERNELS(mxfp4, 4x4, ROWS8_4X4)
W_KERNELS(mxfp4, 8x8, ROWS8_8X8)

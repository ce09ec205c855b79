/*
 * NVFP4 for AVX2.
 */
#include "kernels/x86/weights_nvfp4_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(nvfp4, plain, ROWS8_PLAIN)
W_KERNELS(nvfp4, r16, ROWS8_R16)

/*
 * GEMV of NVFP4 for AVX-VNNI.
 */
#define W_VNNI
#include "kernels/x86/weights_nvfp4_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(nvfp4, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(nvfp4, r16, avxvnni, ROWS8_R16)

/*
 * IQ4_NL for AVX2.
 */
#include "kernels/x86/weights_iq4_nl_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(iq4_nl, plain, ROWS8_PLAIN)
W_KERNELS(iq4_nl, r16, ROWS8_R16)
W_KERNELS(iq4_nl, 4x4, ROWS8_4X4)
W_KERNELS(iq4_nl, 8x8, ROWS8_8X8)

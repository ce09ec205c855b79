/*
 * IQ4_XS for AVX2.
 */
#include "kernels/x86/weights_iq4_xs_avx2.h"

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(iq4_xs, plain, ROWS8_PLAIN)
W_KERNELS(iq4_xs, r16, ROWS8_R16)

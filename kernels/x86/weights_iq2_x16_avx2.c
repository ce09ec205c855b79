/*
 * Panels of IQ2_XS and IQ2_S in x16: a scale for 16 weights, for AVX2.
 */
#define W_SUB 16
#include "kernels/x86/weights_iq2_x16_panel_avx2_tmpl.h"

W_PANEL(iq2, x16, avx2, ROWS8_R16)

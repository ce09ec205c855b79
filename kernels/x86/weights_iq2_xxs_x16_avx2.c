/*
 * Panels of IQ2_XXS in x16: a scale for 32 weights, which stands there twice, for AVX2.
 */
#define W_SUB 32
#include "kernels/x86/weights_iq2_x16_panel_avx2_tmpl.h"

W_PANEL(iq2_xxs, x16, avx2, ROWS8_R16)

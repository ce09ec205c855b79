/*
 * Panels of IQ2_XXS in x16: a scale for 32 weights, which stands there twice, for AVX512-VBMI.
 */
#include "kernels/x86/weights_iq2_x16_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_XXS
#define W_SUB    32
#define W_CUT    3
#include "kernels/x86/weights_x16_panel_avx512_tmpl.h"

W_PANEL(iq2_xxs, x16, avx512vbmi, ROWS16_R16)

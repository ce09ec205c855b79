/*
 * Panels of IQ1_M in x16, for AVX512-VBMI.
 */
#include "kernels/x86/weights_iq1_m_x16_avx512.h"

#define W_FORMAT QB_FORMAT_IQ1_M
#define W_SUB    16
#define W_CUT    0
#include "kernels/x86/weights_x16_panel_avx512_tmpl.h"

W_PANEL(iq1_m, x16, avx512vbmi, ROWS16_R16)

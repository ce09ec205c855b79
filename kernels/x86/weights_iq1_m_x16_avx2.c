/*
 * Panels of IQ1_M in x16, for AVX2.
 */
#include "kernels/x86/weights_iq1_m_x16_avx2.h"

#define W_SUB   16
#define W_SHIFT 4
#include "kernels/x86/weights_x16_panel_avx2_tmpl.h"

W_PANEL(iq1_m, x16, avx2, ROWS8_R16)

/*
 * GEMV of IQ1_S by gathers (gather_points_amx.h); panels are decoded as at the level below.
 */
#include "kernels/x86/codebook_levels.h"
#include "kernels/x86/scales_iq1_s_avx512.h"

#define W_POINTS qb_nibbles_iq1s
#define W_BITS   11
#define W_SUB    32

QB_INLINE __m512i block_total(__m512i sum, const struct scales *sc, const struct qb_act *a, int64_t b, int i,
                              int cols)
{
    return iq1_s_total(sum, sc, a->npair + b * 8 * cols, i, cols);
}

#include "kernels/x86/gemv_iq1_amx_tmpl.h"

W_GEMV(iq1_s, plain, amx, ROWS16_STRIDED)
W_GEMV(iq1_s, r16, amx, ROWS16_R16)

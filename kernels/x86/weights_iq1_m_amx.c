/*
 * GEMV of IQ1_M by gathers (gather_points_amx.h); panels are decoded as at the level below.
 */
#include "kernels/x86/codebook_levels.h"
#include "kernels/x86/scales_iq1_m_avx512.h"

#define W_POINTS qb_nibbles_iq1m
#define W_BITS   12
#define W_SUB    16

QB_INLINE __m512i block_total(__m512i sum, const struct scales *sc, const struct qb_act *a, int64_t b, int i,
                              int cols)
{
    __m512i n = planes_scaled_sums(sc->odd, 8, a->npair16 + b * 16 * cols, i, cols);
    __m512i nine = _mm512_add_epi32(_mm512_slli_epi32(n, 3), n); /* a value is 2 v - 9 eighths */
    return _mm512_add_epi32(_mm512_add_epi32(sum, sum), nine);
}

#include "kernels/x86/gemv_iq1_amx_tmpl.h"

W_GEMV(iq1_m, plain, amx, ROWS16_STRIDED)
W_GEMV(iq1_m, r16, amx, ROWS16_R16)

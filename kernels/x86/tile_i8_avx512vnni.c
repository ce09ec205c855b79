/*
 * Integer tile kernels for AVX512-VNNI: 32 panel rows (two vectors of 16) x up to 6 activation columns.
 * Registers: 12 integer and 12 float accumulators, two code vectors, one broadcast of 32. A seventh column
 * fits, but Zen 5 then reaches less of its dot products (docs/performance.md).
 */
#include "kernels/x86/simd_avx512.h"

#define TILE_GROUP(cols, sub) (cols)
#define QB_ISA_FN(name)       qb_##name##_avx512vnni

typedef __m512i vi;

INLINE vi vi_load(const void *p)
{
    return _mm512_load_si512(p);
}
INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE vi vi_sll(vi a, int n)
{
    return _mm512_slli_epi32(a, (unsigned)n);
}
INLINE vf vi_to_float(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
INLINE vi vi_dpbusd(vi sum, vi codes, vi x)
{
    return _mm512_dpbusd_epi32(sum, codes, x);
}
INLINE vi vi_dpwssd(vi sum, vi a, vi b)
{
    return _mm512_dpwssd_epi32(sum, a, b);
}

#include "kernels/x86/tile_vnni_tmpl.h"

#include "kernels/x86/tile_pairs_avx512_tmpl.h"

#include "kernels/x86/tile_fixed_avx512_tmpl.h"

/* Sub-block, offset shift, minima and cut of kernels/panel_forms.def. */
PAIRS_FN(pairs_s16_shift4, 16, 4, QB_MIN_NONE, 0)
PAIRS_FN(pairs_s16_shift5, 16, 5, QB_MIN_NONE, 1)
PAIRS_FN(pairs_s16_shift6, 16, 6, QB_MIN_NONE, 2)
PAIRS_FN(pairs_s32_shift4, 32, 4, QB_MIN_NONE, 1)
PAIRS_FN(pairs_s32_shift6, 32, 6, QB_MIN_NONE, 3)
PAIRS_FN(pairs_s32_shift7, 32, 7, QB_MIN_NONE, 4)
PAIRS_FN(pairs_m32_cut1, 32, QB_OFFSET_NONE, QB_MIN_I16, 1)
PAIRS_FN(pairs_m32_cut2, 32, QB_OFFSET_NONE, QB_MIN_I16, 2)

FIXED_FN(tile_s32_a32_wide_fixed, 7)
TILE_BY_PANEL(qb_tile_s32_a32_wide_avx512vnni, p->fixed ? tile_s32_a32_wide_fixed : WITH_STEPS(s32_a32_wide))

/* Without VBMI, decoders of AVX2 serve the codebook formats: float scales. */
#define PAIRS_OR(pairs, floats) (p->int_scales ? (pairs) : (floats))
TILE_BY_PANEL(qb_tile_s16_a256_avx512vnni, shift == 5   ? pairs_s16_shift5
                                           : shift == 6 ? PAIRS_OR(pairs_s16_shift6, tile_s16_a256_shift6)
                                                        : PAIRS_OR(pairs_s16_shift4, tile_s16_a256_shift4))
TILE_BY_PANEL(qb_tile_s32_a256_avx512vnni, shift == 4 ? PAIRS_OR(pairs_s32_shift4, tile_s32_a256_shift4)
                                                      : PAIRS_OR(pairs_s32_shift6, tile_s32_a256_shift6))
TILE_BY_PANEL(qb_tile_s32_a256_wide_avx512vnni, pairs_s32_shift7)
TILE_BY_PANEL(qb_tile_m32_a256_avx512vnni, p->cut == 1 ? pairs_m32_cut1 : pairs_m32_cut2)

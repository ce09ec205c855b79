/*
 * Integer tile kernels for AVX-VNNI: 2 vectors of 8 rows x 6 columns. 12 integer accumulators, two code
 * vectors and a broadcast fill the 16 registers; float accumulators are in L1, one load and store a fold.
 * Folds every 16 weights would do that too often: there, 3 columns at a time, all accumulators in registers.
 * (One vector x 6 columns would need 7 loads for 6 vpdpbusd; these need 8 for 12 and 5 for 6.)
 */
#include "kernels/x86/simd_avx2.h"

#define TILE_GROUP(cols, sub) ((sub) > 16 || (cols) <= 3 ? (cols) : ((cols) + 1) / 2)
#define QB_ISA_FN(name)       qb_##name##_avxvnni

typedef __m256i vi;

INLINE vi vi_load(const void *p)
{
    return _mm256_load_si256(p);
}
INLINE vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}
INLINE vi vi_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE vi vi_sll(vi a, int n)
{
    return _mm256_slli_epi32(a, n);
}
INLINE vf vi_to_float(vi a)
{
    return _mm256_cvtepi32_ps(a);
}
INLINE vi vi_dpbusd(vi sum, vi codes, vi x)
{
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
}
INLINE vi vi_dpwssd(vi sum, vi a, vi b)
{
    return _mm256_dpwssd_avx_epi32(sum, a, b);
}

#include "kernels/x86/tile_vnni_tmpl.h"

TILE_BY_PANEL(qb_tile_s32_a32_wide_avxvnni, WITH_STEPS(s32_a32_wide))

TILE_FLOATS(static, tile_s16_a256_shift5, 16, 256, 5, QB_MIN_NONE, false)
TILE_BY_PANEL(qb_tile_s16_a256_avxvnni, shift == 5   ? tile_s16_a256_shift5
                                        : shift == 6 ? tile_s16_a256_shift6
                                                     : tile_s16_a256_shift4)
TILE_BY_PANEL(qb_tile_s32_a256_avxvnni, shift == 4 ? tile_s32_a256_shift4 : tile_s32_a256_shift6)
TILE_FLOATS(, qb_tile_s32_a256_wide_avxvnni, 32, 256, 7, QB_MIN_NONE, false)
TILE_FLOATS(, qb_tile_m32_a256_avxvnni, 32, 256, QB_OFFSET_NONE, QB_MIN_I16, false)

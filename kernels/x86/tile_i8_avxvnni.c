/*
 * Integer tile kernels for AVX-VNNI: 2 vectors of 8 rows x 3 columns, twice for a tile of 6. Registers: 6
 * integer and 6 float accumulators, two code vectors, one broadcast of 16. Formats that fold once per 256 do
 * without the float ones and take all 6 columns together. One vector x 6 columns needs 7 loads for 6
 * vpdpbusd, this 5.
 */
#include "kernels/x86/simd_avx2.h"

#define TILE_COLS             6
#define TILE_GROUP(cols, sub) ((sub) == 256 || (cols) <= 3 ? (cols) : ((cols) + 1) / 2)
#define TILE_FN_NAME(name)    qb_tile_##name##_avxvnni

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

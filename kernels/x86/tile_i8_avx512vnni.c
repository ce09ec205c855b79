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

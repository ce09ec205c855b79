/*
 * Attention in 16-bit integers, AVX512-VNNI: tiles of 6 columns x 4 vectors of 16 (24 of 32 registers).
 */
#include "kernels/x86/attention_exp2_avx512.h"
#include "kernels/x86/simd_avx512.h"
#include "kernels/x86/simd_math_tmpl.h"

typedef __m512i vi;

INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
INLINE vi vi_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}
INLINE void vi_store(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, v);
}
/* The low halves, 16 bits each. Values fit. */
INLINE void vi_store_i16(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(v));
}
/* In assembly: from the intrinsic gcc 12 copies each accumulator to another register, and spills. */
INLINE vi vi_dot(vi acc, vi a, vi b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}
/* Low halves of lo, low halves of hi above them. */
INLINE vi vi_pair(vi lo, vi hi)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaau, lo, _mm512_slli_epi32(hi, 16));
}
INLINE vf vi_to_vf(vi v)
{
    return _mm512_cvtepi32_ps(v);
}
INLINE vi vf_to_vi(vf v)
{
    return _mm512_cvtps_epi32(v);
}
#define QB_ISA_FN(name) qb_##name##_avx512vnni
#define ATTN_VECS       4
#include "kernels/x86/attention_i16_tmpl.h"

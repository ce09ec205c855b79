/*
 * Vectors of 8 integers for attention_i16_tmpl.h, under AVX2 and AVX-VNNI.
 */
#ifndef QB_KERNELS_X86_ATTENTION_I16_AVX2_H
#define QB_KERNELS_X86_ATTENTION_I16_AVX2_H

#include "kernels/x86/attention_call.h"
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/simd_math_tmpl.h"

#include "kernels/x86/attention_exp2_tmpl.h"

typedef __m256i vi;

INLINE vi vi_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}
INLINE vi vi_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
INLINE void vi_store(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}
/* The low halves, 16 bits each. Values fit. */
INLINE void vi_store_i16(int32_t *p, vi v)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
/* Low halves of lo, low halves of hi above them. */
INLINE vi vi_pair(vi lo, vi hi)
{
    return _mm256_blend_epi16(lo, _mm256_slli_epi32(hi, 16), 0xaa);
}
INLINE vf vi_to_vf(vi v)
{
    return _mm256_cvtepi32_ps(v);
}
INLINE vi vf_to_vi(vf v)
{
    return _mm256_cvtps_epi32(v);
}
/* 2^x for x <= 0, from ATTN_EXP2_MIN down the power there. */
INLINE vf vf_exp2(vf x)
{
    x = vf_max(vf_set1(ATTN_EXP2_MIN), x);
    vf n = _mm256_floor_ps(x), p = vf_exp2_part(vf_sub(x, n));
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

#endif

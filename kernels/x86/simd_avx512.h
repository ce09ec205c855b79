/*
 * Vectors of 16 floats under the names that the *_tmpl.h files use: see simd_avx2.h for the same on 8. `_n`
 * variants touch only the first n (1..VF_N) elements in memory; the lanes behind are zero.
 */
#ifndef QB_KERNELS_SIMD_AVX512_H
#define QB_KERNELS_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef __m512 vf;
typedef __m512d vd;
#define VF_N 16

INLINE __mmask16 vf_mask(int n)
{
    return (__mmask16)((1u << n) - 1);
}
INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
INLINE vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE vf vf_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(vf_mask(n), p);
}
INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
INLINE void vf_store_n(float *p, vf v, int n)
{
    _mm512_mask_storeu_ps(p, vf_mask(n), v);
}
INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
INLINE vf vf_fmadd(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE vf vf_fnmadd(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* a * b - c in even lanes, a * b + c in odd ones. */
INLINE vf vf_fmaddsub(vf a, vf b, vf c)
{
    return _mm512_fmaddsub_ps(a, b, c);
}
/* The second operand wins when one is NaN. */
INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
INLINE vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
INLINE vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}
INLINE vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* The magnitude of a with the sign of s. */
INLINE vf vf_copysign(vf a, vf s)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(s), _mm512_castps_si512(a), 0xca));
}
/* x < 0 ? a : b */
INLINE vf vf_select_neg(vf x, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), b, a);
}
INLINE int vf_any_above(vf a, float x)
{
    return _mm512_cmp_ps_mask(a, _mm512_set1_ps(x), _CMP_GT_OQ) != 0;
}
/* a * 2^n for an integral n, correct to the subnormals and beyond. */
INLINE vf vf_ldexp(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}
INLINE float vf_first(vf a)
{
    return _mm512_cvtss_f32(a);
}
/* Eight lanes: the larger of lanes i and i + 8. */
INLINE __m256 vf_fold_max(vf a)
{
    return _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}
INLINE float vf_hmax(vf a)
{
    return _mm512_reduce_max_ps(a);
}
INLINE float vf_hsum(vf a)
{
    return _mm512_reduce_add_ps(a);
}
/* x1 x0 x3 x2 ...; x0 x0 x2 x2 ...; x1 x1 x3 x3 ... */
INLINE vf vf_swap_pairs(vf a)
{
    return _mm512_permute_ps(a, 0xb1);
}
INLINE vf vf_dup_even(vf a)
{
    return _mm512_moveldup_ps(a);
}
INLINE vf vf_dup_odd(vf a)
{
    return _mm512_movehdup_ps(a);
}
/* Elements 0, 2, 4 ... and 1, 3, 5 ... of a followed by b. */
INLINE void vf_unzip(vf a, vf b, vf *even, vf *odd)
{
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_or_si512(e, _mm512_set1_epi32(1)), b);
}

INLINE vf vf_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
INLINE vf vf_load_f16_n(const uint16_t *p, int n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vf_mask(n), p));
}
INLINE void vf_store_f16(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
INLINE void vf_store_f16_n(uint16_t *p, vf v, int n)
{
    _mm256_mask_storeu_epi16(p, vf_mask(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
INLINE vf vf_from_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
INLINE vf vf_load_bf16(const uint16_t *p)
{
    return vf_from_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
INLINE vf vf_load_bf16_n(const uint16_t *p, int n)
{
    return vf_from_bf16(_mm256_maskz_loadu_epi16(vf_mask(n), p));
}
/* VF_N pairs of bf16: the first and the second halves. */
INLINE void vf_load_bf16_pairs(const uint16_t *p, vf *first, vf *second)
{
    __m512i v = _mm512_loadu_si512(p);
    *first = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    *second = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000u)));
}
INLINE vf vf_load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
/* Integral values of at most 127. */
INLINE void vf_store_i8(int8_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
}

INLINE vd vd_zero(void)
{
    return _mm512_setzero_pd();
}
INLINE vd vd_lo(vf a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}
INLINE vd vd_hi(vf a)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}
INLINE vd vd_fmadd(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}
INLINE double vd_hsum(vd a)
{
    return _mm512_reduce_add_pd(a);
}

/* Transpose VF_N x VF_N 32-bit elements: first pairs of rows, then fours in 128-bit lanes, then the lanes. */
INLINE void vf_transpose(vf *r)
{
    vf t[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    /* r[4 a + b] holds column 4 l + b of rows 4 a .. 4 a + 3 in its lane l. */
    UNROLL
    for (int b = 0; b < 4; b++) {
        vf lo0 = _mm512_shuffle_f32x4(r[b], r[4 + b], 0x88), lo1 = _mm512_shuffle_f32x4(r[b], r[4 + b], 0xdd);
        vf hi0 = _mm512_shuffle_f32x4(r[8 + b], r[12 + b], 0x88),
           hi1 = _mm512_shuffle_f32x4(r[8 + b], r[12 + b], 0xdd);
        t[b] = _mm512_shuffle_f32x4(lo0, hi0, 0x88);
        t[8 + b] = _mm512_shuffle_f32x4(lo0, hi0, 0xdd);
        t[4 + b] = _mm512_shuffle_f32x4(lo1, hi1, 0x88);
        t[12 + b] = _mm512_shuffle_f32x4(lo1, hi1, 0xdd);
    }
    UNROLL
    for (int i = 0; i < 16; i++)
        r[i] = t[i];
}

#endif

/*
 * Vectors of 8 floats under the names that the *_tmpl.h files use: see simd_avx512.h for the same on 16. `_n`
 * variants touch only the first n (1..VF_N) elements in memory; the lanes behind are zero.
 */
#ifndef QB_KERNELS_SIMD_AVX2_H
#define QB_KERNELS_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef __m256 vf;
typedef __m256d vd;
#define VF_N 8

INLINE __m256i vf_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}
INLINE vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}
INLINE vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
INLINE vf vf_load_n(const float *p, int n)
{
    return _mm256_maskload_ps(p, vf_mask(n));
}
INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}
INLINE void vf_store_n(float *p, vf v, int n)
{
    _mm256_maskstore_ps(p, vf_mask(n), v);
}
INLINE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
INLINE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
INLINE vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
INLINE vf vf_fmadd(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE vf vf_fnmadd(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* a * b - c in even lanes, a * b + c in odd ones. */
INLINE vf vf_fmaddsub(vf a, vf b, vf c)
{
    return _mm256_fmaddsub_ps(a, b, c);
}
/* The second operand wins when one is NaN. */
INLINE vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
INLINE vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
INLINE vf vf_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
INLINE vf vf_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* The magnitude of a with the sign of s. */
INLINE vf vf_copysign(vf a, vf s)
{
    const vf sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_and_ps(sign, s), _mm256_andnot_ps(sign, a));
}
/* x < 0 ? a : b */
INLINE vf vf_select_neg(vf x, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
INLINE int vf_any_above(vf a, float x)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_set1_ps(x), _CMP_GT_OQ)) != 0;
}
/* a * 2^n for an integral n in [-252, 254]: two factors, so that neither overflows. */
INLINE vf vf_ldexp(vf a, vf n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1), rest = _mm256_sub_epi32(i, half);
    vf p = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vf q = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, p), q);
}
INLINE float vf_first(vf a)
{
    return _mm256_cvtss_f32(a);
}
INLINE __m256 vf_fold_max(vf a)
{
    return a;
}
INLINE float vf_hmax(vf a)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
INLINE float vf_hsum(vf a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* x1 x0 x3 x2 ...; x0 x0 x2 x2 ...; x1 x1 x3 x3 ... */
INLINE vf vf_swap_pairs(vf a)
{
    return _mm256_permute_ps(a, 0xb1);
}
INLINE vf vf_dup_even(vf a)
{
    return _mm256_moveldup_ps(a);
}
INLINE vf vf_dup_odd(vf a)
{
    return _mm256_movehdup_ps(a);
}
/* Elements 0, 2, 4 ... and 1, 3, 5 ... of a followed by b. */
INLINE void vf_unzip(vf a, vf b, vf *even, vf *odd)
{
    __m256d e = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    __m256d o = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(e, 0xd8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(o, 0xd8));
}

INLINE vf vf_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
INLINE vf vf_load_f16_n(const uint16_t *p, int n)
{
    uint16_t t[VF_N] = {0};
    memcpy(t, p, (size_t)n * sizeof *p);
    return vf_load_f16(t);
}
INLINE void vf_store_f16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
INLINE void vf_store_f16_n(uint16_t *p, vf v, int n)
{
    uint16_t t[VF_N];
    vf_store_f16(t, v);
    memcpy(p, t, (size_t)n * sizeof *p);
}
INLINE vf vf_load_bf16(const uint16_t *p)
{
    __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}
INLINE vf vf_load_bf16_n(const uint16_t *p, int n)
{
    uint16_t t[VF_N] = {0};
    memcpy(t, p, (size_t)n * sizeof *p);
    return vf_load_bf16(t);
}
/* VF_N pairs of bf16: the first and the second halves. */
INLINE void vf_load_bf16_pairs(const uint16_t *p, vf *first, vf *second)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    *first = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
    *second = _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000u)));
}
INLINE vf vf_load_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
/* Integral values of at most 127. */
INLINE void vf_store_i8(int8_t *p, vf v)
{
    __m256i i = _mm256_cvtps_epi32(v);
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(h, h));
}

INLINE vd vd_zero(void)
{
    return _mm256_setzero_pd();
}
INLINE vd vd_lo(vf a)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}
INLINE vd vd_hi(vf a)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}
INLINE vd vd_fmadd(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}
INLINE double vd_hsum(vd a)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

/* Transpose VF_N x VF_N 32-bit elements: pairs of rows, then fours in 128-bit lanes, then the lanes. */
INLINE void vf_transpose(vf *r)
{
    vf t[8];
    UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    UNROLL
    for (int b = 0; b < 4; b++) {
        vf lo = r[b], hi = r[4 + b];
        r[b] = _mm256_permute2f128_ps(lo, hi, 0x20);
        r[4 + b] = _mm256_permute2f128_ps(lo, hi, 0x31);
    }
}

#endif

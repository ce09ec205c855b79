/*
 * Plain rows of IQ3 for rows_few_avx512_tmpl.h: the 64 indices of a block are a vector, a dword is 16
 * weights. Plane p has the weights 4 i + p.
 */
#ifndef QB_KERNELS_X86_ROWS_IQ3_AVX512_H
#define QB_KERNELS_X86_ROWS_IQ3_AVX512_H

#include "kernels/x86/weights_planes_avx512.h"

#define W_ROWS 2

/* Activations by plane, and minus their sums over 32 in every second lane. */
struct rows_act {
    int8_t plane[4][64];
    int32_t nsum[16];
};

QB_INLINE void rows_act(const struct qb_act *a, int64_t b, struct rows_act *x)
{
    const __m512i by_plane =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i lanes = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    QB_UNROLL
    for (int i = 0; i < 4; i++) { /* 16 groups */
        __m512i q = _mm512_shuffle_epi8(_mm512_loadu_si512(a->q + b * 256 + 64 * i), by_plane);
        q = _mm512_permutexvar_epi32(lanes, q);
        _mm_store_si128((void *)(x->plane[0] + 16 * i), _mm512_castsi512_si128(q));
        _mm_store_si128((void *)(x->plane[1] + 16 * i), _mm512_extracti32x4_epi32(q, 1));
        _mm_store_si128((void *)(x->plane[2] + 16 * i), _mm512_extracti32x4_epi32(q, 2));
        _mm_store_si128((void *)(x->plane[3] + 16 * i), _mm512_extracti32x4_epi32(q, 3));
    }
    __m512i n = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)(a->nsum32 + b * 8)));
    _mm512_store_si512(x->nsum, n);
}

/* The bits of byte i that planes_codes_3 wants: the signs of weights 4 i + plane and the next. */
QB_INLINE __m512i rows_iq3_signs(__m512i signs, int plane)
{
    const __m512i step = _mm512_set1_epi64(0x1c1814100c080400);
    const __m512i from = _mm512_set1_epi8((char)((plane + 64 - QB_SIGN_IQ3_0) & 63));
    return _mm512_multishift_epi64_epi8(_mm512_add_epi8(step, from), signs);
}

/* Levels times activations; numbers: what the look-ups gave, signs: a bit a weight, table: the codes,
 * 2^shift +- level. */
QB_INLINE __m512i rows_iq3_dot(__m512i numbers0, __m512i numbers1, __m256i signs, int shift,
                               const uint8_t table[2][64], const struct rows_act *x)
{
    __m512i spread = _mm512_cvtepu32_epi64(signs), w[4];
    __m512i even = _mm512_slli_epi32(_mm512_load_si512(x->nsum), (unsigned)shift);
    __m512i odd = _mm512_setzero_si512();
    planes_codes_3(numbers0, rows_iq3_signs(spread, 0), table, w);
    planes_codes_3(numbers1, rows_iq3_signs(spread, 2), table, w + 2);
    QB_UNROLL
    for (int plane = 0; plane < 4; plane += 2) {
        even = _mm512_dpbusd_epi32(even, w[plane], _mm512_load_si512(x->plane[plane]));
        odd = _mm512_dpbusd_epi32(odd, w[plane + 1], _mm512_load_si512(x->plane[plane + 1]));
    }
    return _mm512_add_epi32(even, odd);
}

#endif

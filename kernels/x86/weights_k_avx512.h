/*
 * Header of a block of Q4_K and Q5_K in every layout: scale and minimum of the block, 6-bit scales and minima
 * of its eight sub-blocks.
 */
#ifndef QB_KERNELS_WEIGHTS_K_AVX512_H
#define QB_KERNELS_WEIGHTS_K_AVX512_H

#include "kernels/x86/weights_avx512.h"

/* The 96 bytes of 8 rows: dword w of the twelve bytes of each sub-block. */
QB_INLINE __m256i k_scales_dword(const uint8_t *p, int w)
{
    const __m512i every_third = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512i head = _mm512_loadu_si512(p);
    __m512i tail = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(p + 64)));
    __m512i index = _mm512_add_epi32(every_third, _mm512_set1_epi32(w));
    return _mm512_castsi512_si256(_mm512_permutex2var_epi32(head, index, tail));
}

/* 8x4, 8x8: dword w of the twelve bytes, lane = sub-block of the first group, then of the second. */
QB_INLINE __m512i k_scales_groups(const struct rows16 *s, int w)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(k_scales_dword(s->p[0] + 32, w)),
                              k_scales_dword(s->p[1] + 32, w), 1);
}

/* Bytes of rows 0 .. 3 and of rows 4 .. 7 of each group, lane = sub-block: sub-block i, a byte a row. */
QB_INLINE __m512i k_scales_of_sub(__m512i rows03, __m512i rows47, int i)
{
    const __m512i first = _mm512_setr_epi32(0, 16, 8, 24, 1, 17, 9, 25, 2, 18, 10, 26, 3, 19, 11, 27);
    __m512i index = _mm512_add_epi32(first, _mm512_set1_epi32(i / 4 * 4));
    __m512i subs = _mm512_permutex2var_epi32(rows03, index, rows47);
    switch (i % 4) { /* the lane must be a constant without optimization too */
    case 0:
        return _mm512_cvtepu8_epi32(_mm512_castsi512_si128(subs));
    case 1:
        return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(subs, 1));
    case 2:
        return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(subs, 2));
    default:
        return _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(subs, 3));
    }
}

/* 8x4, 8x8: the rows stand in the twelve bytes where the sub-blocks of one row stood. */
QB_INLINE void read_k_scales_groups(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    const __m512i six = _mm512_set1_epi8(0x3f), two = _mm512_set1_epi8(0x30);
    h->d = rows16_group_f16(s, 0, kind);
    h->min_scale = rows16_group_f16(s, 2, kind);
    __m512i v[3];
    QB_UNROLL
    for (int w = 0; w < 3; w++)
        v[w] = k_scales_groups(s, w);
    __m512i sc03 = _mm512_and_si512(v[0], six), mn03 = _mm512_and_si512(v[1], six);
    __m512i sc47 = _mm512_or_si512(low_nibbles(v[2]), _mm512_and_si512(_mm512_srli_epi16(v[0], 2), two));
    __m512i mn47 = _mm512_or_si512(high_nibbles(v[2]), _mm512_and_si512(_mm512_srli_epi16(v[1], 2), two));
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m512i sc = k_scales_of_sub(sc03, sc47, i), mn = k_scales_of_sub(mn03, mn47, i);
        h->scale[i] = _mm512_cvtepi32_ps(sc);
        h->scale_pair[i / 2] = i % 2 == 0 ? sc : pack_pair(h->scale_pair[i / 2], sc);
        h->min_pair[i / 2] = i % 2 == 0 ? mn : pack_pair(h->min_pair[i / 2], mn);
    }
}

QB_INLINE void read_k_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    if (rows16_is_reordered(kind))
        read_k_scales_groups(s, kind, h);
    else
        read_k_scales(s, kind, h);
}

#endif

/*
 * Header of a block of Q4_K and Q5_K in every layout: scale and minimum of the block, 6-bit scales and minima
 * of its eight sub-blocks.
 */
#ifndef QB_KERNELS_WEIGHTS_K_AVX2_H
#define QB_KERNELS_WEIGHTS_K_AVX2_H

#include "kernels/x86/weights_avx2.h"

/* 8x4, 8x8: dwords 0, 1 and 2 of the twelve bytes of every sub-block, lane = sub-block. */
QB_INLINE void k_scales_groups(const uint8_t *p, __m256i v[3])
{
    __m256i a = _mm256_loadu_si256((const void *)p), b = _mm256_loadu_si256((const void *)(p + 32));
    __m256i c = _mm256_loadu_si256((const void *)(p + 64));
    v[0] = _mm256_blend_epi32(_mm256_blend_epi32(a, b, 0x92), c, 0x24);
    v[1] = _mm256_blend_epi32(_mm256_blend_epi32(a, b, 0x24), c, 0x49);
    v[2] = _mm256_blend_epi32(_mm256_blend_epi32(a, b, 0x49), c, 0x92);
    v[0] = _mm256_permutevar8x32_epi32(v[0], _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
    v[1] = _mm256_permutevar8x32_epi32(v[1], _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6));
    v[2] = _mm256_permutevar8x32_epi32(v[2], _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7));
}

/* Bytes of rows 0 .. 3 and of rows 4 .. 7, lane = sub-block: sub-blocks 2i and 2i + 1, 8 rows each. */
QB_INLINE __m128i k_scales_pair(__m256i rows03, __m256i rows47, int i)
{
    __m256i v = i % 2 == 0 ? _mm256_unpacklo_epi32(rows03, rows47) : _mm256_unpackhi_epi32(rows03, rows47);
    return i < 2 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
}

/* 8x4, 8x8: the rows stand in the twelve bytes where the sub-blocks of one row stood. */
QB_INLINE void read_k_scales_groups(struct block8 b, struct header8 h)
{
    const __m256i six = _mm256_set1_epi8(0x3f), two = _mm256_set1_epi8(0x30);
    __m256 d = block8_f16(b, 0);
    _mm256_storeu_ps(h.min_scale, block8_f16(b, 2));
    __m256i v[3];
    k_scales_groups(b.u16 + 8 * 4, v);
    __m256i sc03 = _mm256_and_si256(v[0], six), mn03 = _mm256_and_si256(v[1], six);
    __m256i sc47 = _mm256_or_si256(low_nibbles(v[2]), _mm256_and_si256(_mm256_srli_epi16(v[0], 2), two));
    __m256i mn47 = _mm256_or_si256(high_nibbles(v[2]), _mm256_and_si256(_mm256_srli_epi16(v[1], 2), two));
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m128i sc = k_scales_pair(sc03, sc47, i), mn = k_scales_pair(mn03, mn47, i);
        __m128i odd = _mm_unpackhi_epi64(sc, sc);
        __m256 even_f = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(sc));
        __m256 odd_f = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(odd));
        _mm256_storeu_ps(h.scale + 2 * i * h.rows, _mm256_mul_ps(d, even_f));
        _mm256_storeu_ps(h.scale + (2 * i + 1) * h.rows, _mm256_mul_ps(d, odd_f));
        __m128i pairs = _mm_unpacklo_epi8(mn, _mm_unpackhi_epi64(mn, mn));
        _mm256_storeu_si256((void *)(h.min_pair + 2 * i * h.rows), _mm256_cvtepu8_epi16(pairs));
    }
}

QB_INLINE void read_k_header(struct block8 b, struct header8 h)
{
    if (block8_is_group(b))
        read_k_scales_groups(b, h);
    else
        read_k_scales(b, h);
}

#endif

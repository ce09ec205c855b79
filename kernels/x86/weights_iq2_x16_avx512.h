/*
 * IQ2_XXS, IQ2_XS and IQ2_S in x16 (expanded form SIGNED, kernels/expansion.h), for AVX512: f16 d, 16 nibbles
 * of scales, planes of two bits, signs.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ2_X16_AVX512_H
#define QB_KERNELS_WEIGHTS_IQ2_X16_AVX512_H

#include "kernels/x86/weights_avx512.h"

#define W_ISA   avx512vbmi
#define W_ELEMS 256
#define W_BYTES 106
#define W_MIN   QB_MIN_NONE
#define W_SHIFT 6

/* d / 8, and the odd scales of 16s 2 i and 2 i + 1, int16. */
QB_INLINE __m512 read_scales(const struct rows16 *s, __m512i pair[8])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i v = _mm512_loadu_si512(s->p[0] + 16 * (2 + i / 2 * 4));
        v = i % 2 ? high_nibbles(v) : low_nibbles(v);
        v = _mm512_or_si512(_mm512_add_epi8(v, v), _mm512_set1_epi8(1));
        pair[2 * i] = byte_pair(v, 0);
        pair[2 * i + 1] = byte_pair(v, 1);
    }
    __m512 d = _mm512_cvtph_ps(_mm256_loadu_si256((const void *)s->p[0]));
    return _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
}

/* The bits of a that `mask` has, the others of b. */
QB_INLINE __m512i select_bits(__m512i mask, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* Weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes w[plane]. Of an index vpermb takes six
 * bits: two of the level, the sign, and three of others, for which the table repeats. */
QB_INLINE void plane_codes(const struct rows16 *s, int h, int i, __m512i w[4])
{
    const __m512i codes = _mm512_set1_epi64(0x00152738006b5948ll /* 64 - level, 64 + level */);
    const __m512i two = _mm512_set1_epi8(0x33);
    __m512i q = _mm512_loadu_si512(s->p[0] + 16 * (10 + 32 * h + 4 * i));
    __m512i signs = _mm512_loadu_si512(s->p[0] + 16 * (74 + 4 * i));
    __m512i even = select_bits(two, q, h ? _mm512_slli_epi16(signs, 2) : signs);
    __m512i odd = select_bits(two, _mm512_srli_epi16(q, 2),
                              h ? _mm512_slli_epi16(signs, 1) : _mm512_srli_epi16(signs, 1));
    w[0] = _mm512_permutexvar_epi8(even, codes);
    w[1] = _mm512_permutexvar_epi8(odd, codes);
    w[2] = _mm512_permutexvar_epi8(_mm512_srli_epi16(even, 4), codes);
    w[3] = _mm512_permutexvar_epi8(_mm512_srli_epi16(odd, 4), codes);
}

#endif

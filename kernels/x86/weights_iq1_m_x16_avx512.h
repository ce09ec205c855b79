/*
 * IQ1_M in x16 (expanded form TERNARY_16, kernels/expansion.h), for AVX512: f16 d, moves, 16 nibbles of
 * scales, planes of two bits.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX512_H
#define QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX512_H

#include "kernels/x86/weights_avx512.h"

#define W_ISA   avx512vbmi
#define W_ELEMS 256
#define W_BYTES 76
#define W_MIN   QB_MIN_NONE
#define W_SHIFT 4

/* d / 8, and the odd scales of 16s 2 i and 2 i + 1, int16. */
QB_INLINE __m512 read_scales(const struct rows16 *s, __m512i pair[8])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i v = _mm512_loadu_si512(s->p[0] + 16 * (4 + i / 2 * 4));
        v = i % 2 ? _mm512_srli_epi16(v, 3) : _mm512_add_epi8(v, v);
        v = _mm512_ternarylogic_epi32(v, _mm512_set1_epi8(14), _mm512_set1_epi8(1), 0xea); /* (a & b) | c */
        pair[2 * i] = byte_pair(v, 0);
        pair[2 * i + 1] = byte_pair(v, 1);
    }
    return _mm512_mul_ps(rows16_f16_low(_mm512_loadu_si512(s->p[0])), _mm512_set1_ps(0.125f));
}

/* Rows whose 8 weights number `half` of 16s number `run` are moved up. */
QB_INLINE __mmask16 moved_up(const struct rows16 *s, int run, int half)
{
    if (half)
        return _mm512_test_epi32_mask(_mm512_loadu_si512(s->p[0]), _mm512_set1_epi32((int)(0x10000u << run)));
    return _mm512_test_epi32_mask(_mm512_loadu_si512(s->p[0] + 16 * (4 + run / 8 * 4)),
                                  _mm512_set1_epi32((int)(8u << (run % 4 * 8 + run / 4 % 2 * 4))));
}

/* Weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes w[plane]. Of an index vpermb takes six
 * bits, of which only two mean something here: the table repeats. */
QB_INLINE void plane_codes(const struct rows16 *s, int h, int i, __m512i w[4])
{
    const __m512i codes = _mm512_set1_epi32(0x00170f07); /* 16 + 8 (level - 1) - 1 */
    __m512i q = _mm512_loadu_si512(s->p[0] + 16 * (12 + 32 * h + 4 * i));
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        const int run = 4 * j + 2 * h + i / 4;
        __m512i code = _mm512_permutexvar_epi8(j ? _mm512_srli_epi16(q, 2 * j) : q, codes);
        w[j] = _mm512_mask_add_epi32(code, moved_up(s, run, i / 2 % 2), code, _mm512_set1_epi8(2));
    }
}

#endif

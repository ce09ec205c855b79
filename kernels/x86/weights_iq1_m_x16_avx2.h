/*
 * IQ1_M in x16 (expanded form TERNARY_16, kernels/expansion.h) on vectors of 8 rows: f16 d, moves, 16 nibbles
 * of scales, planes of two bits.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 76
#define W_X16
#define W_RUN   16
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 4

QB_INLINE __m256 read_unit(struct block8 b)
{
    __m256 d, moves;
    block8_f16_pair(block8_dwords(b, 0), &d, &moves);
    return _mm256_mul_ps(d, _mm256_set1_ps(0.125f));
}

/* The odd scales of 16s 4 i .. 4 i + 3, in bytes. */
QB_INLINE __m256i odd_scales(struct block8 b, int i)
{
    __m256i v = _mm256_srli_epi16(block8_dwords(b, 4 + i / 2 * 4), i % 2 * 4);
    v = _mm256_and_si256(_mm256_add_epi8(v, v), _mm256_set1_epi8(14));
    return _mm256_or_si256(v, _mm256_set1_epi8(1));
}

/* 4 in all bytes of the rows whose 8 weights number `half` of 16s 4 j + c are moved up. */
QB_INLINE __m256i moved_up(struct block8 b, int j, int c, int half)
{
    __m256i first = _mm256_slli_epi32(block8_dwords(b, 4 + j / 2 * 4), 28 - j % 2 * 4 - 8 * c);
    __m256i second = _mm256_slli_epi32(block8_dwords(b, 0), 15 - 4 * j - c);
    return _mm256_and_si256(_mm256_srai_epi32(half ? second : first, 31), _mm256_set1_epi8(4));
}

/* Weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes w[plane]. */
QB_INLINE void plane_codes(struct block8 b, int h, int i, __m256i w[4])
{
    const __m256i codes = _mm256_set1_epi64x(0x0019110900170f07ll); /* 16 + 8 (level - 1) - 1, + 1 */
    __m256i q = block8_dwords(b, 12 + 32 * h + 4 * i);
    QB_UNROLL
    for (int j = 0; j < 4; j++)
        w[j] = _mm256_shuffle_epi8(codes,
                                   _mm256_or_si256(two_bits(q, j), moved_up(b, j, 2 * h + i / 4, i / 2 % 2)));
}

#endif

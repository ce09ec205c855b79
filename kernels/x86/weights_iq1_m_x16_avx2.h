/*
 * IQ1_M in x16 (expanded form TERNARY_16, kernels/expansion.h) on vectors of 8 rows: f16 d, a dword of moves,
 * 16 nibbles of odd scales, planes of two bits.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ1_M_X16_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 78
#define W_X16
#define W_SHIFT 4
#define W_RUN   16
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 4

QB_INLINE __m256 read_unit(struct block8 b)
{
    return _mm256_mul_ps(block8_f16(b, 0), _mm256_set1_ps(0.125f));
}

/* The odd scales of 16s 4 j .. 4 j + 3, in bytes. */
QB_INLINE __m256i odd_scales(struct block8 b, int j)
{
    __m256i v = block8_dwords(b, 6 + j / 2 * 4);
    return j % 2 ? high_nibbles(v) : low_nibbles(v);
}

/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

/* 4 in all bytes of the rows whose 8 weights number `half` of 16s number s are moved down. */
QB_INLINE __m256i moved_down(struct block8 b, int s, int half)
{
    __m256i v = _mm256_sll_epi32(block8_dwords(b, 2), _mm_cvtsi32_si128(31 - 16 * half - s));
    return _mm256_and_si256(_mm256_srai_epi32(v, 31), _mm256_set1_epi8(4));
}

/* A panel's codes of weights 4 i .. 4 i + 3 in plane j of chunk c. */
QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    const __m256i codes = _mm256_set1_epi64x(0x00170f0700191109ll); /* 16 + 8 (level - 1) + 1, - 1 */
    __m256i level = two_bits(block8_dwords(b, 14 + 16 * c + 4 * i), j);
    return _mm256_shuffle_epi8(codes, _mm256_or_si256(level, moved_down(b, chunk_sub(c, j), i / 2)));
}

#endif

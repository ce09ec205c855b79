/*
 * IQ2_XXS, IQ2_XS and IQ2_S in x16 (expanded form SIGNED, kernels/expansion.h) on vectors of 8 rows: f16 d,
 * 16 nibbles of scales, planes of two bits, signs.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ2_X16_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ2_X16_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 106
#define W_X16
#define W_RUN   16
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 1

QB_INLINE __m256 read_unit(struct block8 b)
{
    return _mm256_mul_ps(block8_f16(b, 0), _mm256_set1_ps(0.125f));
}

/* The odd scales of 16s 4 i .. 4 i + 3, in bytes. */
QB_INLINE __m256i odd_scales(struct block8 b, int i)
{
    __m256i v = low_nibbles(_mm256_srli_epi16(block8_dwords(b, 2 + i / 2 * 4), i % 2 * 4));
    return _mm256_or_si256(_mm256_add_epi8(v, v), _mm256_set1_epi8(1));
}

/* Weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes w[plane]. */
QB_INLINE void plane_codes(struct block8 b, int h, int i, __m256i w[4])
{
    const __m256i codes = _mm256_set1_epi64x(0x00152738006b5948ll); /* 64 - level, 64 + level */
    const __m256i two = _mm256_set1_epi8(0x33), sign = _mm256_set1_epi8(0x44);
    __m256i q = block8_dwords(b, 10 + 32 * h + 4 * i);
    __m256i signs = _mm256_slli_epi16(block8_dwords(b, 74 + 4 * i), 2 * h);
    QB_UNROLL
    for (int j = 0; j < 2; j++) { /* planes j and j + 2: in the lower and upper half of each byte */
        __m256i index = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(q, 2 * j), two),
                                        _mm256_and_si256(_mm256_srli_epi16(signs, j), sign));
        w[j] = _mm256_shuffle_epi8(codes, index);
        w[j + 2] = _mm256_shuffle_epi8(codes, _mm256_srli_epi16(index, 4));
    }
}

#endif

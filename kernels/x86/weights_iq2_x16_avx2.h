/*
 * IQ2_XXS, IQ2_XS and IQ2_S in x16 (expanded form SIGNED, kernels/expansion.h) on vectors of 8 rows: f16 d,
 * 16 nibbles of scales, three dwords for every 32 weights.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ2_X16_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ2_X16_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 106
#define W_X16
#define W_SHIFT 6
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 32
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

/* Weights 8 g .. 8 g + 7 of 32s number k, three bits each: the first four in the lower nibbles. */
QB_INLINE __m256i three_bits(struct block8 b, int k, int g)
{
    const int o = 10 + 12 * k;
    if (g < 3)
        return _mm256_and_si256(block8_dwords(b, o + 4 * g), _mm256_set1_epi8(0x77));
    __m256i bit0 = _mm256_srli_epi16(block8_dwords(b, o), 3);
    __m256i bit1 = _mm256_srli_epi16(block8_dwords(b, o + 4), 2);
    __m256i bit2 = _mm256_srli_epi16(block8_dwords(b, o + 8), 1);
    __m256i low = _mm256_or_si256(_mm256_and_si256(bit0, _mm256_set1_epi8(0x11)),
                                  _mm256_and_si256(bit1, _mm256_set1_epi8(0x22)));
    return _mm256_or_si256(low, _mm256_and_si256(bit2, _mm256_set1_epi8(0x44)));
}

/* Codes of the first or second four; vpshufb takes the lower nibble of a byte, the upper one is below 8. */
QB_INLINE __m256i four_codes(__m256i bits, int half)
{
    const __m256i codes = _mm256_set1_epi64x(0x00152738006b5948ll); /* 64 - level, 64 + level */
    return _mm256_shuffle_epi8(codes, half ? _mm256_srli_epi16(bits, 4) : bits);
}

/* Weights 4 i .. 4 i + 3 of the j-th run of 32s number c. */
QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    const int at = 4 * j + i; /* runs of 16, or one of 32 */
    return four_codes(three_bits(b, c, at / 2), at % 2);
}

#endif

/*
 * Sums of 8 activations: what IQ1_M's moves are multiplied with.
 */
#ifndef QB_KERNELS_SUMS_OF_8_AVX2_H
#define QB_KERNELS_SUMS_OF_8_AVX2_H

#include "kernels/act.h"
#include "kernels/simd.h"
#include <immintrin.h>
#include <string.h>

/* Those of 16 weights as a pair of int16, for each 16 of a block and each column. */
struct sums_of_8 {
    int32_t pair[16 * QB_GEMV_MAX_COLS];
};

/* Where 16s number s of column i are: the order that packing by lanes gives. */
QB_INLINE int sums_of_8_at(int s, int i, int cols)
{
    return (s / 8 * 8 + s % 2 * 4 + s % 8 / 2) * cols + i;
}

/* Sums of four bytes each. */
QB_INLINE __m256i sums_of_4(const int8_t *q)
{
    __m256i v = _mm256_maddubs_epi16(_mm256_set1_epi8(1), _mm256_loadu_si256((const void *)q));
    return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* The sums of a block with activations q, one column. */
QB_INLINE void sums_of_8_column(const int8_t *q, struct sums_of_8 *sums)
{
    const __m256i ones = _mm256_set1_epi16(1);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __m256i two[2];
        QB_UNROLL
        for (int i = 0; i < 2; i++) {
            const int8_t *at = q + 128 * h + 64 * i;
            two[i] = _mm256_madd_epi16(_mm256_packs_epi32(sums_of_4(at), sums_of_4(at + 32)), ones);
        }
        _mm256_storeu_si256((void *)(sums->pair + 8 * h), _mm256_packs_epi32(two[0], two[1]));
    }
}

/* The same for columns side by side. */
QB_INLINE void sums_of_8_columns(const int8_t *q, int cols, struct sums_of_8 *sums)
{
    int32_t four[64 * QB_GEMV_MAX_COLS];
    for (int i = 0; i < 64 * cols; i += 8)
        _mm256_storeu_si256((void *)(four + i), sums_of_4(q + 4 * i));
    for (int s = 0; s < 16; s++)
        for (int i = 0; i < cols; i++) {
            const int32_t *x = four + 4 * s * cols + i;
            int first = x[0] + x[cols], second = x[2 * cols] + x[3 * cols];
            sums->pair[sums_of_8_at(s, i, cols)] = (int32_t)((uint32_t)second << 16 | (uint16_t)first);
        }
}

QB_INLINE void sums_of_8_block(const int8_t *q, int cols, struct sums_of_8 *sums)
{
    if (cols == 1)
        sums_of_8_column(q, sums);
    else
        sums_of_8_columns(q, cols, sums);
}

#endif

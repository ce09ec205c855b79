/*
 * NVFP4 on vectors of 8 rows: four E4M3 scales, each for 8 bytes of nibbles that choose one of 16 levels.
 */
#ifndef QB_KERNELS_WEIGHTS_NVFP4_AVX2_H
#define QB_KERNELS_WEIGHTS_NVFP4_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 64
#define W_BYTES 36
#define W_SUB   16
#define W_SHIFT 4
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 32
#define W_DEPTH 4

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    rows8_image_4(p, at, 0, image);
    rows8_image_16(p, at, 4, image);
    rows8_image_16(p, at, 20, image);
}

/* An E4M3 number is an f16 with its exponent at the lower end: 256 times too small, and 128 times here
 * because the scale is half of it. Byte 0x7f is 0. */
QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    const __m256i bits = _mm256_set1_epi16(0x3f80);
    const __m256 unit = _mm256_set1_ps(128.0f);
    __m256i v = block8_dwords(b, 0),
            e4m3 = _mm256_andnot_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f)), v);
    __m256 scale[4];
    block8_f16_pair(_mm256_and_si256(_mm256_slli_epi16(e4m3, 7), bits), &scale[0], &scale[2]);
    block8_f16_pair(_mm256_and_si256(_mm256_srli_epi16(e4m3, 1), bits), &scale[1], &scale[3]);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        _mm256_storeu_ps(h.scale + i * h.rows, _mm256_mul_ps(scale[i], unit));
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    __m256i v = block8_dwords(b, 4 + 16 * c + 8 * j + 4 * (i % 2));
    return fp4_codes(i < 2 ? low_nibbles(v) : high_nibbles(v));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#endif

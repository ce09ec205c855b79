/*
 * Q6_K on vectors of 8 rows: 128 bytes of low nibbles, 64 of high bit pairs, 16 scales, f16 d. Half h of the
 * block has four planes of 32 weights; chunk c takes the same 16 of all planes: sub-blocks 8 (c / 2) + 2 j +
 * c % 2.
 */
#ifndef QB_KERNELS_WEIGHTS_Q6_K_AVX2_H
#define QB_KERNELS_WEIGHTS_Q6_K_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS  256
#define W_BYTES  210
#define W_SUB    16
#define W_SHIFT  5
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  64
#define W_DEPTH  2
#define W_QUANTS .at = 0, .bytes = 192, .shift = 18 /* behind scale and scales */

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 208; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_2(p, at, 208, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d = block8_f16(b, block8_is_group(b) ? 0 : 208);
    QB_UNROLL
    for (int s = 0; s < 16; s++) {
        __m256i v;
        if (block8_is_group(b)) { /* a byte of every row */
            v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(b.u16 + 8 * (2 + s))));
        } else {
            v = block8_dwords(b, 192 + s / 4 * 4);
            v = _mm256_srai_epi32(s % 4 == 3 ? v : _mm256_slli_epi32(v, 24 - 8 * (s % 4)), 24);
        }
        _mm256_storeu_ps(h.scale + s * h.rows, _mm256_mul_ps(d, _mm256_cvtepi32_ps(v)));
    }
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    const int half = c / 2, at = 16 * (c % 2) + 4 * i;
    __m256i v = block8_dwords(b, 64 * half + 32 * (j % 2) + at),
            bits = block8_dwords(b, 128 + 32 * half + at);
    if (j < 2)
        bits = _mm256_slli_epi16(bits, 4 - 2 * (j & 1));
    else if (j == 3)
        bits = _mm256_srli_epi16(bits, 2);
    return _mm256_or_si256(j < 2 ? low_nibbles(v) : high_nibbles(v),
                           _mm256_and_si256(bits, _mm256_set1_epi8(0x30)));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 8 * (c / 2) + 2 * j + c % 2;
}

#endif

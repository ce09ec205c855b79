/*
 * MXFP4 on vectors of 8 rows: a byte of exponent, 16 bytes of nibbles that choose one of 16 levels.
 */
#ifndef QB_KERNELS_WEIGHTS_MXFP4_AVX2_H
#define QB_KERNELS_WEIGHTS_MXFP4_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS  32
#define W_BYTES  17
#define W_SUB    32
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32
#define W_DEPTH  4
#define W_QUANTS .at = 1, .bytes = 16

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    rows8_image_1(p, at, 0, image);
    rows8_image_16(p, at, 1, image);
}

/* 2^(e - 128): the bits of the exponent, or of the subnormal numbers 2^-128 and 2^-127. */
QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256i e = block8_first_bytes(b), one = _mm256_set1_epi32(1);
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, one), 23);
    __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i bits = _mm256_blendv_epi8(subnormal, normal, _mm256_cmpgt_epi32(e, one));
    _mm256_storeu_ps(h.scale, _mm256_castsi256_ps(bits));
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)c;
    (void)j;
    return fp4_codes(block_nibbles(b, 1, i));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#endif

/*
 * Q5_1 on vectors of 8 rows: f16 d and m, 32 fifth bits, 16 bytes of nibbles.
 */
#ifndef QB_KERNELS_WEIGHTS_Q5_1_AVX2_H
#define QB_KERNELS_WEIGHTS_Q5_1_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 32
#define W_BYTES 24
#define W_SUB   32
#define W_SHIFT QB_OFFSET_NONE
#define W_MIN   QB_MIN_F32
#define W_CHUNK 32
#define W_DEPTH 4

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    rows8_image_4(p, at, 0, image);
    rows8_image_4(p, at, 4, image);
    rows8_image_16(p, at, 8, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_scale_min(b, 0, h);
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)c;
    (void)j;
    return _mm256_or_si256(block_nibbles(b, 8, i), fifth_bits(b, 4, i));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#endif

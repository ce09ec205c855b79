/*
 * IQ4_NL on vectors of 8 rows: f16 d, 16 bytes of nibbles that index 16 levels.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ4_NL_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ4_NL_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS     32
#define W_BYTES     18
#define W_SUB       32
#define W_SHIFT     7
#define W_MIN       QB_MIN_NONE
#define W_CHUNK     32
#define W_DEPTH     0
#define W_NEGATABLE 1
#define W_QUANTS    .at = 2, .bytes = 16

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    rows8_image_2(p, at, 0, image);
    rows8_image_16(p, at, 2, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_scale_f16(b, 0, h);
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)c;
    (void)j;
    return iq4_levels(block_nibbles(b, 2, i));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#endif

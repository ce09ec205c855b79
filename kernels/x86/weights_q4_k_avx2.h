/*
 * Q4_K on vectors of 8 rows: 16 bytes of scales and minima, then two sub-blocks of 32 in every 32 bytes: low
 * nibbles, high nibbles.
 */
#ifndef QB_KERNELS_WEIGHTS_Q4_K_AVX2_H
#define QB_KERNELS_WEIGHTS_Q4_K_AVX2_H

#include "kernels/x86/weights_k_avx2.h"

#define W_ELEMS  256
#define W_BYTES  144
#define W_SUB    32
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_I16
#define W_CHUNK  64
#define W_DEPTH  8
#define W_QUANTS .at = 16, .bytes = 128

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < W_BYTES; o += 16)
        rows8_image_16(p, at, o, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_k_header(b, h);
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    __m256i v = block8_dwords(b, 16 + 32 * c + 4 * i);
    return j == 0 ? low_nibbles(v) : high_nibbles(v);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#endif

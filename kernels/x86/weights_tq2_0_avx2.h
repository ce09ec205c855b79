/*
 * TQ2_0 on vectors of 8 rows: 64 bytes of two-bit planes, f16 d; weight = d * (code - 1). The int16 sums of a
 * chunk fit.
 */
#ifndef QB_KERNELS_WEIGHTS_TQ2_0_AVX2_H
#define QB_KERNELS_WEIGHTS_TQ2_0_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 66
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT 0
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 16

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 64; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_2(p, at, 64, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_scale_f16(b, 64, h);
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    return two_bits(block8_dwords(b, 16 * c + 4 * i), j);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

#endif

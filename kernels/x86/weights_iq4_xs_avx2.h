/*
 * IQ4_XS on vectors of 8 rows: f16 d, the high and low bits of eight 6-bit scales, then 16 bytes of nibbles
 * for every 32 weights.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ4_XS_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ4_XS_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS     256
#define W_BYTES     136
#define W_SUB       32
#define W_SHIFT     7
#define W_MIN       QB_MIN_NONE
#define W_CHUNK     32
#define W_DEPTH     0
#define W_NEGATABLE 1

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o + 16 <= W_BYTES; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_16(p, at, W_BYTES - 16, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d, unused;
    __m256i high = block8_dwords(b, 0), low = block8_dwords(b, 4);
    block8_f16_pair(high, &d, &unused);
    QB_UNROLL
    for (int s = 0; s < 8; s++) {
        __m256i l = _mm256_and_si256(_mm256_srli_epi32(low, 4 * s), _mm256_set1_epi32(15));
        __m256i u = _mm256_and_si256(_mm256_srli_epi32(high, 12 + 2 * s), _mm256_set1_epi32(0x30));
        __m256i v = _mm256_sub_epi32(_mm256_or_si256(l, u), _mm256_set1_epi32(32));
        _mm256_storeu_ps(h.scale + s * h.rows, _mm256_mul_ps(d, _mm256_cvtepi32_ps(v)));
    }
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)j;
    return iq4_levels(block_nibbles(b, 8 + 16 * c, i));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#endif

/*
 * Q5_K on vectors of 8 rows: as Q4_K, with a fifth bit: bit k of byte l belongs to weight l of sub-block k.
 */
#ifndef QB_KERNELS_WEIGHTS_Q5_K_AVX2_H
#define QB_KERNELS_WEIGHTS_Q5_K_AVX2_H

#include "kernels/x86/weights_k_avx2.h"

#define W_ELEMS  256
#define W_BYTES  176
#define W_SUB    32
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_I16
#define W_CHUNK  64
#define W_DEPTH  4
#define W_QUANTS .at = 16, .bytes = 160

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
    __m256i v = block8_dwords(b, 48 + 32 * c + 4 * i);
    /* the chunk's two bits down to bits 0 and 1: c is not constant, so the first shift takes a register */
    __m256i bits = _mm256_srl_epi16(block8_dwords(b, 16 + 4 * i), _mm_cvtsi32_si128(2 * c));
    bits = j == 0 ? _mm256_slli_epi16(bits, 4) : _mm256_slli_epi16(bits, 3);
    return _mm256_or_si256(j == 0 ? low_nibbles(v) : high_nibbles(v),
                           _mm256_and_si256(bits, _mm256_set1_epi8(16)));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#endif

/*
 * TQ1_0 on vectors of 8 rows: 48 bytes of five base-3 digits, 4 bytes of four, f16 d; weight = d * (digit -
 * 1). The digit is the top of three times the byte; the next one follows from the byte times 3, modulo 256.
 */
#ifndef QB_KERNELS_WEIGHTS_TQ1_0_AVX2_H
#define QB_KERNELS_WEIGHTS_TQ1_0_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 54
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT 0
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 256
#define W_DEPTH 16

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 48; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_4(p, at, 48, image);
    rows8_image_2(p, at, 52, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_scale_f16(b, 52, h);
}

/* Bytes less 128: comparisons are signed, and tripling modulo 256 commutes with the change. */
QB_INLINE __m256i read_bytes(struct block8 b, int o)
{
    return _mm256_xor_si256(block8_dwords(b, o), _mm256_set1_epi8((char)0x80));
}

QB_INLINE __m256i times3(__m256i v)
{
    return _mm256_add_epi8(v, _mm256_add_epi8(v, v));
}

/* 0, 1, 2 for bytes from 0, 86, 171 on. */
QB_INLINE __m256i top_digit(__m256i v)
{
    __m256i one = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(85 - 128));
    __m256i two = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(170 - 128));
    return _mm256_abs_epi8(_mm256_add_epi8(one, two));
}

/* Run j of 16 weights: 0..9 are digits of 32 bytes, 10..14 of 16 bytes, 15 four digits of 4 bytes. */
QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)c;
    const int digit = j == 15 ? i : j < 10 ? j / 2 : j - 10;
    __m256i v = read_bytes(b, j == 15 ? 48 : (j < 10 ? j % 2 * 16 : 32) + 4 * i);
    QB_UNROLL
    for (int n = 0; n < digit; n++)
        v = times3(v);
    return top_digit(v);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)c;
    return j;
}

#endif

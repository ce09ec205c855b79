/*
 * Q2_K on vectors of 8 rows: 16 bytes of a scale and a minimum each, 64 bytes of two-bit planes, f16 d and
 * dmin.
 *
 * A panel holds code times scale, looked up. GEMV multiplies the bare codes; the int16 sums of 16 meet their
 * integer scales where others meet ones.
 */
#ifndef QB_KERNELS_WEIGHTS_Q2_K_AVX2_H
#define QB_KERNELS_WEIGHTS_Q2_K_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 84
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT QB_OFFSET_NONE
#define W_MIN   QB_MIN_I16_16
#define W_CHUNK 64
#define W_DEPTH 4
#define W_OWN_RUN
#define W_QUANTS .at = 16, .bytes = 64, .shift = 4 /* all other fields come before them */

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 80; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_4(p, at, 80, image);
}

/* Scales 4i .. 4i + 3, each with its minimum above. 8x8: behind d and dmin, two of each row at a time. */
QB_INLINE __m256i read_scales(struct block8 b, int i)
{
    if (!block8_is_group(b))
        return block8_dwords(b, 4 * i);
    const uint8_t *p = b.u16 + 8 * (4 + 4 * i);
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p + 16)));
    return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d, dmin;
    if (block8_is_group(b)) {
        d = block8_f16(b, 0);
        dmin = block8_f16(b, 2);
    } else {
        block8_f16_pair(block8_dwords(b, 80), &d, &dmin);
    }
    _mm256_storeu_ps(h.scale, d);
    _mm256_storeu_ps(h.min_scale, dmin);
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m256i min = high_nibbles(read_scales(b, i / 2));
        _mm256_storeu_si256((void *)(h.min_pair + 2 * i * h.rows), int16_pair(min, i % 2));
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

QB_INLINE void read_run(struct block8 b, int c, int j, __m256i w[4])
{
    const int part = c % 2, at = 8 * (c / 2) + 2 * j; /* the scale is byte at + part */
    __m256i sc = low_nibbles(read_scales(b, at / 4));
    sc = part ? spread_byte(sc, 2 * (j % 2) + 1) : spread_byte(sc, 2 * (j % 2));
    __m256i table = multiples(_mm256_setzero_si256(), sc);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = lookup_two_bits(table, two_bits(block8_dwords(b, 16 + 16 * c + 4 * i), j));
}

#endif

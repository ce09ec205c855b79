/*
 * What the AVX2 decoders of several formats share: nibbles, fifth bits, the IQ4 levels, K-quant scales.
 */
#ifndef QB_KERNELS_WEIGHTS_AVX2_H
#define QB_KERNELS_WEIGHTS_AVX2_H

#include "kernels/x86/rows8_avx2.h"

/* Where the scales and minima of 8 rows go: element [i][rows] of the panel arrays, or of a copy on the stack.
 */
struct header8 {
    float *scale, *min_f32, *min_scale;
    int16_t *min_pair;
    int rows; /* distance from one sub-block to the next */
};

/* GEMV takes 16 rows at a time, two vectors: whole cache lines of r16, and two chains for every column. */
#define GEMV_VECS 2
#define GEMV_ROWS (8 * GEMV_VECS)

struct gemv_acc {
    __m256 v[GEMV_VECS][QB_GEMV_MAX_COLS];
};

QB_INLINE __m256i low_nibbles(__m256i v)
{
    return _mm256_and_si256(v, _mm256_set1_epi8(0x0f));
}

QB_INLINE __m256i high_nibbles(__m256i v)
{
    return low_nibbles(_mm256_srli_epi16(v, 4));
}

/* Weights 4i .. 4i + 3 of a 32-block: low nibbles are weights 0..15, high nibbles 16..31 of the 16 bytes at
 * o. */
QB_INLINE __m256i block_nibbles(struct block8 b, int o, int i)
{
    __m256i v = block8_dwords(b, o + 4 * (i % 4));
    return i < 4 ? low_nibbles(v) : high_nibbles(v);
}

/* Bits 4i .. 4i + 3 of the dword at o as bit 4 of four bytes. */
QB_INLINE __m256i fifth_bits(struct block8 b, int o, int i)
{
    __m256i bits = block8_dwords(b, o);
    if (i % 2 == 0)
        bits = _mm256_slli_epi16(bits,
                                 4); /* to the upper half of the byte, where a minimum makes 16 of any bit */
    const __m256i byte = _mm256_add_epi8(
        _mm256_set1_epi8((char)(i / 2)),
        _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    __m256i one = _mm256_and_si256(_mm256_shuffle_epi8(bits, byte), _mm256_set1_epi32((int)0x80402010u));
    return _mm256_min_epu8(one, _mm256_set1_epi8(16));
}

/* The 16 levels of IQ4_NL and IQ4_XS by nibble. */
QB_INLINE __m256i iq4_levels(__m256i nibbles)
{
    const __m128i levels =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), nibbles);
}

/* Byte i of every dword, as float. */
QB_INLINE __m256 byte_as_float(__m256i dwords, int i)
{
    __m256i v = i == 0 ? dwords : _mm256_srli_epi32(dwords, 8 * i);
    return _mm256_cvtepi32_ps(i == 3 ? v : _mm256_and_si256(v, _mm256_set1_epi32(0xff)));
}

QB_INLINE void read_scale_f16(struct block8 b, int o, struct header8 h)
{
    _mm256_storeu_ps(h.scale, block8_f16(b, o));
}

/* f16 scale, f16 minimum. */
QB_INLINE void read_scale_min(struct block8 b, int o, struct header8 h)
{
    __m256 d, m;
    block8_f16_pair(block8_dwords(b, o), &d, &m);
    _mm256_storeu_ps(h.scale, d);
    _mm256_storeu_ps(h.min_f32, m);
}

/* Scales and minima of Q4_K and Q5_K: f16 d and dmin, then twelve bytes of 6-bit pairs. */
QB_INLINE void read_k_scales(struct block8 b, struct header8 h)
{
    const __m256i six = _mm256_set1_epi8(0x3f), two = _mm256_set1_epi8(0x30);
    __m256 d, dmin;
    block8_f16_pair(block8_dwords(b, 0), &d, &dmin);
    _mm256_storeu_ps(h.min_scale, dmin);
    __m256i v1 = block8_dwords(b, 4), v2 = block8_dwords(b, 8), v3 = block8_dwords(b, 12), sc[2], mn[2];
    sc[0] = _mm256_and_si256(v1, six);
    mn[0] = _mm256_and_si256(v2, six);
    sc[1] = _mm256_or_si256(low_nibbles(v3), _mm256_and_si256(_mm256_srli_epi16(v1, 2), two));
    mn[1] = _mm256_or_si256(high_nibbles(v3), _mm256_and_si256(_mm256_srli_epi16(v2, 2), two));
    const __m256i pair01 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1));
    const __m256i pair23 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1));
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        int16_t *pair = h.min_pair + 4 * i * h.rows;
        _mm256_storeu_si256((void *)pair, _mm256_shuffle_epi8(mn[i], pair01));
        _mm256_storeu_si256((void *)(pair + 2 * h.rows), _mm256_shuffle_epi8(mn[i], pair23));
        QB_UNROLL
        for (int j = 0; j < 4; j++)
            _mm256_storeu_ps(h.scale + (4 * i + j) * h.rows, _mm256_mul_ps(d, byte_as_float(sc[i], j)));
    }
}

#endif

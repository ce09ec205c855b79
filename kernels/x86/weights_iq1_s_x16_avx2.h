/*
 * IQ1_S in x16 on vectors of 8 rows: f16 d, 8 nibbles of scales and moves, planes of two bits.
 */
#ifndef QB_KERNELS_WEIGHTS_IQ1_S_X16_AVX2_H
#define QB_KERNELS_WEIGHTS_IQ1_S_X16_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 70
#define W_X16
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT 4
#define W_MIN   QB_MIN_I16
#define W_CHUNK 64
#define W_DEPTH 4
#define W_OWN_RUN

/* The nibbles of 32s 0 .. 3 (half 0) or 4 .. 7. */
QB_INLINE __m256i read_nibbles(struct block8 b, int half)
{
    return low_nibbles(_mm256_srli_epi16(block8_dwords(b, 2), 4 * half));
}

QB_INLINE __m256i odd_scales(__m256i nibbles)
{
    __m256i even = _mm256_and_si256(_mm256_add_epi8(nibbles, nibbles), _mm256_set1_epi8(14));
    return _mm256_or_si256(even, _mm256_set1_epi8(1));
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d = block8_f16(b, 0);
    _mm256_storeu_ps(h.scale, d);
    _mm256_storeu_ps(h.min_scale, _mm256_mul_ps(d, _mm256_set1_ps(0.125f)));
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i nibbles = read_nibbles(b, i / 2), odd = int16_pair(odd_scales(nibbles), i % 2);
        /* bit 3 of a nibble in place of the sign: a move down; v | 1 is not zero */
        __m256i sign = _mm256_slli_epi16(int16_pair(nibbles, i % 2), 12);
        __m256i up = _mm256_sign_epi16(odd, _mm256_or_si256(sign, _mm256_set1_epi16(1)));
        _mm256_storeu_si256((void *)(h.min_pair + 2 * i * h.rows),
                            _mm256_sub_epi16(_mm256_setzero_si256(), up));
    }
}

/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

QB_INLINE void read_run(struct block8 b, int c, int j, __m256i w[4])
{
    __m256i odd = odd_scales(read_nibbles(b, j / 2));
    odd = spread_byte(_mm256_srli_epi32(odd, 8 * (c / 2)), 2 * (j % 2)); /* c is no constant */
    __m256i table = multiples(_mm256_sub_epi8(_mm256_set1_epi8(16), odd), odd);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = lookup_two_bits(table, two_bits(block8_dwords(b, 6 + 16 * c + 4 * i), j));
}

/* The scales of 32s 2 j and 2 j + 1 of each row. */
QB_INLINE void read_scale_pairs(const struct block8 *b, __m256i pair[4][GEMV_VECS])
{
    QB_UNROLL
    for (int x = 0; x < 4 * GEMV_VECS; x++) {
        const int j = x / GEMV_VECS, v = x % GEMV_VECS;
        pair[j][v] = int16_pair(odd_scales(read_nibbles(b[v], j / 2)), j % 2);
    }
}

/* What it costs that a weight is 1 less than its two bits: minus the activations' sums times the scales;
 * npair: those of the block. */
QB_INLINE void start_ternary(struct gemv_sums *sum, const __m256i pair[4][GEMV_VECS], const int16_t *npair,
                             int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        sum->v[v][i] = _mm256_setzero_si256();
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            int32_t n;
            memcpy(&n, npair + (j * cols + i) * 2, sizeof n);
            sum->v[v][i] =
                _mm256_add_epi32(sum->v[v][i], _mm256_madd_epi16(pair[j][v], _mm256_set1_epi32(n)));
        }
    }
}

#endif

/*
 * GEMV of x16 formats of planes with a scale for 16 weights, for AVX512. The includer defines W_ELEMS,
 * W_BYTES, W_SHIFT (weights_avx512_tmpl.h) and
 *
 *   __m512 read_scales(const struct rows16 *s, __m512i pair[8]);
 *          odd scales of 16s 2 i and 2 i + 1, int16, and what multiplies them
 *   void plane_codes(const struct rows16 *s, int h, int i, __m512i w[4]);
 *          weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes
 */

/* The integer in half i of each pair, as float. */
QB_INLINE __m512 pair_as_float(__m512i pair, int i)
{
    return _mm512_cvtepi32_ps(i ? _mm512_srli_epi32(pair, 16) : _mm512_maskz_mov_epi16(0x55555555, pair));
}

/* What the offset of the codes adds to block b of column i. */
QB_INLINE __m512 block_offset(const __m512i pair[8], const struct qb_act *a, int64_t b, int i, int cols)
{
    __m512i sum = _mm512_setzero_si512();
    QB_UNROLL
    for (int k = 0; k < 8; k++) {
        int32_t n;
        memcpy(&n, a->npair16 + ((b * 8 + k) * cols + i) * 2, sizeof n);
        sum = _mm512_dpwssd_epi32(sum, pair[k], _mm512_set1_epi32(n));
    }
    return _mm512_cvtepi32_ps(_mm512_slli_epi32(sum, W_SHIFT));
}

/* part += the products of chunk c: 16 bytes, half of q[c / 2], a run of 16 in each plane; q: of the block. */
QB_INLINE void add_chunk(__m512 part[QB_GEMV_MAX_COLS], const struct rows16 *s, int c, const __m512i pair[8],
                         const int8_t *q, int cols)
{
    __m512i dot[4][QB_GEMV_MAX_COLS];
    QB_UNROLL
    for (int v = 0; v < 4; v++) {
        __m512i w[4];
        plane_codes(s, c / 2, c % 2 * 4 + v, w);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            QB_UNROLL
            for (int i = 0; i < cols; i++)
                dot[j][i] = _mm512_dpbusd_epi32(v ? dot[j][i] : _mm512_setzero_si512(), w[j],
                                                broadcast_x4(q + (64 * j + 16 * c) * cols, v, i, cols));
        }
    }
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512 scale = pair_as_float(pair[2 * j + c / 2], c % 2);
        QB_UNROLL
        for (int i = 0; i < cols; i++)
            part[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[j][i]), scale, part[i]);
    }
}

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    const int8_t *q = a->q + b * W_ELEMS * cols;
    __m512i pair[8];
    __m512 part[QB_GEMV_MAX_COLS], d = read_scales(s, pair);
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        part[i] = block_offset(pair, a, b, i, cols);
    QB_UNROLL
    for (int c = 0; c < 4; c++) {
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        add_chunk(part, s, c, pair, q, cols);
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 unit = _mm512_mul_ps(d, _mm512_set1_ps(a->scale[b * cols + i]));
        acc[i] = _mm512_fmadd_ps(part[i], unit, acc[i]);
    }
}

#include "kernels/x86/gemv_avx512_calls_tmpl.h"

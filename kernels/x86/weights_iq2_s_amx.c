/*
 * GEMV of IQ2_S by gathers (gather_points_amx.h); panels are decoded as at the level below.
 */
#include "kernels/x86/gather_points_amx.h"
#include "kernels/x86/weights_planes_avx512.h"

#define W_ELEMS  256
#define W_BYTES  82
#define W_OFFSET 6 /* of codes: 2^6 */

/* Codes of group g of 32 weights, first and second of every two; signs: a byte a group. */
QB_INLINE void pair_codes(__m512i points, __m512i signs, int g, __m512i w[2])
{
    const __m512i bits = _mm512_set1_epi8(1 << QB_SIGN_PAIR_0 | 1 << QB_SIGN_PAIR_1);
    const int at = 8 * g - QB_SIGN_PAIR_0;
    __m512i index = select_bits(bits, planes_bits(signs, at, at + 2, at + 4, at + 6), points);
    w[0] = planes_code(index, qb_signed_pair_iq2[0]);
    w[1] = planes_code(index, qb_signed_pair_iq2[1]);
}

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    uint8_t space[PLANES_SPACE] __attribute__((aligned(64)));
    int8_t ordered[QB_GEMV_MAX_COLS * W_ELEMS] __attribute__((aligned(64)));
    const uint8_t *block = planes_block(s, 2, W_BYTES, kind, space);
    const int8_t *x = ordered;
    const int32_t *nsum = a->nsum16 + b * 16 * cols;
    const __m512 d = _mm512_mul_ps(rows16_scale(s, 0, 0, kind), _mm512_set1_ps(0.125f));
    __m512 sum[QB_GEMV_MAX_COLS] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                                    _mm512_setzero_ps()};
    planes_order(a->q + b * W_ELEMS * cols, cols, 2, ordered);
    QB_NO_UNROLL
    for (int k = 0; k < 8; k++) {
        __m512i index = planes_chunk(block, 2 + 4 * k), signs = planes_chunk(block, 34 + 4 * k);
        __m512i high = planes_spread(planes_chunk(block, 66 + k / 4 * 4), k % 4);
        __m512i nibbles = planes_spread(planes_chunk(block, 74 + k / 4 * 4), k % 4);
        __m512i dot[QB_GEMV_MAX_COLS];
        rows16_prefetch(s, 16 * W_BYTES / 8, kind);
        QB_UNROLL
        for (int g = 0; g < 4; g++, x += 8 * cols) {
            __m512i w[2];
            pair_codes(gather_points(qb_pairs_iq2s, index, g, high, 2 * g, 10), signs, g, w);
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                if (g % 2 == 0)
                    dot[i] = _mm512_slli_epi32(_mm512_set1_epi32(nsum[g / 2 * cols + i]), W_OFFSET);
                dot[i] = planes_dot4(planes_dot4(dot[i], w[0], x + 4 * i), w[1], x + 4 * (cols + i));
                if (g % 2 == 1) {
                    __m512 odd = planes_odd_ps(g == 1 ? nibbles : _mm512_srli_epi32(nibbles, 4));
                    sum[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i]), odd, sum[i]);
                }
            }
        }
        nsum += 2 * cols;
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        acc[i] = _mm512_fmadd_ps(sum[i], _mm512_mul_ps(d, _mm512_set1_ps(a->scale[b * cols + i])), acc[i]);
}

#include "kernels/x86/gemv_avx512_calls_tmpl.h"

W_GEMV(iq2_s, plain, amx, ROWS16_STRIDED)
W_GEMV(iq2_s, r16, amx, ROWS16_R16)

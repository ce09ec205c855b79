/*
 * GEMV of IQ1_M in x16 (expanded form TERNARY_16, kernels/expansion.h), for AVX512-VNNI. A weight is
 * 8 (t - 1) +- 1 with t of two bits: planes are multiplied where they stand in the byte, 4^plane too large,
 * and their sums over 16 shifted; moves are sums of 8 activations times the scale with the sign of the row.
 */
#include "kernels/x86/sums_of_8_avx2.h"
#include "kernels/x86/weights_avx512.h"

#define W_ELEMS 256
#define W_BYTES 78

/* Odd scales of 16s 4 j .. 4 j + 3, in bytes. */
QB_INLINE __m512i odd_scales(const struct rows16 *s, int j)
{
    __m512i v = _mm512_loadu_si512(s->p[0] + 16 * (6 + j / 2 * 4));
    return j % 2 ? high_nibbles(v) : low_nibbles(v);
}

/* 4^j times the sum of (t - 1) times activation over a 16 in plane j of chunk c; x: its activations. */
QB_INLINE __m512i plane_dot(const struct rows16 *s, int c, int j, const int32_t *nsum, const int8_t *x, int i,
                            int cols)
{
    const __m512i bits = _mm512_set1_epi8((char)(3 << 2 * j));
    __m512i w[4];
    QB_UNROLL
    for (int k = 0; k < 4; k++)
        w[k] = _mm512_and_si512(_mm512_loadu_si512(s->p[0] + 16 * (14 + 16 * c + 4 * k)), bits);
    return run_dot(_mm512_set1_epi32(nsum[i] * (1 << 2 * j)), w, 4, x, i, cols);
}

/* sum + the 64 weights of plane j, two 16s to a pair; q, nsum: of the plane. */
QB_INLINE __m512i add_plane(__m512i sum, const struct rows16 *s, int j, __m512i odd, const int8_t *q,
                            const int32_t *nsum, int i, int cols)
{
    __m512i dot[4];
    QB_UNROLL
    for (int c = 0; c < 4; c++)
        dot[c] = plane_dot(s, c, j, nsum + c * cols, q + c * 16 * cols, i, cols);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __m512i pair = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(dot[2 * h], 2 * j),
                                               _mm512_slli_epi32(dot[2 * h + 1], 16 - 2 * j));
        sum = _mm512_dpwssd_epi32(sum, pair, byte_pair(odd, h));
    }
    return sum;
}

/* The scale of 16s 4 j + c, int16 pairs, negative where 8 weights are moved down. */
QB_INLINE __m512i signed_scale(__m512i moves, __m512i odd, int j, int c)
{
    const char z = -1, k = (char)c;
    const __m512i twice = _mm512_broadcast_i32x4(
        _mm_setr_epi8(k, z, k, z, k + 4, z, k + 4, z, k + 8, z, k + 8, z, k + 12, z, k + 12, z));
    __m512i scale = _mm512_shuffle_epi8(odd, twice);
    __mmask32 down = _mm512_test_epi16_mask(moves, _mm512_set1_epi16((short)(1 << (4 * j + c))));
    return _mm512_mask_sub_epi16(scale, down, _mm512_setzero_si512(), scale);
}

/* moved[c] += the moves of 16s number `run`. */
QB_INLINE void add_moves(__m512i *moved, __m512i scale, const struct sums_of_8 *of_8, int run, int cols)
{
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512i x = _mm512_set1_epi32(of_8->pair[sums_of_8_at(run, i, cols)]);
        moved[i] = _mm512_dpwssd_epi32(moved[i], scale, x);
    }
}

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    const int8_t *q = a->q + b * W_ELEMS * cols;
    const int32_t *nsum = a->nsum16 + b * 16 * cols;
    const __m512i moves = _mm512_loadu_si512(s->p[0] + 16 * 2), zero = _mm512_setzero_si512();
    __m512i sum[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero},
            moved[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero};
    struct sums_of_8 of_8;
    sums_of_8_block(q, cols, &of_8);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i odd = odd_scales(s, j);
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        QB_UNROLL
        for (int i = 0; i < cols; i++)
            sum[i] = add_plane(sum[i], s, j, odd, q + 64 * j * cols, nsum + 4 * j * cols, i, cols);
        QB_UNROLL
        for (int c = 0; c < 4; c++)
            add_moves(moved, signed_scale(moves, odd, j, c), &of_8, 4 * j + c, cols);
    }
    __m512 d = _mm512_mul_ps(rows16_scale(s, 0, 0, kind), _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 part = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(sum[i], 3), moved[i]));
        acc[i] = _mm512_fmadd_ps(part, _mm512_mul_ps(d, _mm512_set1_ps(a->scale[b * cols + i])), acc[i]);
    }
}

#include "kernels/x86/gemv_avx512_calls_tmpl.h"

W_GEMV(iq1_m, x16, avx512vnni, ROWS16_R16)

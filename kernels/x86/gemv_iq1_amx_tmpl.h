/*
 * GEMV of IQ1 by gathers: of the 8 weights of a point, 0 to 3 are lower nibbles of its bytes and 4 to 7 upper
 * ones, so activations stay as they are, [8][cols][4] for 32 weights. The includer defines
 *
 *   W_BYTES, W_FIRST   of a block: scales_iq1_*_avx512.h
 *   W_POINTS           the table (codebook_levels.h)
 *   W_BITS             of an index: 8 are a byte, the others side by side in two bytes for 32 weights
 *   W_SUB              weights for a scale
 *   __m512i block_total(__m512i sum, const struct scales *sc, const struct qb_act *a, int64_t b, int i, int
 * cols); a block's sum in units of sc->d; sum: points times their scales times the activations
 */
#include "kernels/x86/gather_points_amx.h"

#define W_ELEMS  256
#define W_GROUPS (W_SUB / 8) /* points under a scale */

/* Sums of points times activations of one column: lower nibbles, and upper ones, 16 times too large. */
struct gather_sum {
    __m512i low, high;
};

/* sum += the points times 8 weights' activations of column i; x: from those of column 0 on. */
QB_INLINE void gather_add(struct gather_sum *sum, __m512i points, const int8_t *x, int i, int cols)
{
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    sum->low = planes_dot4(sum->low, _mm512_and_si512(points, nibble), x + 4 * i);
    sum->high = planes_dot4(sum->high, _mm512_andnot_si512(nibble, points), x + 4 * (cols + i));
}

/* What was added, and zeros for what comes next. */
QB_INLINE __m512i gather_take(struct gather_sum *sum)
{
    __m512i all = _mm512_add_epi32(sum->low, _mm512_srai_epi32(sum->high, 4));
    sum->low = sum->high = _mm512_setzero_si512();
    return all;
}

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    const __m512i zero = _mm512_setzero_si512();
    uint8_t space[PLANES_SPACE] __attribute__((aligned(64)));
    const uint8_t *block = planes_block(s, W_FIRST, W_BYTES, kind, space);
    const int8_t *x = a->q + b * W_ELEMS * cols;
    struct scales sc;
    read_scales(block, W_FIRST ? rows16_scale(s, 0, 0, kind) : _mm512_setzero_ps(), &sc);
    __m512i sum[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero};
    QB_NO_UNROLL
    for (int c = 0; c < W_ELEMS / 64; c++) {
        __m512i high = planes_chunk(block, W_FIRST + 32 + 4 * c), first[QB_GEMV_MAX_COLS];
        struct gather_sum part[QB_GEMV_MAX_COLS] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        QB_UNROLL
        for (int g = 0; g < 8; g++, x += 8 * cols) {
            __m512i index = planes_chunk(block, W_FIRST + 8 * c + g / 4 * 4);
            int at = g / 4 * 16 + g % 4 * (W_BITS - 8), pair = g % (2 * W_GROUPS);
            __m512i v = gather_points(W_POINTS, index, g % 4, high, at, W_BITS);
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                gather_add(&part[i], v, x, i, cols);
                if (pair == W_GROUPS - 1)
                    first[i] = gather_take(&part[i]);
                if (pair == 2 * W_GROUPS - 1)
                    sum[i] = _mm512_dpwssd_epi32(sum[i], pack_pair(first[i], gather_take(&part[i])),
                                                 sc.odd[(8 * c + g) / (2 * W_GROUPS)]);
            }
        }
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 d = _mm512_mul_ps(sc.d, _mm512_set1_ps(a->scale[b * cols + i]));
        acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(block_total(sum[i], &sc, a, b, i, cols)), d, acc[i]);
    }
}

#include "kernels/x86/gemv_avx512_calls_tmpl.h"

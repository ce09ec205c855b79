/*
 * GEMV of IQ1_S by gathers (gather_points_amx.h); panels are decoded as at the level below.
 */
#include "kernels/x86/gather_points_amx.h"
#include "kernels/x86/scales_iq1_s_avx512.h"

#define W_ELEMS 256

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    const __m512i zero = _mm512_setzero_si512();
    uint8_t space[PLANES_SPACE] __attribute__((aligned(64)));
    const uint8_t *block = planes_block(s, W_FIRST, W_BYTES, kind, space);
    const int8_t *x = a->q + b * W_ELEMS * cols;
    struct scales sc;
    read_scales(block, rows16_scale(s, 0, 0, kind), &sc);
    __m512i sum[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero};
    QB_NO_UNROLL
    for (int c = 0; c < W_ELEMS / 64; c++) {
        __m512i words = planes_chunk(block, 34 + 4 * c), first[QB_GEMV_MAX_COLS];
        struct gather_sum part[QB_GEMV_MAX_COLS] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        QB_UNROLL
        for (int g = 0; g < 8; g++, x += 8 * cols) {
            __m512i index = planes_chunk(block, 2 + 8 * c + g / 4 * 4);
            __m512i v = gather_points(qb_nibbles_iq1s, index, g % 4, words, g / 4 * 16 + g % 4 * 3, 11);
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                gather_add(&part[i], v, x, i, cols);
                if (g == 3)
                    first[i] = gather_take(&part[i]);
                if (g == 7)
                    sum[i] =
                        _mm512_dpwssd_epi32(sum[i], gather_pair(first[i], gather_take(&part[i])), sc.odd[c]);
            }
        }
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 d = _mm512_mul_ps(sc.d, _mm512_set1_ps(a->scale[b * cols + i]));
        __m512i total = iq1_s_total(sum[i], &sc, a->npair + b * 8 * cols, i, cols);
        acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total), d, acc[i]);
    }
}

#define W_ISA amx
#include "kernels/x86/gemv_avx512_calls_tmpl.h"

W_GEMV(iq1_s, plain, ROWS16_STRIDED)
W_GEMV(iq1_s, r16, ROWS16_R16)

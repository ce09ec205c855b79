/*
 * GEMV of IQ1_M by gathers (gather_points_amx.h); panels are decoded as at the level below.
 */
#include "kernels/x86/gather_points_amx.h"
#include "kernels/x86/scales_iq1_m_avx512.h"

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
    read_scales(block, _mm512_setzero_ps(), &sc);
    __m512i sum[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero};
    QB_NO_UNROLL
    for (int c = 0; c < W_ELEMS / 64; c++) {
        __m512i nibbles = planes_chunk(block, 32 + 4 * c), first[QB_GEMV_MAX_COLS];
        struct gather_sum part[QB_GEMV_MAX_COLS] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        QB_UNROLL
        for (int g = 0; g < 8; g++, x += 8 * cols) {
            __m512i index = planes_chunk(block, 8 * c + g / 4 * 4);
            __m512i v = gather_points(qb_nibbles_iq1m, index, g % 4, nibbles, g * 4, 12);
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                gather_add(&part[i], v, x, i, cols);
                if (g % 4 == 1)
                    first[i] = gather_take(&part[i]);
                if (g % 4 == 3)
                    sum[i] = _mm512_dpwssd_epi32(sum[i], gather_pair(first[i], gather_take(&part[i])),
                                                 sc.odd[2 * c + g / 4]);
            }
        }
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 d = _mm512_mul_ps(sc.d, _mm512_set1_ps(a->scale[b * cols + i]));
        __m512i n = planes_scaled_sums(sc.odd, 8, a->npair16 + b * 16 * cols, i, cols);
        __m512i nine = _mm512_add_epi32(_mm512_slli_epi32(n, 3), n); /* a value is 2 v - 9 eighths */
        __m512i total = _mm512_add_epi32(_mm512_add_epi32(sum[i], sum[i]), nine);
        acc[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(total), d, acc[i]);
    }
}

#define W_ISA amx
#include "kernels/x86/gemv_avx512_calls_tmpl.h"

W_GEMV(iq1_m, plain, ROWS16_STRIDED)
W_GEMV(iq1_m, r16, ROWS16_R16)

/*
 * Panels whose plane of bf16 holds codes (qb_panel_keeps_codes): one tile of up to 16 columns with 32 panel
 * rows. A step is a sub-block of 32 weights, so every sum leaves its tile and meets the scales of its rows in
 * a vector, 16 rows of one column, while the matrix unit multiplies the next. Weights of 8 bits as planes
 * would be three, of 4 and 5 bits two, and as many products; this is one, nearly as long as two because of
 * the sums that are stored.
 */
#ifndef QB_KERNELS_TILE_CODES_BF16_AMX_H
#define QB_KERNELS_TILE_CODES_BF16_AMX_H

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/x86/simd_amx.h"
#include <immintrin.h>

/* Steps of all planes of bf16. */
#define STEP_K   32                      /* weights of a multiplication */
#define STEP_ROW (QB_PANEL_ROWS * 2 * 2) /* bytes of the panel for a pair of weights */
#define STEP     (STEP_K / 2 * STEP_ROW) /* and for a step */

/* Tiles: sums of rows 0 to 15 and 16 to 31 are CODES_SUM0 and 1; operands of even and of odd steps: */
#define CODES_SUM0        0
#define CODES_SUM1        1
#define CODES_EVEN_LEFT   4
#define CODES_EVEN_RIGHT0 6
#define CODES_EVEN_RIGHT1 7
#define CODES_ODD_LEFT    5
#define CODES_ODD_RIGHT0  2
#define CODES_ODD_RIGHT1  3

/* Columns whose sums of all steps stay in registers, 30 for 32 rows; those of the last column are in memory,
 * for scales and a temporary have the other two. */
#define CODES_KEPT (QB_MAX_TILE_COLS - 1)

/* The sums of 16 rows over all steps. */
struct codes_total {
    __m512 f[CODES_KEPT];
    float last[16] __attribute__((aligned(64)));
};

/* total += rows of sums times their scales, in assembly because gcc loads all sums first and spills. */
QB_INLINE void codes_fold(struct codes_total *total, const float *sums, const float *scale)
{
    __m512 s = _mm512_load_ps(scale), last = _mm512_load_ps(total->last);
#define CODES_FMA(f, c)                                                                                      \
    __asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(f) : "m"(*(const __m512 *)(sums + 16 * (c))), "v"(s))
    CODES_FMA(last, CODES_KEPT);
    _mm512_store_ps(total->last, last);
    QB_UNROLL
    for (int c = 0; c < CODES_KEPT; c++)
        CODES_FMA(total->f[c], c);
#undef CODES_FMA
}

/* Sums of step i from their tile to memory, which step i + 2 uses again. */
#define CODES_STORE(half, i) AMX_STORE(CODES_SUM##half, sums[(i) % 2][half], 64)
#define CODES_FOLD(half, i)                                                                                  \
    codes_fold(&total[half], sums[(i) % 2][half], scale + (i)*QB_PANEL_ROWS + 16 * (half))

/*
 * Half a step. The sums of the step before leave the tile, those of the step before that meet their scales:
 * loads of what a tile has just stored wait until the store is done.
 */
#define CODES_HALF(half, left, right, i)                                                                     \
    do {                                                                                                     \
        AMX_LOAD(right, plane + (i)*STEP + 64 * (half), STEP_ROW);                                           \
        if ((i) >= 1)                                                                                        \
            CODES_STORE(half, (i)-1);                                                                        \
        AMX_ZERO(CODES_SUM##half);                                                                           \
        AMX_DOT_BF16(CODES_SUM##half, left, right);                                                          \
        if ((i) >= 2)                                                                                        \
            CODES_FOLD(half, (i)-2);                                                                         \
    } while (0)
#define CODES_STEP(parity, i)                                                                                \
    do {                                                                                                     \
        AMX_LOAD(CODES_##parity##_LEFT, x + (i)*width * STEP_K, 64);                                         \
        CODES_HALF(0, CODES_##parity##_LEFT, CODES_##parity##_RIGHT0, i);                                    \
        CODES_HALF(1, CODES_##parity##_LEFT, CODES_##parity##_RIGHT1, i);                                    \
    } while (0)

/*
 * 32 rows of the panel, n > 0 steps. out[c * ldo + r] = from[c * ldf + r] (NULL: 0) + sums, for c < width.
 * All tiles have 16 rows: what stands behind a narrow tile of columns is multiplied, too (kernels/act.h), and
 * dropped. That takes less time than other shapes for the last columns.
 * Not inlined: what the caller has in registers would be among the sums that spill.
 */
static __attribute__((noinline)) void codes_multiply(int width, const uint16_t *x, const uint8_t *plane,
                                                     const float *scale, int64_t n, const float *from,
                                                     size_t ldf, float *out, size_t ldo)
{
    float sums[2][2][QB_MAX_TILE_COLS * 16] __attribute__((aligned(64)));
    struct codes_total total[2];
    int64_t i = 0;
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        QB_UNROLL
        for (int c = 0; c < CODES_KEPT; c++)
            total[h].f[c] =
                from && c < width ? _mm512_loadu_ps(from + (size_t)c * ldf + 16 * h) : _mm512_setzero_ps();
        _mm512_store_ps(total[h].last, from && width > CODES_KEPT
                                           ? _mm512_loadu_ps(from + CODES_KEPT * ldf + 16 * h)
                                           : _mm512_setzero_ps());
    }
    for (; i + 1 < n; i += 2) {
        CODES_STEP(EVEN, i);
        CODES_STEP(ODD, i + 1);
    }
    if (i < n)
        CODES_STEP(EVEN, i);
    CODES_STORE(0, n - 1);
    CODES_STORE(1, n - 1);
    if (n > 1) {
        CODES_FOLD(0, n - 2);
        CODES_FOLD(1, n - 2);
    }
    CODES_FOLD(0, n - 1);
    CODES_FOLD(1, n - 1);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        QB_UNROLL
        for (int c = 0; c < CODES_KEPT; c++)
            if (c < width)
                _mm512_storeu_ps(out + (size_t)c * ldo + 16 * h, total[h].f[c]);
        if (width > CODES_KEPT)
            _mm512_storeu_ps(out + CODES_KEPT * ldo + 16 * h, _mm512_load_ps(total[h].last));
    }
}

#endif

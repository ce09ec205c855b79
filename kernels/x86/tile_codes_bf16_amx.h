/*
 * Panels whose plane of bf16 holds codes (qb_panel_keeps_codes): one tile of up to 16 columns with 32 panel
 * rows. A step is a sub-block of 32 weights, so every sum leaves its tile and meets the scales of its rows in
 * a vector, 16 rows of one column, while the matrix unit multiplies the next. The weights as planes would be
 * three, and three products; this is one, and as long as two because of the sums that are stored.
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

/* Rows of sums: a step's product times its scales, onto the sums of all steps, in assembly because gcc loads
 * them all first and spills. */
QB_INLINE void codes_fold(const float *sums, const float *scale, __m512 f[QB_MAX_TILE_COLS])
{
    __m512 s = _mm512_load_ps(scale);
    QB_UNROLL
    for (int c = 0; c < QB_MAX_TILE_COLS; c++)
        __asm__ volatile("vfmadd231ps %1, %2, %0"
                         : "+v"(f[c])
                         : "m"(*(const __m512 *)(sums + 16 * c)), "v"(s));
}

/* Operands of step i: activations to tile LEFT, codes to RIGHT. */
#define CODES_LOAD(left, right, i)                                                                           \
    do {                                                                                                     \
        AMX_LOAD(right, plane + (i)*STEP, STEP_ROW);                                                         \
        AMX_LOAD(left, x + (i)*width * STEP_K, 64);                                                          \
    } while (0)
/* Take the sums of step i out of their tile. */
#define CODES_TAKE(sum, i)                                                                                   \
    do {                                                                                                     \
        AMX_STORE(sum, sums[sum], 64);                                                                       \
        codes_fold(sums[sum], scale + (i)*QB_PANEL_ROWS, f);                                                 \
    } while (0)
/* Step i, in the tile of the step before last, whose sums leave it. */
#define CODES_MULTIPLY(sum, left, right, i)                                                                  \
    do {                                                                                                     \
        if ((i) >= 2)                                                                                        \
            AMX_STORE(sum, sums[sum], 64);                                                                   \
        AMX_ZERO(sum);                                                                                       \
        AMX_DOT_BF16(sum, left, right);                                                                      \
        if ((i) >= 2)                                                                                        \
            codes_fold(sums[sum], scale + ((i)-2) * QB_PANEL_ROWS, f);                                       \
    } while (0)

/*
 * 16 rows of the panel, n steps. Tiles 0, 1, 4 and 5 have `width` rows, one for each column, 6 and 7 have 16.
 * out[c * ldo + r] = from[c * ldf + r] (NULL: 0) + sums, for r < 16.
 */
QB_INLINE void codes_half(int width, const uint16_t *x, const uint8_t *plane, const float *scale, int64_t n,
                          const float *from, size_t ldf, float *out, size_t ldo)
{
    float sums[2][QB_MAX_TILE_COLS * 16] __attribute__((aligned(64)));
    __m512 f[QB_MAX_TILE_COLS];
    int64_t i = 0;
    QB_UNROLL
    for (int c = 0; c < QB_MAX_TILE_COLS; c++)
        f[c] = from && c < width ? _mm512_loadu_ps(from + (size_t)c * ldf) : _mm512_setzero_ps();
    /* what no column writes is multiplied, too: denormal numbers would be slow */
    for (int c = width; c < QB_MAX_TILE_COLS; c++)
        for (int j = 0; j < 2; j++)
            memset(sums[j] + 16 * c, 0, 64);
    CODES_LOAD(4, 6, 0);
    for (; i + 2 < n; i += 2) {
        CODES_LOAD(5, 7, i + 1);
        CODES_MULTIPLY(0, 4, 6, i);
        CODES_LOAD(4, 6, i + 2);
        CODES_MULTIPLY(1, 5, 7, i + 1);
    }
    if (i + 1 < n) {
        CODES_LOAD(5, 7, i + 1);
        CODES_MULTIPLY(0, 4, 6, i);
        CODES_MULTIPLY(1, 5, 7, i + 1);
        CODES_TAKE(0, i);
        CODES_TAKE(1, i + 1);
    } else {
        CODES_MULTIPLY(0, 4, 6, i);
        if (i > 0)
            CODES_TAKE(1, i - 1);
        CODES_TAKE(0, i);
    }
    QB_UNROLL
    for (int c = 0; c < QB_MAX_TILE_COLS; c++)
        if (c < width)
            _mm512_storeu_ps(out + (size_t)c * ldo, f[c]);
}

#endif

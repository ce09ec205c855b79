/*
 * Panels of integer scales (qb_panel.int_scales), for the AVX512 decoders.
 */
#ifndef QB_KERNELS_INT_SCALES_AVX512_H
#define QB_KERNELS_INT_SCALES_AVX512_H

#include "kernels/kernels.h"
#include "kernels/simd.h"
#include <immintrin.h>

#define NO_INT_SCALES (-1) /* in place of a number of bits to cut */

/* The low halves of two vectors of dwords, side by side. */
QB_INLINE __m512i pack_pair(__m512i low, __m512i high)
{
    const __m512i up =
        _mm512_broadcast_i32x4(_mm_setr_epi8(-1, -1, 0, 1, -1, -1, 4, 5, -1, -1, 8, 9, -1, -1, 12, 13));
    return _mm512_mask_shuffle_epi8(low, 0xccccccccccccccccull, high, up);
}

/* The bits of a that `mask` has, the others of b. */
QB_INLINE __m512i select_bits(__m512i mask, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(a, mask, b, 0xe2); /* a, which nobody wants after, is written over */
}

/* Half `half` of the rows in block b of 256 weights: pairs of integer scales, and what multiplies them. */
QB_INLINE void panel_int_scales(struct qb_panel *p, int64_t b, int half, const __m512i *pair, int n_pairs,
                                __m512 d, int cut)
{
    int16_t *to = p->scale_pair + (b * n_pairs * QB_PANEL_ROWS + half * 16) * 2;
    const __m512i lost = _mm512_set1_epi16((short)((1 << cut) - 1));
    __m512i sum = _mm512_setzero_si512();
    QB_UNROLL
    for (int i = 0; i < n_pairs; i++) {
        _mm512_store_si512(to + i * QB_PANEL_ROWS * 2, pair[i]);
        sum = _mm512_dpwssd_epi32(sum, pair[i], lost);
    }
    int64_t at = b * QB_PANEL_ROWS + half * 16;
    _mm512_store_si512(p->round + at, _mm512_srai_epi32(sum, (unsigned)cut + 1));
    _mm512_store_ps(p->scale + at, _mm512_mul_ps(d, _mm512_set1_ps((float)(1 << cut))));
}

#endif

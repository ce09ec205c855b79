/*
 * Block and scales of IQ1_S, for AVX512-VBMI and what gathers its points.
 */
#ifndef QB_KERNELS_X86_SCALES_IQ1_S_AVX512_H
#define QB_KERNELS_X86_SCALES_IQ1_S_AVX512_H

#include "kernels/x86/weights_planes_avx512.h"

#define W_FORMAT QB_FORMAT_IQ1_S
#define W_BYTES  50
#define W_FIRST  2

/* The scales of two words, as int16. */
QB_INLINE __m512i odd_pair(__m512i words)
{
    return _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(words, 11), _mm512_set1_epi16(14)),
                           _mm512_set1_epi16(1));
}

QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    sc->d = _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int c = 0; c < 4; c++) {
        __m512i words = planes_chunk(block, 34 + 4 * c);
        sc->odd[c] = odd_pair(words);
        sc->down[c] = _mm512_mask_sub_epi16(sc->odd[c], ~_mm512_movepi16_mask(words), _mm512_setzero_si512(),
                                            sc->odd[c]);
    }
}

#endif

/*
 * Block and scales of IQ1_M, for AVX512-VBMI and what gathers its points.
 */
#ifndef QB_KERNELS_X86_SCALES_IQ1_M_AVX512_H
#define QB_KERNELS_X86_SCALES_IQ1_M_AVX512_H

#include "kernels/x86/weights_planes_avx512.h"

#define W_FORMAT QB_FORMAT_IQ1_M
#define W_BYTES  56
#define W_FIRST  0

/* Four words: three bits a scale, and a nibble of d on top. */
QB_INLINE void read_scales(const uint8_t *block, __m512 unused, struct scales *sc)
{
    __m512i v[2] = {planes_chunk(block, 48), planes_chunk(block, 52)};
    __m512i n01 = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(v[0], 12), _mm512_set1_epi32(0xf)),
                                  _mm512_and_si512(_mm512_srli_epi32(v[0], 24), _mm512_set1_epi32(0xf0)));
    __m512i n23 = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(v[1], 4), _mm512_set1_epi32(0xf00)),
                                  _mm512_and_si512(_mm512_srli_epi32(v[1], 16), _mm512_set1_epi32(0xf000)));
    (void)unused;
    sc->d = _mm512_mul_ps(rows16_f16_low(_mm512_or_si512(n01, n23)), _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int k = 0; k < 8; k++) {
        int at = k / 2 % 2 * 16 + k % 2 * 6 - 1; /* doubled; the high bytes of the pairs are cleared */
        sc->odd[k] = planes_odd(planes_bits(v[k / 4], at, at, at + 3, at + 3), 0x000e000e);
    }
}

#endif

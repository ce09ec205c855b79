/*
 * IQ1_M for AVX512-VBMI: index bytes, nibbles of upper index bits and the move of 8 weights.
 */
#include "kernels/x86/scales_iq1_m_avx512.h"

#define W_GROUP 8
#define W_SUB   16
#define W_SHIFT 4
#define W_MIN   QB_MIN_NONE
#define W_CUT   0

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    __m512i index[2] = {planes_chunk(block, 8 * c), planes_chunk(block, 8 * c + 4)};
    __m512i nibbles = planes_chunk(block, 32 + 4 * c), first[2], second[2];
    __m512i high[2] = {planes_bits(nibbles, -4, 0, 4, 8), planes_bits(nibbles, 12, 16, 20, 24)};
    planes_points_1(index, high, first, second);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __mmask64 down = _mm512_movepi8_mask(high[h]);
        __m512i move = _mm512_mask_blend_epi8(down, _mm512_set1_epi8(1), _mm512_set1_epi8(-1));
        planes_expand_2(first[h], 8, 16, 24, w + 8 * h);
        planes_expand_2(second[h], 8, 16, 24, w + 8 * h + 4);
        QB_UNROLL
        for (int p = 0; p < 8; p++)
            w[8 * h + p] = _mm512_add_epi8(w[8 * h + p], move);
    }
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq1_m, plain, ROWS16_STRIDED)
W_KERNELS(iq1_m, r16, ROWS16_R16)

/*
 * IQ1_S for AVX512-VBMI: index bytes; words of upper index bits, scale and the move of 32 weights.
 */
#include "kernels/x86/scales_iq1_s_avx512.h"

#define W_GROUP 8
#define W_SUB   256
#define W_SHIFT 4
#define W_MIN   QB_MIN_I16

/* The points of two 32-blocks: w[0], w[1] and w[2], w[3], four fields of two bits a byte. */
QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    __m512i index[2] = {planes_chunk(block, 2 + 8 * c), planes_chunk(block, 6 + 8 * c)};
    __m512i words = planes_chunk(block, 34 + 4 * c), first[2], second[2];
    __m512i high[2] = {planes_bits(words, -4, -1, 2, 5), planes_bits(words, 12, 15, 18, 21)};
    planes_points_1(index, high, first, second);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        w[2 * h] = first[h];
        w[2 * h + 1] = second[h];
    }
}

/* 16 + (point - 1) times the scale. */
QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    const __m512i zero = _mm512_set1_epi8(16);
    __m512i odd = odd_pair(planes_chunk(block, 34 + 4 * c)), half[16];
    read_planes(block, c, half);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        planes_expand_2(half[i], 0, 1, 2, w + 4 * i);
    QB_UNROLL
    for (int i = 0; i < 16; i++) {
        __m512i scale = planes_spread(odd, i / 8 * 2);
        __m512i v = _mm512_mask_sub_epi8(zero, _mm512_testn_epi8_mask(w[i], w[i]), zero, scale);
        w[i] = _mm512_mask_add_epi8(v, _mm512_test_epi8_mask(w[i], _mm512_set1_epi8(2)), zero, scale);
    }
}

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq1_s, plain, ROWS16_STRIDED)
W_KERNELS(iq1_s, r16, ROWS16_R16)

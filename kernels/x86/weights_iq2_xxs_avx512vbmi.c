/*
 * IQ2_XXS for AVX512-VBMI: for 32 weights four index bytes, then a word of signs and scale.
 */
#include "kernels/x86/rows_iq2_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_XXS
#define W_BYTES  66
#define W_FIRST  2
#define W_GROUP  8
#define W_SUB    32
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE
#define W_CUT    3

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    struct planes_index x = {.byte = {planes_chunk(block, 2 + 16 * c), planes_chunk(block, 10 + 16 * c)}};
    __m512i half[2][2];
    planes_look_up_256(planes_table(qb_planes_iq2xxs[0]), &x, half[0]);
    planes_look_up_256(planes_table(qb_planes_iq2xxs[1]), &x, half[1]);
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __m512i word = planes_chunk(block, 6 + 16 * c + 8 * h);
        __m512i signs = planes_bits(word, 0, 7, 14, 21);
        planes_codes_iq2(half[0][h], half[1][h], signs, SIGNS_EVEN, w + 8 * h);
    }
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

/* The scales are the top nibbles of the words of signs. */
QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    sc->d = _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int k = 0; k < 8; k++)
        sc->nibble[k] = _mm512_srli_epi32(planes_chunk(block, 6 + 8 * k), 28);
}

QB_INLINE void rows_act(const struct qb_act *a, int64_t b, struct rows_act *x)
{
    rows_iq2_act(a, b, a->nsum32 + b * 8, x);
}

QB_INLINE void rows_block(const uint8_t *const p[4], const struct rows_act *x, float scale, __m512 acc[2])
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    struct planes_index index;
    __m512i half[2][2], words[2];
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i a = _mm512_loadu_si512(p[2 * i] + 2), b = _mm512_loadu_si512(p[2 * i + 1] + 2);
        index.byte[i] = _mm512_permutex2var_epi32(a, even, b);
        words[i] = _mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b);
    }
    planes_look_up_256(planes_table(qb_planes_iq2xxs[0]), &index, half[0]);
    planes_look_up_256(planes_table(qb_planes_iq2xxs[1]), &index, half[1]);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i signs = planes_bits(words[i], 0, 7, 14, 21);
        __m512i odd = planes_odd(_mm512_srli_epi32(words[i], 27), 0x1e);
        acc[i] =
            rows_iq2_add(acc[i], p + 2 * i, half[0][i], half[1][i], signs, SIGNS_EVEN, odd, W_SUB, x, scale);
    }
}

#include "kernels/x86/rows_few_avx512_tmpl.h"

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq2_xxs, plain, ROWS16_STRIDED)
W_KERNELS(iq2_xxs, r16, ROWS16_R16)

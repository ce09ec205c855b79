/*
 * IQ3_XXS for AVX512-VBMI: two index bytes for 8 weights, words of signs and scale for 32.
 */
#include "kernels/x86/weights_planes_avx512.h"

#define W_FORMAT QB_FORMAT_IQ3_XXS
#define W_BYTES  98
#define W_FIRST  2
#define W_SUB    32
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    static const int level[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i a = planes_chunk(block, 2 + 8 * k), b = planes_chunk(block, 6 + 8 * k);
        __m512i word = planes_chunk(block, 66 + 4 * k), sign[8], half[2][2];
        struct planes_index x = {.byte = {planes_every_second(a, b, 0), planes_every_second(a, b, 1)}};
        planes_look_up_256(planes_table(qb_planes_iq3xxs[0]), &x, half[0]);
        planes_look_up_256(planes_table(qb_planes_iq3xxs[1]), &x, half[1]);
        planes_split_signs(planes_even_signs(planes_bits(word, 0, 7, 14, 21)), sign);
        QB_UNROLL
        for (int n = 0; n < 4; n++)
            planes_codes_3(half[n % 2][n / 2], sign + 2 * n, 64, level, w + 8 * h + 2 * n);
    }
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

/* The scales are the top nibbles of the words of signs. */
QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    sc->d = _mm512_mul_ps(d, _mm512_set1_ps(0.25f));
    QB_UNROLL
    for (int k = 0; k < 8; k++)
        sc->odd[k] = planes_odd(_mm512_srli_epi32(planes_chunk(block, 66 + 4 * k), 27), 0x1e);
}

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq3_xxs, plain, ROWS16_STRIDED)
W_KERNELS(iq3_xxs, r16, ROWS16_R16)

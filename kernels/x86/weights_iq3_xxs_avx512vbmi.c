/*
 * IQ3_XXS for AVX512-VBMI: two index bytes for 8 weights, words of signs and scale for 32.
 */
#include "kernels/x86/weights_planes.h"

#define W_FORMAT QB_FORMAT_IQ3_XXS
#define W_BYTES  98
#define W_FIRST  2
#define W_SUB    32
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    static const int levels[8] = {64 + 4, 64 + 12, 64 + 20, 64 + 28, 64 + 36, 64 + 44, 64 + 52, 64 + 62};
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i a = planes_chunk(block, 2 + 8 * k), b = planes_chunk(block, 6 + 8 * k);
        __m512i word = planes_chunk(block, 66 + 4 * k);
        QB_UNROLL
        for (int n = 0; n < 4; n++) { /* first and second points of the groups, halves of a point */
            __m512i index = planes_every_second(a, b, n / 2);
            planes_expand_3(planes_look_up(qb_planes_iq3xxs[n % 2], index, NULL, 0), levels,
                            w + 8 * h + 2 * n);
        }
        planes_apply_signs(planes_even_signs(planes_bits(word, 0, 7, 14, 21)), W_SHIFT, w + 8 * h);
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

#include "kernels/x86/weights_planes_tmpl.h"

W_KERNELS(iq3_xxs, plain, ROWS16_STRIDED)
W_KERNELS(iq3_xxs, r16, ROWS16_R16)

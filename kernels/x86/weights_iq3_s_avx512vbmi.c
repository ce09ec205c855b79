/*
 * IQ3_S for AVX512-VBMI: two index bytes for 8 weights, their ninth bits and signs apart.
 */
#include "kernels/x86/weights_planes_avx512.h"

#define W_FORMAT QB_FORMAT_IQ3_S
#define W_BYTES  110
#define W_FIRST  2
#define W_SUB    32
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    static const int level[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i a = planes_chunk(block, 2 + 8 * k), b = planes_chunk(block, 6 + 8 * k);
        __m512i high = planes_spread(planes_chunk(block, 66 + k / 4 * 4), k % 4), sign[8], half[2][2];
        struct planes_index x = {.byte = {planes_every_second(a, b, 0), planes_every_second(a, b, 1)}};
        x.bit8[0] = _mm512_test_epi8_mask(high, EACH_GROUP(1, 4, 16, 64));
        x.bit8[1] = _mm512_test_epi8_mask(high, EACH_GROUP(2, 8, 32, 128));
        planes_look_up_512(planes_table(qb_planes_iq3s[0]), &x, half[0]);
        planes_look_up_512(planes_table(qb_planes_iq3s[1]), &x, half[1]);
        planes_split_signs(planes_chunk(block, 74 + 4 * k), sign);
        QB_UNROLL
        for (int n = 0; n < 4; n++)
            planes_codes_3(half[n % 2][n / 2], sign + 2 * n, 16, level, w + 8 * h + 2 * n);
    }
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    __m512i nibbles = planes_chunk(block, 106);
    sc->d = d;
    QB_UNROLL
    for (int k = 0; k < 8; k++) {
        __m512i doubled =
            k == 0 ? _mm512_slli_epi32(nibbles, 1) : _mm512_srli_epi32(nibbles, 4 * k - (k > 0));
        sc->odd[k] = planes_odd(doubled, 0x1e);
    }
}

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq3_s, plain, ROWS16_STRIDED)
W_KERNELS(iq3_s, r16, ROWS16_R16)

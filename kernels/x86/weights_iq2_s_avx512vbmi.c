/*
 * IQ2_S for AVX512-VBMI: index bytes, their upper two bits and signs apart.
 */
#include "kernels/x86/rows_iq2_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_S
#define W_BYTES  82
#define W_FIRST  2
#define W_GROUP  8
#define W_SUB    16
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE
#define W_CUT    2

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    struct planes_index x;
    __m512i half[2][2];
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __m512i high = planes_spread(planes_chunk(block, 66 + c / 2 * 4), c % 2 * 2 + h);
        x.byte[h] = planes_chunk(block, 2 + 8 * c + 4 * h);
        x.bit8[h] = _mm512_test_epi8_mask(high, EACH_GROUP(1, 4, 16, 64));
        x.bit9[h] = planes_ones(high, EACH_GROUP(2, 8, 32, 128));
    }
    planes_look_up_1024(planes_table(qb_planes_iq2s[0]), &x, half[0]);
    planes_look_up_1024(planes_table(qb_planes_iq2s[1]), &x, half[1]);
    QB_UNROLL
    for (int h = 0; h < 2; h++)
        planes_codes_iq2(half[0][h], half[1][h], planes_chunk(block, 34 + 8 * c + 4 * h), SIGNS_8, w + 8 * h);
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    planes_nibble_scales(block, 74, d, sc);
}

QB_INLINE void rows_act(const struct qb_act *a, int64_t b, struct rows_act *x)
{
    rows_iq2_act(a, b, a->npair16 + b * 16, x);
}

QB_INLINE void rows_block(const uint8_t *const p[4], const struct rows_act *x, float scale, __m512 acc[2])
{
    struct planes_index index;
    __m512i half[2][2];
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i high = planes_spread(rows_iq2_bytes(p + 2 * i, 66), 0);
        index.byte[i] = rows_iq2_load(p + 2 * i, 2);
        index.bit8[i] = _mm512_test_epi8_mask(high, EACH_GROUP(1, 4, 16, 64));
        index.bit9[i] = planes_ones(high, EACH_GROUP(2, 8, 32, 128));
    }
    planes_look_up_1024(planes_table(qb_planes_iq2s[0]), &index, half[0]);
    planes_look_up_1024(planes_table(qb_planes_iq2s[1]), &index, half[1]);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i signs = rows_iq2_load(p + 2 * i, 34), odd = rows_iq2_nibbles(p + 2 * i, 74);
        acc[i] =
            rows_iq2_add(acc[i], p + 2 * i, half[0][i], half[1][i], signs, SIGNS_8, odd, W_SUB, x, scale);
    }
}

#include "kernels/x86/rows_few_avx512_tmpl.h"

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq2_s, plain, ROWS16_STRIDED)
W_KERNELS(iq2_s, r16, ROWS16_R16)

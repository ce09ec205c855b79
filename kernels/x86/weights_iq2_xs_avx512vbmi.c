/*
 * IQ2_XS for AVX512-VBMI: words of 9 bits of index and 7 of signs.
 */
#include "kernels/x86/rows_iq2_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_XS
#define W_BYTES  74
#define W_FIRST  2
#define W_GROUP  8
#define W_SUB    16
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE
#define W_CUT    2

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    struct planes_index x;
    __m512i high[2], half[2][2];
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        __m512i a = planes_chunk(block, 2 + 16 * c + 8 * h), b = planes_chunk(block, 6 + 16 * c + 8 * h);
        x.byte[h] = planes_every_second(a, b, 0);
        high[h] = planes_every_second(a, b, 1);
        x.bit8[h] = _mm512_test_epi8_mask(high[h], _mm512_set1_epi8(1));
    }
    planes_look_up_512(planes_table(qb_planes_iq2xs[0]), &x, half[0]);
    planes_look_up_512(planes_table(qb_planes_iq2xs[1]), &x, half[1]);
    QB_UNROLL
    for (int h = 0; h < 2; h++)
        planes_codes_iq2(half[0][h], half[1][h], high[h], SIGNS_EVEN_UP, w + 8 * h);
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    planes_nibble_scales(block, 66, d, sc);
}

QB_INLINE void rows_act(const struct qb_act *a, int64_t b, struct rows_act *x)
{
    rows_iq2_act(a, b, a->npair16 + b * 16, x);
}

/* Every second of 128 bytes. */
static const uint8_t even_bytes[64] __attribute__((aligned(64))) = {
    0,  2,  4,  6,  8,  10, 12,  14,  16,  18,  20,  22,  24,  26,  28,  30,  32,  34,  36,  38,  40, 42,
    44, 46, 48, 50, 52, 54, 56,  58,  60,  62,  64,  66,  68,  70,  72,  74,  76,  78,  80,  82,  84, 86,
    88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126,
};

QB_INLINE void rows_block(const uint8_t *const p[4], const struct rows_act *x, float scale, __m512 acc[2])
{
    const __m512i even = _mm512_load_si512(even_bytes);
    struct planes_index index;
    __m512i half[2][2], high[2];
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i a = _mm512_loadu_si512(p[2 * i] + 2), b = _mm512_loadu_si512(p[2 * i + 1] + 2);
        index.byte[i] = _mm512_permutex2var_epi8(a, even, b);
        high[i] = _mm512_permutex2var_epi8(a, _mm512_add_epi8(even, _mm512_set1_epi8(1)), b);
        index.bit8[i] = _mm512_test_epi8_mask(high[i], _mm512_set1_epi8(1));
    }
    planes_look_up_512(planes_table(qb_planes_iq2xs[0]), &index, half[0]);
    planes_look_up_512(planes_table(qb_planes_iq2xs[1]), &index, half[1]);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i odd = rows_iq2_nibbles(p + 2 * i, 66);
        acc[i] = rows_iq2_add(acc[i], p + 2 * i, half[0][i], half[1][i], high[i], SIGNS_EVEN_UP, odd, W_SUB,
                              x, scale);
    }
}

#include "kernels/x86/rows_few_avx512_tmpl.h"

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq2_xs, plain, ROWS16_STRIDED)
W_KERNELS(iq2_xs, r16, ROWS16_R16)

/*
 * IQ3_S for AVX512-VBMI: two index bytes for 8 weights, their ninth bits and signs apart.
 */
#include "kernels/x86/rows_iq3_avx512.h"

#define W_FORMAT QB_FORMAT_IQ3_S
#define W_BYTES  110
#define W_FIRST  2
#define W_GROUP  4
#define W_SUB    32
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CUT    1

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i a = planes_chunk(block, 2 + 8 * k), b = planes_chunk(block, 6 + 8 * k);
        __m512i high = planes_spread(planes_chunk(block, 66 + k / 4 * 4), k % 4), half[2][2];
        struct planes_index x = {.byte = {a, b}};
        x.bit8[0] = _mm512_test_epi8_mask(high, EACH_GROUP(1, 2, 4, 8));
        x.bit8[1] = _mm512_test_epi8_mask(high, EACH_GROUP(16, 32, 64, 128));
        planes_look_up_512(planes_table(qb_planes_iq3s[0]), &x, half[0]);
        planes_look_up_512(planes_table(qb_planes_iq3s[1]), &x, half[1]);
        planes_codes_iq3(half, planes_chunk(block, 74 + 4 * k), qb_signed_iq3s, w + 8 * h);
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
    for (int k = 0; k < 8; k++)
        sc->nibble[k] = _mm512_srli_epi32(nibbles, 4 * (unsigned)k);
}

QB_INLINE __m512 row_scales(const uint8_t *p)
{
    const __m512i shift = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    return planes_odd_ps(_mm512_srlv_epi32(_mm512_set1_epi32((int)qb_load_u32(p + 106)), shift));
}

QB_INLINE void rows_block(const uint8_t *const p[2], const struct rows_act *x, float scale, __m512 acc[2])
{
    struct planes_index index;
    __m512i half[2][2];
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        index.byte[i] = _mm512_loadu_si512(p[i] + 2);
        index.bit8[i] = qb_load_u32(p[i] + 66) | (uint64_t)qb_load_u32(p[i] + 70) << 32;
    }
    planes_look_up_512(planes_table(qb_planes_iq3s[0]), &index, half[0]);
    planes_look_up_512(planes_table(qb_planes_iq3s[1]), &index, half[1]);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m256i signs = _mm256_loadu_si256((const void *)(p[i] + 74));
        __m512i dot = rows_iq3_dot(half[0][i], half[1][i], signs, W_SHIFT, qb_signed_iq3s, x);
        __m512 d = _mm512_set1_ps(qb_f16_to_f32(qb_load_u16(p[i])) * scale);
        acc[i] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), row_scales(p[i])), d, acc[i]);
    }
}

#include "kernels/x86/rows_few_avx512_tmpl.h"

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq3_s, plain, ROWS16_STRIDED)
W_KERNELS(iq3_s, r16, ROWS16_R16)

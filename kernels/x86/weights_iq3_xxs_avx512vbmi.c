/*
 * IQ3_XXS for AVX512-VBMI: two index bytes for 8 weights, words of signs and scale for 32.
 */
#include "kernels/x86/rows_iq3_avx512.h"

#define W_FORMAT QB_FORMAT_IQ3_XXS
#define W_BYTES  98
#define W_FIRST  2
#define W_GROUP  4
#define W_SUB    32
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE
#define W_CUT    3

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i a = planes_chunk(block, 2 + 8 * k), b = planes_chunk(block, 6 + 8 * k);
        __m512i word = planes_chunk(block, 66 + 4 * k), half[2][2];
        struct planes_index x = {.byte = {a, b}};
        planes_look_up_256(planes_table(qb_planes_iq3xxs[0]), &x, half[0]);
        planes_look_up_256(planes_table(qb_planes_iq3xxs[1]), &x, half[1]);
        planes_codes_iq3(half, planes_even_signs(planes_bits(word, 0, 7, 14, 21)), qb_signed_iq3xxs,
                         w + 8 * h);
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
        sc->nibble[k] = _mm512_srli_epi32(planes_chunk(block, 66 + 4 * k), 28);
}

QB_INLINE void rows_block(const uint8_t *const p[2], const struct rows_act *x, float scale, __m512 acc[2])
{
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)(p[0] + 66))),
                                       _mm256_loadu_si256((const void *)(p[1] + 66)), 1); /* of both rows */
    __m512i signs = planes_even_signs(planes_bits(words, 0, 7, 14, 21));
    __m512 odd = planes_odd_ps(_mm512_srli_epi32(words, 28));
    struct planes_index index = {.byte = {_mm512_loadu_si512(p[0] + 2), _mm512_loadu_si512(p[1] + 2)}};
    __m512i half[2][2];
    planes_look_up_256(planes_table(qb_planes_iq3xxs[0]), &index, half[0]);
    planes_look_up_256(planes_table(qb_planes_iq3xxs[1]), &index, half[1]);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m256i own = i ? _mm512_extracti64x4_epi64(signs, 1) : _mm512_castsi512_si256(signs);
        __m512i dot = rows_iq3_dot(half[0][i], half[1][i], own, W_SHIFT, qb_signed_iq3xxs, x);
        __m512 d = _mm512_set1_ps(qb_f16_to_f32(qb_load_u16(p[i])) * 0.25f * scale);
        __m512 scales = _mm512_permutexvar_ps(_mm512_add_epi32(twice, _mm512_set1_epi32(8 * i)), odd);
        acc[i] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), scales), d, acc[i]);
    }
}

#include "kernels/x86/rows_few_avx512_tmpl.h"

#include "kernels/x86/weights_planes_avx512_tmpl.h"

W_KERNELS(iq3_xxs, plain, ROWS16_STRIDED)
W_KERNELS(iq3_xxs, r16, ROWS16_R16)

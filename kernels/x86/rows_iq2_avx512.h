/*
 * Plain rows of IQ2 for rows_few_avx512_tmpl.h: the 32 indices of a block are half a vector, so a vector is
 * [2 rows][8 runs of 32][4 groups of 8] and is decoded as [16 rows][4 groups] is.
 */
#ifndef QB_KERNELS_X86_ROWS_IQ2_AVX512_H
#define QB_KERNELS_X86_ROWS_IQ2_AVX512_H

#include "kernels/x86/weights_planes_avx512.h"
#include <string.h>

#define W_ROWS 4

/* Activations by plane, and minus their sums over 32, or over 16 as pairs. */
struct rows_act {
    int8_t plane[8][32];
    int32_t nsum[8];
};

QB_INLINE void rows_iq2_act(const struct qb_act *a, int64_t b, const void *nsum, struct rows_act *x)
{
    const __m512i by_plane = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    int8_t by_run[QB_GEMV_MAX_COLS * 256] __attribute__((aligned(64)));
    planes_order(a->q + b * 256, 1, 8, by_run);
    QB_UNROLL
    for (int h = 0; h < 2; h++) { /* planes 4 h to 4 h + 3 */
        __m512i at = _mm512_add_epi32(by_plane, _mm512_set1_epi32(4 * h)), v[2];
        QB_UNROLL
        for (int i = 0; i < 2; i++) /* runs 4 i to 4 i + 3 */
            v[i] = _mm512_permutex2var_epi32(_mm512_load_si512(by_run + 128 * i), at,
                                             _mm512_load_si512(by_run + 128 * i + 64));
        _mm512_storeu_si512(x->plane[4 * h], _mm512_permutex2var_epi64(v[0], first, v[1]));
        _mm512_storeu_si512(
            x->plane[4 * h + 2],
            _mm512_permutex2var_epi64(v[0], _mm512_add_epi64(first, _mm512_set1_epi64(4)), v[1]));
    }
    memcpy(x->nsum, nsum, sizeof x->nsum);
}

/* 32 bytes at offset o of two rows. */
QB_INLINE __m512i rows_iq2_load(const uint8_t *const p[2], int o)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)(p[0] + o))),
                              _mm256_loadu_si256((const void *)(p[1] + o)), 1);
}

/* 8 bytes at offset o of two rows, a dword each. */
QB_INLINE __m512i rows_iq2_bytes(const uint8_t *const p[2], int o)
{
    return _mm512_cvtepu8_epi32(rows16_halves(p[0] + o, p[1] + o));
}

/* Two nibbles for 32 weights: pairs of odd scales. */
QB_INLINE __m512i rows_iq2_nibbles(const uint8_t *const p[2], int o)
{
    __m512i bytes = rows_iq2_bytes(p, o);
    return planes_odd(_mm512_or_si512(_mm512_slli_epi32(bytes, 1), _mm512_slli_epi32(bytes, 13)), 0x001e001e);
}

QB_INLINE __m512i rows_iq2_twice(const void *p)
{
    return _mm512_broadcast_i64x4(_mm256_load_si256(p));
}

/* The codes of one vector times the activations: one scale for 32 weights, or two of 16. */
QB_INLINE __m512i rows_iq2_dot32(const __m512i w[8], __m512i odd, const struct rows_act *x)
{
    __m512i sum[2] = {_mm512_slli_epi32(rows_iq2_twice(x->nsum), 6), _mm512_setzero_si512()};
    QB_UNROLL
    for (int p = 0; p < 8; p++)
        sum[p % 2] = _mm512_dpbusd_epi32(sum[p % 2], w[p], rows_iq2_twice(x->plane[p]));
    return _mm512_mullo_epi32(_mm512_add_epi32(sum[0], sum[1]), odd);
}

QB_INLINE __m512i rows_iq2_dot16(const __m512i w[8], __m512i odd, const struct rows_act *x)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum[2] = {_mm512_slli_epi32(_mm512_dpwssd_epi32(zero, odd, rows_iq2_twice(x->nsum)), 6), zero};
    QB_UNROLL
    for (int p = 0; p < 8; p++)
        sum[p % 2] =
            _mm512_dpwssd_epi32(sum[p % 2], _mm512_maddubs_epi16(w[p], rows_iq2_twice(x->plane[p])), odd);
    return _mm512_add_epi32(sum[0], sum[1]);
}

/* acc += what one block of two rows adds. half: what the look-ups gave, signs: a byte a group, sub: 16, 32.
 */
QB_INLINE __m512 rows_iq2_add(__m512 acc, const uint8_t *const p[2], __m512i half0, __m512i half1,
                              __m512i signs, enum planes_signs kind, __m512i odd, int sub,
                              const struct rows_act *x, float scale)
{
    __m512i w[8];
    planes_codes_iq2(half0, half1, signs, kind, w);
    __m512i sum = sub == 32 ? rows_iq2_dot32(w, odd, x) : rows_iq2_dot16(w, odd, x);
    __m256i d =
        _mm256_set_m128i(_mm_set1_epi16((short)qb_load_u16(p[1])), _mm_set1_epi16((short)qb_load_u16(p[0])));
    __m512 factor = _mm512_mul_ps(_mm512_cvtph_ps(d), _mm512_set1_ps(0.125f * scale));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), factor, acc);
}

#endif

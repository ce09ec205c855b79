/*
 * Activations to int8 and to bf16, AVX-512. bf16 is rounded in integers: vcvtneps2bf16 would flush
 * subnormals.
 */
#include "kernels/x86/simd_avx512.h"

#define QB_ISA_FN(name) qb_##name##_avx512vnni

INLINE __m256i pack_32(const vf *v)
{
    return _mm256_set_m128i(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v[1])),
                            _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v[0])));
}

#include "kernels/x86/act_tmpl.h"

INLINE __m256i round_bf16(__m512i x)
{
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
}

/* Pairs of one column, `width` apart. */
INLINE void column_bf16(const float *x, int64_t n_k, uint32_t *to, int width)
{
    for (int64_t k = 0; k < n_k; k += 16) {
        int n = n_k - k < 16 ? (int)(n_k - k) : 16;
        uint32_t pair[8];
        __m512i v = _mm512_castps_si512(vf_load_n(x + k, n));
        _mm256_storeu_si256((__m256i *)(void *)pair, round_bf16(v));
        for (int i = 0; i < n / 2; i++)
            to[(k / 2 + i) * width] = pair[i];
    }
}

/* By column: 32 together, the last ones with zeros behind. */
INLINE void column_bf16_together(const float *x, int64_t n_k, uint16_t *to, int width)
{
    int64_t k = 0;
    for (; k < n_k; k += 16) {
        int n = n_k - k < 16 ? (int)(n_k - k) : 16;
        uint16_t *half = to + k / 32 * 32 * width + k % 32;
        _mm256_storeu_si256((__m256i *)(void *)half, round_bf16(_mm512_castps_si512(vf_load_n(x + k, n))));
    }
    if (k % 32 > 0)
        _mm256_storeu_si256((__m256i *)(void *)(to + k / 32 * 32 * width + 16), _mm256_setzero_si256());
}

void qb_act_bf16_avx512vnni(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    for (int c = c0; c < c1; c++) {
        int pos, width, tile = qb_act_tile_of(a, c, &pos);
        int64_t first = qb_act_tile(a, tile, &width);
        uint16_t *to = a->bf16 + qb_act_bf16_at(a, first, width, pos, 0);
        const float *column = x + (size_t)c * ldx;
        if (a->by_column)
            column_bf16_together(column, a->n_k, to, width);
        else
            column_bf16(column, a->n_k, (uint32_t *)(void *)to, width);
    }
}

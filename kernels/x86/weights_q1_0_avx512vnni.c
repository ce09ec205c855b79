/*
 * Q1_0 for AVX512-VNNI: f16 d, 128 sign bits; code 0 or 2, weight = d * (code - 1).
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q1_0
#define W_ELEMS  128
#define W_BYTES  18
#define W_SUB    32
#define W_SHIFT  0
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 0, 0, kind);
    h->scale[1] = h->scale[2] = h->scale[3] = h->scale[0];
}

/* Every byte gets the bits of four weights, keeps its own (worth 2 or more) and becomes 2 if that is set. */
QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    __m512i v[4];
    rows16_load(s, 2, kind, v);
    __m512i up = _mm512_slli_epi32(v[c], 1);
    QB_UNROLL
    for (int g = 0; g < 8; g++) {
        __m512i own = _mm512_set1_epi32(g % 2 ? (int)0x80402010u : 0x10080402);
        __m512i bits = _mm512_and_si512(spread_byte(g % 2 ? v[c] : up, g / 2), own);
        w[g] = _mm512_min_epu8(bits, _mm512_set1_epi8(2));
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q1_0, plain, ROWS16_STRIDED)
W_KERNELS(q1_0, r16, ROWS16_R16)

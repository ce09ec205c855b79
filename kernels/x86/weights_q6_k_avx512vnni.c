/*
 * Q6_K for AVX512-VNNI: chunk c holds 16 of every 32 weights of one half block, so that each byte is loaded
 * once.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q6_K
#define W_ELEMS  256
#define W_BYTES  210
#define W_SUB    16
#define W_SHIFT  5
#define W_MIN    QB_MIN_NONE
#define W_CUT    1
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i v[4];
    h->d = rows16_scale(s, 208, 194, kind);
    if (!rows16_is_reordered(kind))
        rows16_load(s, 192, kind, v);
    QB_UNROLL
    for (int i = 0; i < 16; i++) {
        __m512i sc;
        if (rows16_is_reordered(kind)) /* 8 rows' scales of sub-block i side by side */
            sc = _mm512_cvtepi8_epi32(rows16_halves(s->p[0] + 8 * (2 + i), s->p[1] + 8 * (2 + i)));
        else /* signed bytes: shift up, then arithmetically down */
            sc = _mm512_srai_epi32(_mm512_slli_epi32(v[i / 4], 24 - i % 4 * 8), 24);
        h->scale[i] = _mm512_cvtepi32_ps(sc);
        h->scale_pair[i / 2] = i % 2 == 0 ? sc : pack_pair(h->scale_pair[i / 2], sc);
    }
}

/* 8x4, 8x8: scale and scales come before the quants. */
QB_INLINE void load_quants(const struct rows16 *s, int o, enum rows16_kind kind, __m512i v[4])
{
    rows16_load(s, rows16_is_reordered(kind) ? o + 18 : o, kind, v);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    const __m512i two = _mm512_set1_epi8(0x30);
    int half = c / 2, part = c % 2; /* 128 weights, and which 16 of each 32 */
    __m512i a[4], b[4], high[4];
    load_quants(s, 64 * half + 16 * part, kind, a);
    load_quants(s, 64 * half + 32 + 16 * part, kind, b);
    load_quants(s, 128 + 32 * half + 16 * part, kind, high);
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i h0 = _mm512_and_si512(_mm512_slli_epi16(high[i], 4), two);
        __m512i h1 = _mm512_and_si512(_mm512_slli_epi16(high[i], 2), two);
        __m512i h2 = _mm512_and_si512(high[i], two);
        __m512i h3 = _mm512_and_si512(_mm512_srli_epi16(high[i], 2), two);
        w[i] = _mm512_or_si512(low_nibbles(a[i]), h0);
        w[4 + i] = _mm512_or_si512(low_nibbles(b[i]), h1);
        w[8 + i] = _mm512_or_si512(high_nibbles(a[i]), h2);
        w[12 + i] = _mm512_or_si512(high_nibbles(b[i]), h3);
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 8 * (c / 2) + 2 * j + c % 2;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q6_k, plain, ROWS16_STRIDED)
W_KERNELS(q6_k, r16, ROWS16_R16)
W_KERNELS(q6_k, 8x4, ROWS16_8X4)
W_KERNELS(q6_k, 8x8, ROWS16_8X8)

/*
 * IQ4_XS for AVX512-VNNI: 8 sub-blocks of 32 nibbles that choose one of 16 levels, 6-bit signed scales.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_IQ4_XS
#define W_ELEMS  256
#define W_BYTES  136
#define W_SUB    32
#define W_SHIFT  7
#define W_MIN    QB_MIN_NONE
#define W_CUT    4
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i v[4]; /* v[0]: f16 d, 16 high bits of the scales; v[1]: the low nibbles */
    rows16_load(s, 0, kind, v);
    h->d = rows16_f16_low(v[0]);
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m512i lo = _mm512_and_si512(_mm512_srli_epi32(v[1], 4 * i), _mm512_set1_epi32(15));
        __m512i hi = _mm512_and_si512(_mm512_srli_epi32(v[0], 16 + 2 * i), _mm512_set1_epi32(3));
        __m512i ls = _mm512_sub_epi32(_mm512_or_si512(lo, _mm512_slli_epi32(hi, 4)), _mm512_set1_epi32(32));
        h->scale[i] = _mm512_cvtepi32_ps(ls);
        h->scale_pair[i / 2] = i % 2 == 0 ? ls : pack_pair(h->scale_pair[i / 2], ls);
    }
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    __m512i v[4];
    rows16_load(s, 8 + 16 * c, kind, v);
    split_nibbles(v, w);
    QB_UNROLL
    for (int i = 0; i < 8; i++)
        w[i] = iq4_codes(w[i]);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(iq4_xs, plain, ROWS16_STRIDED)
W_KERNELS(iq4_xs, r16, ROWS16_R16)

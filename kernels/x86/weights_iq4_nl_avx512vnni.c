/*
 * IQ4_NL for AVX512-VNNI: 32 nibbles that choose one of 16 levels, weight = d * level.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_IQ4_NL
#define W_ELEMS  32
#define W_BYTES  18
#define W_SUB    32
#define W_SHIFT  7
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 0, 0, kind);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    (void)c;
    __m512i v[4];
    rows16_load(s, 2, kind, v);
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

W_KERNELS(iq4_nl, plain, ROWS16_STRIDED)
W_KERNELS(iq4_nl, r16, ROWS16_R16)
W_KERNELS(iq4_nl, 4x4, ROWS16_4X4)
W_KERNELS(iq4_nl, 8x8, ROWS16_8X8)

/*
 * Q5_0 for AVX512-VNNI: 32 nibbles and a dword of fifth bits, weight = d * (code - 16).
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q5_0
#define W_ELEMS  32
#define W_BYTES  22
#define W_SUB    32
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 0, 0, kind);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    (void)c;
    __m512i v[4], fifth[4];
    rows16_load(s, 6, kind, v);
    rows16_load(s, 2, kind, fifth); /* its first dword; the rest is never used */
    split_nibbles(v, w);
    add_fifth_bits(fifth[0], w);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q5_0, plain, ROWS16_STRIDED)
W_KERNELS(q5_0, r16, ROWS16_R16)

/*
 * Q4_1 for AVX512-VNNI: 32 nibbles, weight = d * code + m.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q4_1
#define W_ELEMS  32
#define W_BYTES  20
#define W_SUB    32
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_F32
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i v[4];
    rows16_load(s, 0, kind, v);
    read_scale_and_min(v[0], h);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    (void)c;
    __m512i v[4];
    rows16_load(s, 4, kind, v);
    split_nibbles(v, w);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q4_1, plain, ROWS16_STRIDED)
W_KERNELS(q4_1, r16, ROWS16_R16)

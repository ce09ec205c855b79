/*
 * Q4_0 for AVX512-VNNI: 32 nibbles, weight = d * (code - 8).
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q4_0
#define W_ELEMS  32
#define W_BYTES  18
#define W_SUB    32
#define W_SHIFT  3
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
    if (kind == ROWS16_4X4 || kind == ROWS16_4X8 || kind == ROWS16_8X8) {
        /* these layouts keep nibbles as two's complement: flip the top bits back */
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            v[i] = _mm512_xor_si512(v[i], _mm512_set1_epi8((char)0x88));
    }
    split_nibbles(v, w);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q4_0, plain, ROWS16_STRIDED)
W_KERNELS(q4_0, r16, ROWS16_R16)
W_KERNELS(q4_0, 4x4, ROWS16_4X4)
W_KERNELS(q4_0, 4x8, ROWS16_4X8)
W_KERNELS(q4_0, 8x8, ROWS16_8X8)

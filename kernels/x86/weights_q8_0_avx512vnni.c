/*
 * Q8_0 for AVX512-VNNI: 32 signed bytes, weight = d * byte.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q8_0
#define W_ELEMS  32
#define W_BYTES  34
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
    rows16_load(s, 2, kind, w);
    rows16_load(s, 18, kind, w + 4);
    QB_UNROLL
    for (int i = 0; i < 8; i++) /* int8 to code = weight + 128 */
        w[i] = _mm512_xor_si512(w[i], _mm512_set1_epi8((char)0x80));
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q8_0, plain, ROWS16_STRIDED)
W_KERNELS(q8_0, r16, ROWS16_R16)
W_KERNELS(q8_0, 4x4, ROWS16_4X4)
W_KERNELS(q8_0, 4x8, ROWS16_4X8)

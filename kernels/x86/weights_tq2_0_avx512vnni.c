/*
 * TQ2_0 for AVX512-VNNI: 256 codes of two bits in planes, f16 d; weight = d * (code - 1).
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_TQ2_0
#define W_ELEMS  256
#define W_BYTES  66
#define W_SUB    256
#define W_RUN    16
#define W_SHIFT  0
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 64, 50, kind);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    __m512i v[4];
    rows16_load(s, 16 * c, kind, v);
    QB_UNROLL
    for (int i = 0; i < 16; i++)
        w[i] = two_bits(v[i % 4], i / 4);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(tq2_0, plain, ROWS16_STRIDED)
W_KERNELS(tq2_0, r16, ROWS16_R16)

/*
 * Q4_K for AVX512-VNNI: chunk c holds sub-blocks 2c (low nibbles) and 2c + 1 (high nibbles).
 */
#include "kernels/x86/weights_k_avx512.h"

#define W_FORMAT QB_FORMAT_Q4_K
#define W_ELEMS  256
#define W_BYTES  144
#define W_SUB    32
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_I16
#define W_CUT    1
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    read_k_header(s, kind, h);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i v[4];
        rows16_load(s, 16 + 32 * c + 16 * i, kind, v);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            w[4 * i + j] = low_nibbles(v[j]);
            w[8 + 4 * i + j] = high_nibbles(v[j]);
        }
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q4_k, plain, ROWS16_STRIDED)
W_KERNELS(q4_k, r16, ROWS16_R16)
W_KERNELS(q4_k, 8x4, ROWS16_8X4)
W_KERNELS(q4_k, 8x8, ROWS16_8X8)

/*
 * MXFP4 for AVX512-VNNI: a power of two, 32 nibbles that choose one of 16 levels.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_MXFP4
#define W_ELEMS  32
#define W_BYTES  17
#define W_SUB    32
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

/* 2^(e - 128), subnormal or not. */
QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i e;
    if (rows16_group(kind) > 1) {
        e = _mm512_cvtepu8_epi32(rows16_first_bytes(s, kind));
    } else {
        __m512i v[4];
        rows16_load(s, 0, kind, v);
        e = _mm512_and_si512(v[0], _mm512_set1_epi32(0xff));
    }
    __m512 exponent = _mm512_cvtepi32_ps(_mm512_sub_epi32(e, _mm512_set1_epi32(128)));
    h->scale[0] = _mm512_scalef_ps(_mm512_set1_ps(1.0f), exponent);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    (void)c;
    __m512i v[4];
    rows16_load(s, 1, kind, v);
    split_nibbles(v, w);
    QB_UNROLL
    for (int i = 0; i < 8; i++)
        w[i] = fp4_codes(w[i]);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(mxfp4, plain, ROWS16_STRIDED)
W_KERNELS(mxfp4, r16, ROWS16_R16)
W_KERNELS(mxfp4, 4x4, ROWS16_4X4)
W_KERNELS(mxfp4, 8x8, ROWS16_8X8)

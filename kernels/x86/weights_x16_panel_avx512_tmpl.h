/*
 * Panels of x16 formats of planes with a scale for 16 weights, for AVX512. The includer defines W_FORMAT,
 * W_ELEMS, W_BYTES, W_SHIFT, W_MIN, W_CUT and W_SUB (weights_avx512_tmpl.h), read_scales() and plane_codes()
 * as weights_x16_gemv_avx512_tmpl.h wants them. With W_SUB 32 both scales of a 32 are the same.
 */
#define W_RUN   16
#define W_CHUNK 64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i pair[8];
    (void)kind;
    h->d = read_scales(s, pair);
    QB_UNROLL
    for (int i = 0; i < W_ELEMS / W_SUB / 2; i++)
        h->scale_pair[i] = W_SUB == 16 ? pair[i] : pack_pair(pair[2 * i], pair[2 * i + 1]);
}

/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    (void)kind;
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i plane[4];
        plane_codes(s, c / 2, c % 2 * 4 + i, plane);
        QB_UNROLL
        for (int j = 0; j < 4; j++)
            w[4 * j + i] = plane[j];
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

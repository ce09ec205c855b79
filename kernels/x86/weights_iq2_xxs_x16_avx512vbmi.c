/*
 * Panels of IQ2_XXS in x16: a scale for 32 weights, which stands there twice.
 */
#include "kernels/x86/weights_iq2_x16_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_XXS
#define W_SUB    32
#define W_RUN    16
#define W_CUT    3
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    (void)kind;
    __m512i pair[8];
    h->d = read_scales(s, pair);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        h->scale_pair[i] = pack_pair(pair[2 * i], pair[2 * i + 1]);
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

W_PANEL(iq2_xxs, x16, avx512vbmi, ROWS16_R16)

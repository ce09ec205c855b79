/*
 * Panels of IQ2_XS and IQ2_S in x16: a scale for 16 weights.
 */
#include "kernels/x86/weights_iq2_x16_avx512.h"

#define W_FORMAT QB_FORMAT_IQ2_S
#define W_SUB    16
#define W_RUN    16
#define W_CUT    2
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    (void)kind;
    h->d = read_scales(s, h->scale_pair);
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

W_PANEL(iq2, x16, avx512vbmi, ROWS16_R16)

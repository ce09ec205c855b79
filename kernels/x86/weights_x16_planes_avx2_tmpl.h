/*
 * weights_avx2_tmpl.h for x16 formats of planes with a scale for 16 weights: the order of their runs, for
 * panels and GEMV. The includer defines plane_codes() (weights_x16_gemv_avx2_tmpl.h) and what else the
 * template wants.
 */
/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    __m256i w[4];
    plane_codes(b, c / 2, c % 2 * 4 + i, w);
    return w[j];
}

#include "kernels/x86/weights_avx2_tmpl.h"

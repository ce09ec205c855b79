/*
 * What the AVX-VNNI GEMVs of blocks under one scale share. Their decoders are those of AVX2, but two-bit
 * planes are multiplied where they stand in the byte, 4^plane too large, and their sums shifted.
 */
#ifndef QB_KERNELS_WEIGHTS_AVXVNNI_H
#define QB_KERNELS_WEIGHTS_AVXVNNI_H

#include "kernels/x86/weights_avx2.h"

/* sum += codes w of both vectors of rows times activations i of a run (q). */
QB_INLINE void add_dots(struct gemv_sums *sum, const __m256i w[GEMV_VECS], const int8_t *q, int i, int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        sum->v[v][n] = _mm256_dpbusd_avx_epi32(sum->v[v][n], w[v], gemv_x4(q + (i * cols + n) * 4));
        QB_IN_ORDER(sum->v[v][n]);
    }
}

/* sum += products of the bits `mask` of four bytes each at b + o, where they stand, with the 16 activations
 * at q. */
QB_INLINE void add_masked(struct gemv_sums *sum, const struct block8 *b, int o, int mask, const int8_t *q,
                          int cols)
{
    const __m256i bits = _mm256_set1_epi8((char)mask);
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m256i w[GEMV_VECS] = {_mm256_and_si256(block8_dwords(b[0], o + 4 * i), bits),
                                      _mm256_and_si256(block8_dwords(b[1], o + 4 * i), bits)};
        add_dots(sum, w, q, i, cols);
    }
}

/* sum += the sums of two runs, shifted, which fit into int16, times a pair of factors for each row. */
QB_INLINE void add_scaled_pair(struct gemv_sums *sum, const struct gemv_sums run[2], int shift,
                               const __m256i factors[GEMV_VECS], int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i first = _mm256_srli_epi32(run[0].v[v][n], shift);
        __m256i pair = _mm256_blend_epi16(first, _mm256_slli_epi32(run[1].v[v][n], 16 - shift), 0xaa);
        sum->v[v][n] = _mm256_dpwssd_avx_epi32(sum->v[v][n], pair, factors[v]);
    }
}

#endif

/*
 * GEMV of x16 formats of planes with a scale for 16 weights, for AVX2 and AVX-VNNI: int16 sums of products
 * meet their integer scale where others meet ones. The includer defines W_ELEMS ... W_DEPTH as
 * weights_avx2_tmpl.h wants them, and
 *
 *   __m256 read_unit(struct block8 b);
 *            what multiplies integer scales
 *   __m256i odd_scales(struct block8 b, int i);
 *            those of 16s 4 i .. 4 i + 3, in bytes
 *   void plane_codes(struct block8 b, int h, int i, __m256i w[4]);
 *            weights 4 i .. 4 i + 3 of the 32s in the planes of q[h], as codes, a vector a plane
 *            or W_OWN_CHUNK and add_chunk(), see below
 *   __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale);
 *            sum + pairs times scale, int16 by pairs
 */

#define W_SUB 256

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, read_unit(b));
}

/* What the offset of the codes costs: minus the activations' sums (npair16 of the block) times the scales. */
QB_INLINE void start_offset(struct gemv_sums *sum, const struct block8 *b, const int16_t *npair, int cols)
{
    start_sums(sum, NULL, cols);
    QB_UNROLL
    for (int k = 0; k < 8 * GEMV_VECS; k++) {
        const int s = k / GEMV_VECS, v = k % GEMV_VECS;
        __m256i pair = int16_pair(odd_scales(b[v], s / 2), s % 2);
        QB_UNROLL
        for (int i = 0; i < cols; i++) {
            int32_t n;
            memcpy(&n, npair + (s * cols + i) * 2, sizeof n);
            sum->v[v][i] = add_scaled(sum->v[v][i], pair, _mm256_set1_epi32(n));
        }
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        __m256i *at = &sum->v[x % GEMV_VECS][x / GEMV_VECS];
        *at = _mm256_slli_epi32(*at, W_SHIFT);
    }
}

#ifndef W_OWN_CHUNK
/* sum += the products of weights 4 i .. 4 i + 3 of chunk c (16 bytes, half of q[c / 2]); q: of the block. */
QB_INLINE void add_codes(struct gemv_sums *sum, const struct block8 *b, int c, int i,
                         const __m256i scale[4][GEMV_VECS], const int8_t *q, int cols)
{
    __m256i w[GEMV_VECS][4];
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++)
        plane_codes(b[v], c / 2, c % 2 * 4 + i, w[v]);
    QB_UNROLL
    for (int x = 0; x < 4 * cols * GEMV_VECS; x++) {
        const int j = x / (cols * GEMV_VECS), n = x / GEMV_VECS % cols, v = x % GEMV_VECS;
        const int8_t *at = q + (4 * j + c) * 16 * cols + (i * cols + n) * 4;
        __m256i pairs = _mm256_maddubs_epi16(w[v][j], gemv_x4(at));
        sum->v[v][n] = add_scaled(sum->v[v][n], pairs, scale[j][v]);
        QB_IN_ORDER(sum->v[v][n]);
    }
}

/* sum += the products of chunk c, a 16 in each plane. */
QB_INLINE void add_chunk(struct gemv_sums *sum, const struct block8 *b, int c,
                         const __m256i scale[4][GEMV_VECS], const int8_t *q, int cols)
{
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        add_codes(sum, b, c, i, scale, q, cols);
}
#endif

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    start_offset(sum, b, a->npair16 + n * 16 * cols, cols);
    QB_UNROLL
    for (int c = 0; c < 4; c++) {
        __m256i scale[4][GEMV_VECS];
        stream_ask_run(ahead + c * step, step);
        QB_UNROLL
        for (int x = 0; x < 4 * GEMV_VECS; x++) { /* of 16s 4 j + c */
            const int j = x / GEMV_VECS, v = x % GEMV_VECS;
            scale[j][v] = twice_byte(odd_scales(b[v], j), c, false);
        }
        add_chunk(sum, b, c, scale, a->q + n * W_ELEMS * cols, cols);
    }
}

#include "kernels/x86/weights_x16_planes_avx2_tmpl.h"

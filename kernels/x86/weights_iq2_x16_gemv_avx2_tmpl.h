/*
 * GEMV of IQ2 in x16 for AVX2 and AVX-VNNI: int16 sums of products meet their integer scale where others meet
 * ones. The includer defines
 *
 *   __m256i add_16(__m256i sum, const __m256i product[4], __m256i scale);
 *            sum + the products of 16 weights (int16, pairs of neighbours added) times scale
 */
#define W_SUB 256
#define W_RUN 32

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, read_unit(b));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

/* sum += the products of run `half` of 32s number k; odd: the scales of 64 weights, q: their activations. */
QB_INLINE void add_run(struct gemv_sums *sum, const struct block8 *b, int k, int half,
                       const __m256i odd[GEMV_VECS], const int8_t *q, int cols)
{
    const int run = k % 2 * 2 + half;
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++) {
        __m256i scale = twice_byte(odd[v], run, false), w[4];
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            w[i] = read_code(b[v], k, half, i);
        QB_UNROLL
        for (int n = 0; n < cols; n++) {
            __m256i product[4];
            QB_UNROLL
            for (int i = 0; i < 4; i++)
                product[i] = _mm256_maddubs_epi16(w[i], gemv_x4(q + (run * 16 * cols) + (i * cols + n) * 4));
            sum->v[v][n] = add_16(sum->v[v][n], product, scale);
            QB_IN_ORDER(sum->v[v][n]);
        }
    }
}

/* What the offset of the codes costs: minus the activations' sums (npair16 of 64 weights) times the scales.
 */
QB_INLINE void add_offset(struct gemv_sums *sum, const __m256i odd[GEMV_VECS], const int16_t *npair, int cols)
{
    QB_UNROLL
    for (int x = 0; x < 2 * GEMV_VECS; x++) {
        const int v = x / 2, i = x % 2;
        __m256i pair = int16_pair(odd[v], i);
        QB_UNROLL
        for (int n = 0; n < cols; n++) {
            int32_t of_32;
            memcpy(&of_32, npair + (i * cols + n) * 2, sizeof of_32);
            __m256i part = _mm256_madd_epi16(pair, _mm256_set1_epi32(of_32));
            sum->v[v][n] = _mm256_add_epi32(sum->v[v][n], _mm256_slli_epi32(part, W_SHIFT));
        }
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    const int16_t *npair = a->npair16 + n * 16 * cols;
    start_sums(sum, NULL, cols);
    QB_UNROLL
    for (int i = 0; i < 4; i++) { /* 64 weights */
        const __m256i odd[GEMV_VECS] = {odd_scales(b[0], i), odd_scales(b[1], i)};
        stream_ask_run(ahead + i * step, step);
        add_offset(sum, odd, npair + i * 4 * cols, cols);
        QB_UNROLL
        for (int run = 0; run < 4; run++)
            add_run(sum, b, 2 * i + run / 2, run % 2, odd, q + i * 64 * cols, cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

/*
 * TQ1_0 for AVX2.
 */
#include "kernels/x86/weights_tq1_0_avx2.h"

/* Add `digits` digits of the four bytes at o; digit n meets the activations at q + n * step. */
QB_INLINE void add_digits(struct gemv_sums *part, const struct block8 *b, int o, int digits, const int8_t *q,
                          int step, int cols, bool first)
{
    __m256i v[GEMV_VECS] = {read_bytes(b[0], o), read_bytes(b[1], o)};
    QB_UNROLL
    for (int n = 0; n < digits; n++) {
        const __m256i w[GEMV_VECS] = {top_digit(v[0]), top_digit(v[1])};
        add_products(part, w, q + n * step * cols, 0, cols, first && n == 0);
        v[0] = times3(v[0]);
        v[1] = times3(v[1]);
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 3;
    const __m256i one = _mm256_set1_epi16(1), ones[GEMV_VECS] = {one, one};
    const int8_t *q = a->q + n * W_ELEMS * cols;
    struct gemv_sums part;
    start_sums(sum, a->nsum256 + n * cols, cols);
    for (int p = 0; p < 3; p++) {
        const int8_t *x = q + (p < 2 ? 16 * p : 160) * cols;
        stream_ask_run(ahead + p * step, step);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            add_digits(&part, b, 16 * p + 4 * i, 5, x + 4 * i * cols, p < 2 ? 32 : 16, cols, i == 0);
        add_part(sum, &part, ones, cols);
    }
    add_digits(&part, b, 48, 4, q + 240 * cols, 4, cols, true);
    add_part(sum, &part, ones, cols);
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(tq1_0, plain, ROWS8_PLAIN)
W_KERNELS(tq1_0, r16, ROWS8_R16)

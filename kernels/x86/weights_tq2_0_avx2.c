/*
 * TQ2_0 for AVX2.
 */
#include "kernels/x86/weights_tq2_0_avx2.h"

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const __m256i one = _mm256_set1_epi16(1), ones[GEMV_VECS] = {one, one};
    const int8_t *q = a->q + n * W_ELEMS * cols;
    start_sums(sum, a->nsum256 + n * cols, cols);
    for (int c = 0; c < 4; c++) {
        struct gemv_sums part;
        stream_ask_run(ahead + c * step, step);
        QB_UNROLL
        for (int x = 0; x < 16; x++) {
            const int i = x / 4, j = x % 4;
            const __m256i w[GEMV_VECS] = {read_code(b[0], c, j, i), read_code(b[1], c, j, i)};
            add_products(&part, w, q + chunk_sub(c, j) * 16 * cols, i, cols, x == 0);
        }
        add_part(sum, &part, ones, cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(tq2_0, plain, ROWS8_PLAIN)
W_KERNELS(tq2_0, r16, ROWS8_R16)

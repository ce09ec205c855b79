/*
 * Q2_K for AVX2.
 */
#include "kernels/x86/weights_q2_k_avx2.h"

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    __m256i scale[16][GEMV_VECS];
    QB_UNROLL
    for (int x = 0; x < 16 * GEMV_VECS; x++) {
        const int k = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i sc = twice_byte(read_scales(b[v], k / 4), k % 4, false);
        scale[k][v] = _mm256_and_si256(sc, _mm256_set1_epi16(15));
    }
    start_sums(sum, NULL, cols);
    for (int c = 0; c < 4; c++) {
        stream_ask_run(ahead + c * step, step);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            const int run = chunk_sub(c, j);
            struct gemv_sums part;
            QB_UNROLL
            for (int i = 0; i < 4; i++) {
                const __m256i w[GEMV_VECS] = {two_bits(block8_dwords(b[0], 16 + 16 * c + 4 * i), j),
                                              two_bits(block8_dwords(b[1], 16 + 16 * c + 4 * i), j)};
                add_products(&part, w, q + run * 16 * cols, i, cols, i == 0);
            }
            add_part(sum, &part, scale[run], cols);
        }
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q2_k, plain, ROWS8_PLAIN)
W_KERNELS(q2_k, r16, ROWS8_R16)
W_KERNELS(q2_k, 8x8, ROWS8_8X8)

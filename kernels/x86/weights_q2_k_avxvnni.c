/*
 * GEMV of Q2_K for AVX-VNNI: the sums of two runs of 16 meet their two scales in one vpdpwssd.
 */
#include "kernels/x86/weights_avxvnni.h"
#include "kernels/x86/weights_q2_k_avx2.h"

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    __m256i scales[8][GEMV_VECS];
    QB_UNROLL
    for (int x = 0; x < 8 * GEMV_VECS; x++) {
        const int k = x / GEMV_VECS, v = x % GEMV_VECS;
        scales[k][v] = int16_pair(low_nibbles(read_scales(b[v], k / 2)), k % 2);
    }
    start_sums(sum, NULL, cols);
    for (int h = 0; h < 2; h++) {
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            struct gemv_sums run[2];
            if (j % 2 == 0)
                stream_ask_run(ahead + (2 * h + j / 2) * step, step);
            QB_UNROLL
            for (int part = 0; part < 2; part++) {
                const int c = 2 * h + part;
                start_sums(&run[part], NULL, cols);
                add_masked(&run[part], b, 16 + 16 * c, 3 << 2 * j, q + chunk_sub(c, j) * 16 * cols, cols);
            }
            add_scaled_pair(sum, run, 2 * j, scales[4 * h + j], cols);
        }
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(q2_k, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(q2_k, r16, avxvnni, ROWS8_R16)

/*
 * GEMV of TQ2_0 for AVX-VNNI.
 */
#include "kernels/x86/weights_avxvnni.h"
#include "kernels/x86/weights_tq2_0_avx2.h"

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    start_sums(sum, a->nsum256 + n * cols, cols);
    for (int c = 0; c < 4; c++) {
        stream_ask_run(ahead + c * step, step);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            struct gemv_sums run;
            start_sums(&run, NULL, cols);
            add_masked(&run, b, 16 * c, 3 << 2 * j, q + chunk_sub(c, j) * 16 * cols, cols);
            QB_UNROLL
            for (int x = 0; x < cols * GEMV_VECS; x++) {
                const int i = x / GEMV_VECS, v = x % GEMV_VECS;
                sum->v[v][i] = _mm256_add_epi32(sum->v[v][i], _mm256_srai_epi32(run.v[v][i], 2 * j));
            }
        }
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(tq2_0, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(tq2_0, r16, avxvnni, ROWS8_R16)

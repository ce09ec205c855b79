/*
 * GEMV of IQ1_S in x16 for AVX-VNNI: the sums of two 32s in the same plane meet their scales in one vpdpwssd.
 */
#include "kernels/x86/weights_avxvnni.h"
#include "kernels/x86/weights_iq1_s_x16_avx2.h"

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    __m256i pair[4][GEMV_VECS];
    read_scale_pairs(b, pair);
    start_ternary(sum, pair, a->npair + n * 8 * cols, cols);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        struct gemv_sums run[2];
        stream_ask_run(ahead + j * step, step);
        QB_UNROLL
        for (int h = 0; h < 2; h++) {
            const int8_t *x = q + (64 * j + 32 * h) * cols;
            start_sums(&run[h], NULL, cols);
            add_masked(&run[h], b, 6 + 32 * h, 3 << 2 * j, x, cols);
            add_masked(&run[h], b, 22 + 32 * h, 3 << 2 * j, x + 16 * cols, cols);
        }
        add_scaled_pair(sum, run, 2 * j, pair[j], cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(iq1_s, x16, avxvnni, ROWS8_R16)

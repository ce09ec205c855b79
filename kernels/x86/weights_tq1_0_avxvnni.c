/*
 * GEMV of TQ1_0 for AVX-VNNI, without digits: with u(0) the byte and u(n + 1) = 3 u(n) mod 256, digit n is
 * (3 u(n) - u(n + 1)) / 256. Sums of u(n) and u(n + 1) times activations are combined and divided at the end,
 * which is exact.
 */
#include "kernels/x86/weights_avxvnni.h"
#include "kernels/x86/weights_tq1_0_avx2.h"

/* Sums of u(n) and of u(n + 1) times activations. */
struct digit_sums {
    __m256i this[GEMV_VECS], next[GEMV_VECS];
};

/* Add `digits` digits of the four bytes at o; digit n meets the activations at x + n * step. */
QB_INLINE void add_digits(struct digit_sums *t, const struct block8 *b, int o, int digits, const int8_t *x,
                          int step)
{
    __m256i u[GEMV_VECS] = {block8_dwords(b[0], o), block8_dwords(b[1], o)};
    QB_UNROLL
    for (int n = 0; n < digits; n++) {
        __m256i x4 = gemv_x4(x + n * step);
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++) {
            t->this[v] = _mm256_dpbusd_avx_epi32(t->this[v], u[v], x4);
            u[v] = times3(u[v]);
            t->next[v] = _mm256_dpbusd_avx_epi32(t->next[v], u[v], x4);
        }
    }
}

/* Digits times activations of one column; two chains of each sum. */
QB_INLINE void column_sums(const struct block8 *b, const int8_t *q, int cols, __m256i sum[GEMV_VECS])
{
    const __m256i zero = _mm256_setzero_si256();
    struct digit_sums t[2] = {{{zero, zero}, {zero, zero}}, {{zero, zero}, {zero, zero}}};
    for (int p = 0; p < 3; p++) {
        const int8_t *x = q + (p < 2 ? 16 * p : 160) * cols;
        const int step = p < 2 ? 32 * cols : 16 * cols;
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            add_digits(&t[i % 2], b, 16 * p + 4 * i, 5, x + 4 * i * cols, step);
    }
    add_digits(&t[0], b, 48, 4, q + 240 * cols, 4 * cols);
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++) {
        __m256i this = _mm256_add_epi32(t[0].this[v], t[1].this[v]);
        __m256i next = _mm256_add_epi32(t[0].next[v], t[1].next[v]);
        __m256i three = _mm256_add_epi32(this, _mm256_add_epi32(this, this));
        sum[v] = _mm256_srai_epi32(_mm256_sub_epi32(three, next), 8);
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    stream_ask_run(ahead, GEMV_ROWS * W_BYTES);
    start_sums(sum, a->nsum256 + n * cols, cols);
    for (int c = 0; c < cols; c++) {
        __m256i digits[GEMV_VECS];
        column_sums(b, a->q + (n * W_ELEMS * cols + 4 * c), cols, digits);
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++)
            sum->v[v][c] = _mm256_add_epi32(sum->v[v][c], digits[v]);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(tq1_0, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(tq1_0, r16, avxvnni, ROWS8_R16)

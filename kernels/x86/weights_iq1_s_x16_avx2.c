/*
 * IQ1_S in x16 for AVX2.
 */
#include "kernels/x86/weights_iq1_s_x16_avx2.h"

/* The scale of the h-th 32 of a pair, twice. */
QB_INLINE __m256i twice_scale(__m256i pair, int h)
{
    return h ? _mm256_blend_epi16(_mm256_srli_epi32(pair, 16), pair, 0xaa)
             : _mm256_blend_epi16(pair, _mm256_slli_epi32(pair, 16), 0xaa);
}

/* sum += 32s number 4 p + h and 4 p + 2 + h of a block, which are bits 0 to 3 or 4 to 7 of the same bytes,
 * times their scales. The second is multiplied where it stands, 4 times too large. q: activations of 128. */
QB_INLINE void add_two_planes(struct gemv_sums *sum, const struct block8 *b, int p, int h, const int8_t *q,
                              const __m256i pair[2][GEMV_VECS], int cols)
{
    const __m256i bits[2] = {_mm256_set1_epi8(3), _mm256_set1_epi8(12)};
    struct gemv_sums part[2];
    __asm__("" ::: "memory"); /* or gcc makes what several runs share first, and stores it */
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m256i v[GEMV_VECS];
        QB_UNROLL
        for (int k = 0; k < GEMV_VECS; k++) {
            v[k] = block8_dwords(b[k], 6 + 32 * h + 4 * i);
            v[k] = p ? _mm256_srli_epi16(v[k], 4) : v[k];
        }
        QB_UNROLL
        for (int j = 0; j < 2; j++) {
            const __m256i w[GEMV_VECS] = {_mm256_and_si256(v[0], bits[j]), _mm256_and_si256(v[1], bits[j])};
            add_products(&part[j], w, q + (64 * j + 32 * h) * cols, i, cols, i == 0);
        }
    }
    QB_UNROLL
    for (int j = 0; j < 2; j++) {
        const __m256i scale[GEMV_VECS] = {twice_scale(pair[j][0], h), twice_scale(pair[j][1], h)};
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++) {
            __m256i *sums = &part[j].v[x % GEMV_VECS][x / GEMV_VECS];
            *sums = j ? _mm256_srai_epi16(*sums, 2) : *sums;
        }
        add_part(sum, &part[j], scale, cols);
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    __m256i pair[4][GEMV_VECS];
    read_scale_pairs(b, pair);
    start_ternary(sum, pair, a->npair + n * 8 * cols, cols);
    QB_UNROLL
    for (int x = 0; x < 4; x++) {
        const int p = x / 2, h = x % 2;
        stream_ask_run(ahead + x * step, step);
        add_two_planes(sum, b, p, h, q + 128 * p * cols, pair + 2 * p, cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(iq1_s, x16, ROWS8_R16)

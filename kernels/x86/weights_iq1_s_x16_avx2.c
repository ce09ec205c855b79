/*
 * IQ1_S in x16 for AVX2.
 */
#include "kernels/x86/weights_iq1_s_x16_avx2.h"

/* Weights 4 i .. 4 i + 3 of a 32 in plane j of the 32 bytes at o: planes 1 and 3 are 4 times too large. */
QB_INLINE __m256i plane_code(struct block8 b, int o, int j, int i)
{
    __m256i v = block8_dwords(b, o + 4 * i);
    return _mm256_and_si256(j < 2 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(j % 2 ? 12 : 3));
}

/* sum += 32 number 2 j + h of a block (q: its activations) times its scales. */
QB_INLINE void add_plane(struct gemv_sums *sum, const struct block8 *b, int j, int h, const int8_t *q,
                         const __m256i pair[GEMV_VECS], int cols)
{
    struct gemv_sums part;
    __m256i scale[GEMV_VECS];
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i w[GEMV_VECS] = {plane_code(b[0], 6 + 32 * h, j, i), plane_code(b[1], 6 + 32 * h, j, i)};
        add_products(&part, w, q, i, cols, i == 0);
    }
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++) {
        __m256i low = _mm256_blend_epi16(pair[v], _mm256_slli_epi32(pair[v], 16), 0xaa);
        __m256i high = _mm256_blend_epi16(_mm256_srli_epi32(pair[v], 16), pair[v], 0xaa);
        scale[v] = h ? high : low;
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        __m256i *sums = &part.v[x % GEMV_VECS][x / GEMV_VECS];
        *sums = _mm256_srai_epi16(*sums, j % 2 * 2);
    }
    add_part(sum, &part, scale, cols);
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
    for (int j = 0; j < 4; j++) {
        stream_ask_run(ahead + j * step, step);
        QB_UNROLL
        for (int h = 0; h < 2; h++)
            add_plane(sum, b, j, h, q + (64 * j + 32 * h) * cols, pair[j], cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(iq1_s, x16, ROWS8_R16)

/*
 * The products of IQ1_M in x16, for AVX2 and AVX-VNNI (add_scaled() as in weights_x16_gemv_avx2_tmpl.h). A
 * weight is 8 t - 8 +- 1 with t of two bits: planes are multiplied where they stand, their int16 sums become
 * 8 t, and 8 moves are one sum of the activations with the sign of the row.
 */
#include "kernels/x86/weights_iq1_m_x16_avx2.h"

#define W_SHIFT 3 /* the offset of 8 t - 8 */
#define W_OWN_CHUNK

/* Weights 4 i .. 4 i + 3 of a 16 in plane j of chunk c: t, 4 t or 16 t. */
QB_INLINE __m256i plane_bits(struct block8 b, int c, int j, int i)
{
    __m256i q = block8_dwords(b, 12 + 16 * c + 4 * i);
    return _mm256_and_si256(j == 3 ? _mm256_srli_epi16(q, 2) : q,
                            _mm256_set1_epi8((char)(3 << 2 * (j < 3 ? j : 2))));
}

/* 8 times the sums of plane j. */
QB_INLINE __m256i as_eighths(__m256i sums, int j)
{
    return j < 2 ? _mm256_slli_epi16(sums, j == 0 ? 3 : 1) : _mm256_srai_epi16(sums, 1);
}

/* -1 or +1 as int16 pairs: up or down, the move of 8 weights number `half` of 16s 4 j + c. */
QB_INLINE __m256i move_down(struct block8 b, int c, int j, int half)
{
    const int at = half ? 16 + 4 * j + c : 8 * c + 3 + j % 2 * 4;
    __m256i v = _mm256_slli_epi32(block8_dwords(b, half ? 0 : 4 + j / 2 * 4), 31 - at);
    return _mm256_or_si256(_mm256_srai_epi32(v, 31), _mm256_set1_epi16(1));
}

/* The sums of two and two of 8 activations of column n. */
QB_INLINE __m256i sums_of_8(const int8_t *q, int half, int n, int cols)
{
    const __m256i ones = _mm256_set1_epi8(1);
    return _mm256_add_epi16(_mm256_maddubs_epi16(ones, gemv_x4(q + (2 * half * cols + n) * 4)),
                            _mm256_maddubs_epi16(ones, gemv_x4(q + ((2 * half + 1) * cols + n) * 4)));
}

/* sum += run j of chunk c, 16s 4 j + c; q: its activations. */
QB_INLINE void add_run(struct gemv_sums *sum, const struct block8 *b, int c, int j,
                       const __m256i scale[GEMV_VECS], const int8_t *q, int cols)
{
    struct gemv_sums part;
    __asm__("" ::: "memory"); /* or gcc makes all moves of a block first, and stores them */
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m256i w[GEMV_VECS] = {plane_bits(b[0], c, j, i), plane_bits(b[1], c, j, i)};
        add_products(&part, w, q, i, cols, i == 0);
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i first = _mm256_sign_epi16(sums_of_8(q, 0, n, cols), move_down(b[v], c, j, 0));
        __m256i second = _mm256_sign_epi16(sums_of_8(q, 1, n, cols), move_down(b[v], c, j, 1));
        __m256i all = _mm256_sub_epi16(as_eighths(part.v[v][n], j), _mm256_add_epi16(first, second));
        sum->v[v][n] = add_scaled(sum->v[v][n], all, scale[v]);
        QB_IN_ORDER(sum->v[v][n]);
    }
}

QB_INLINE void add_chunk(struct gemv_sums *sum, const struct block8 *b, int c,
                         const __m256i scale[4][GEMV_VECS], const int8_t *q, int cols)
{
    QB_UNROLL
    for (int j = 0; j < 4; j++)
        add_run(sum, b, c, j, scale[j], q + (4 * j + c) * 16 * cols, cols);
}

#include "kernels/x86/weights_x16_gemv_avx2_tmpl.h"

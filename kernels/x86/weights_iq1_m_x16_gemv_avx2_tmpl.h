/*
 * GEMV of IQ1_M in x16, for AVX2 and AVX-VNNI. A weight is 8 t - 8 +- 1 with t of two bits: planes are
 * multiplied where they stand, moves are sums of 8 activations times the scale with the sign of the row. The
 * includer defines
 *
 *   __m256i add_scaled(__m256i sum, __m256i pairs, __m256i scale);
 *            sum + pairs times scale, int16 by pairs
 */
#include "kernels/x86/sums_of_8_avx2.h"
#include "kernels/x86/weights_iq1_m_x16_avx2.h"

#define W_SUB 256

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, read_unit(b));
}

/* Weights 4 i .. 4 i + 3 of a 16 in plane j of chunk c: t, 4 t or 16 t. */
QB_INLINE __m256i plane_bits(struct block8 b, int c, int j, int i)
{
    __m256i q = block8_dwords(b, 14 + 16 * c + 4 * i);
    return _mm256_and_si256(j == 3 ? _mm256_srli_epi16(q, 2) : q,
                            _mm256_set1_epi8((char)(3 << 2 * (j < 3 ? j : 2))));
}

/* The scale of 16s number s as int16 pairs, negative where 8 weights are moved down. */
QB_INLINE __m256i signed_scale(struct block8 b, int s, __m256i scale)
{
    __m256i down = _mm256_slli_epi16(block8_dwords(b, 2), 15 - s);
    return _mm256_sign_epi16(scale, _mm256_or_si256(down, _mm256_set1_epi16(1))); /* v | 1 is not zero */
}

/* sum += 16s 4 j + c: products of t, 4 t or 16 t times scales; moves += its moves. q: of the 16. */
QB_INLINE void add_run(struct gemv_sums *sum, struct gemv_sums *moves, const struct block8 *b, int c, int j,
                       const __m256i odd[GEMV_VECS], const int8_t *q, const struct sums_of_8 *of_8, int cols)
{
    struct gemv_sums part;
    __asm__("" ::: "memory"); /* or gcc makes what several runs share first, and stores it */
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m256i w[GEMV_VECS] = {plane_bits(b[0], c, j, i), plane_bits(b[1], c, j, i)};
        add_products(&part, w, q, i, cols, i == 0);
    }
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++) {
        __m256i scale = twice_byte(odd[v], c, false), move = signed_scale(b[v], 4 * j + c, scale);
        QB_UNROLL
        for (int n = 0; n < cols; n++) {
            __m256i x = _mm256_set1_epi32(of_8->pair[sums_of_8_at(4 * j + c, n, cols)]);
            sum->v[v][n] = add_scaled(sum->v[v][n], part.v[v][n], scale);
            moves->v[v][n] = add_scaled(moves->v[v][n], move, x);
            QB_IN_ORDER(sum->v[v][n]);
            QB_IN_ORDER(moves->v[v][n]);
        }
    }
}

/* sum = t times scales, less those of the activations (npair16 of 64 weights): (t - 1) times scales. */
QB_INLINE void finish_plane(struct gemv_sums *sum, int j, const __m256i odd[GEMV_VECS], const int16_t *npair,
                            int cols)
{
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++) {
        const __m256i pair[2] = {int16_pair(odd[v], 0), int16_pair(odd[v], 1)};
        QB_UNROLL
        for (int n = 0; n < cols; n++) {
            int32_t of_32[2];
            memcpy(&of_32[0], npair + n * 2, sizeof of_32[0]);
            memcpy(&of_32[1], npair + (cols + n) * 2, sizeof of_32[1]);
            __m256i t = j == 0 ? sum->v[v][n] : _mm256_srai_epi32(sum->v[v][n], j == 1 ? 2 : 4);
            t = add_scaled(t, pair[0], _mm256_set1_epi32(of_32[0]));
            sum->v[v][n] = add_scaled(t, pair[1], _mm256_set1_epi32(of_32[1]));
        }
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    const int16_t *npair = a->npair16 + n * 16 * cols;
    struct sums_of_8 of_8;
    struct gemv_sums whole, moves;
    sums_of_8_block(q, cols, &of_8);
    start_sums(&moves, NULL, cols);
    start_sums(&whole, NULL, cols);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m256i odd[GEMV_VECS] = {odd_scales(b[0], j), odd_scales(b[1], j)};
        struct gemv_sums plane;
        stream_ask_run(ahead + j * step, step);
        start_sums(&plane, NULL, cols);
        QB_UNROLL
        for (int c = 0; c < 4; c++)
            add_run(&plane, &moves, b, c, j, odd, q + (4 * j + c) * 16 * cols, &of_8, cols);
        finish_plane(&plane, j, odd, npair + j * 4 * cols, cols);
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++) {
            __m256i *at = &whole.v[x % GEMV_VECS][x / GEMV_VECS];
            *at = _mm256_add_epi32(*at, plane.v[x % GEMV_VECS][x / GEMV_VECS]);
            QB_IN_ORDER(*at);
        }
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        sum->v[v][i] = _mm256_add_epi32(_mm256_slli_epi32(whole.v[v][i], 3), moves.v[v][i]);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

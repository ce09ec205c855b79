/*
 * Q3_K for AVX2: 32 bytes of high bits, 64 bytes of two-bit planes, 16 scales of 6 bits, f16 d.
 *
 * A panel holds 128 less code times scale, looked up. GEMV multiplies the bare codes (0..7, 4 too much); the
 * int16 sums of 16 meet their negated integer scales where others meet ones.
 */
#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 110
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT 7
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 4
#define W_OWN_RUN

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 96; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_16(p, at, 92, image); /* again 4 bytes of the planes, then the scales */
    rows8_image_2(p, at, 108, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, _mm256_xor_ps(block8_f16(b, 108), _mm256_set1_ps(-0.0f)));
}

/* Minus the scales 4 g .. 4 g + 3, -31..32, the bytes of a dword. */
QB_INLINE __m256i negated_scales(struct block8 b, int g)
{
    __m256i v = block8_dwords(b, 96 + g % 2 * 4), bits = block8_dwords(b, 104);
    __m256i low = g < 2 ? low_nibbles(v) : high_nibbles(v);
    if (g < 2)
        bits = _mm256_slli_epi16(bits, g == 0 ? 4 : 2);
    else if (g == 3)
        bits = _mm256_srli_epi16(bits, 2);
    __m256i sc = _mm256_or_si256(low, _mm256_and_si256(bits, _mm256_set1_epi8(0x30)));
    return _mm256_sub_epi8(_mm256_set1_epi8(32), sc);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

/* Run j of chunk c; constants after inlining, unlike the template's c. */
QB_INLINE void read_constant_run(struct block8 b, int c, int j, __m256i w[4])
{
    const int run = chunk_sub(c, j);
    __m256i sc = spread_byte(negated_scales(b, run / 4), run % 4), two = _mm256_add_epi8(sc, sc);
    __m256i table = multiples(_mm256_set1_epi8((char)128), sc), four = _mm256_add_epi8(two, two);
    __m256i bit = _mm256_set1_epi8((char)(1 << (c / 2 * 4 + j)));
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i code = lookup_two_bits(table, two_bits(block8_dwords(b, 32 + 16 * c + 4 * i), j));
        __m256i mask = _mm256_and_si256(block8_dwords(b, c % 2 * 16 + 4 * i), bit);
        __m256i clear = _mm256_cmpeq_epi8(mask, _mm256_setzero_si256());
        w[i] = _mm256_sub_epi8(code, _mm256_and_si256(clear, four));
    }
}

QB_INLINE void read_run(struct block8 b, int c, int j, __m256i w[4])
{
    switch (c) {
    case 0:
        read_constant_run(b, 0, j, w);
        break;
    case 1:
        read_constant_run(b, 1, j, w);
        break;
    case 2:
        read_constant_run(b, 2, j, w);
        break;
    default:
        read_constant_run(b, 3, j, w);
    }
}

/* A bare code: bit `plane` of the mask is its third. */
QB_INLINE __m256i three_bits(__m256i v, __m256i mask, int plane)
{
    if (plane < 2)
        mask = _mm256_slli_epi16(mask, 2 - plane);
    else if (plane > 2)
        mask = _mm256_srli_epi16(mask, plane - 2);
    return _mm256_or_si256(two_bits(v, plane % 4), _mm256_and_si256(mask, _mm256_set1_epi8(4)));
}

/* Products of run `plane` of part c % 2 in half c / 2, and their offset in the lower int16 of each row. */
QB_INLINE void run_products(struct gemv_sums *part, const struct block8 *b, int c, int j, const int8_t *q,
                            const int32_t *nsum, int cols)
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i w[GEMV_VECS];
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++)
            w[v] = three_bits(block8_dwords(b[v], 32 + 16 * c + 4 * i),
                              block8_dwords(b[v], c % 2 * 16 + 4 * i), c / 2 * 4 + j);
        add_products(part, w, q, i, cols, i == 0);
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i offset = _mm256_set1_epi32(4 * nsum[n] & 0xffff);
        part->v[v][n] = _mm256_add_epi16(part->v[v][n], offset);
    }
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead, enum rows8_kind kind)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const int8_t *q = a->q + n * W_ELEMS * cols;
    const int32_t *nsum = a->nsum16 + n * 16 * cols;
    __m256i scale[16][GEMV_VECS];
    QB_UNROLL
    for (int x = 0; x < 16 * GEMV_VECS; x++) {
        const int k = x / GEMV_VECS, v = x % GEMV_VECS;
        scale[k][v] = _mm256_srai_epi16(twice_byte(negated_scales(b[v], k / 4), k % 4, true), 8);
    }
    start_sums(sum, NULL, cols);
    QB_UNROLL
    for (int c = 0; c < 4; c++) {
        rows8_prefetch(ahead + c * step, step, kind);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            const int run = chunk_sub(c, j);
            struct gemv_sums part;
            run_products(&part, b, c, j, q + run * 16 * cols, nsum + run * cols, cols);
            add_part(sum, &part, scale[run], cols);
        }
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q3_k, plain, ROWS8_PLAIN)
W_KERNELS(q3_k, r16, ROWS8_R16)

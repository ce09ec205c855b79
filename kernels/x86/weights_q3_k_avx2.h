/*
 * Q3_K on vectors of 8 rows: 32 bytes of high bits, 64 bytes of two-bit planes, 16 scales of 6 bits, f16 d.
 *
 * Half h of the block has four planes of 32 weights; chunk c takes the same 16 of all planes. Bit 4 h + j of
 * the mask is the third bit of plane j. Bare codes are 0..7, 4 too much.
 */
#ifndef QB_KERNELS_WEIGHTS_Q3_K_AVX2_H
#define QB_KERNELS_WEIGHTS_Q3_K_AVX2_H

#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 110
#define W_RUN   16
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 4

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 96; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_16(p, at, 92, image); /* again 4 bytes of the planes, then the scales */
    rows8_image_2(p, at, 108, image);
}

/* The scales 4 g .. 4 g + 3, 32 too much, the bytes of a dword. */
QB_INLINE __m256i biased_scales(struct block8 b, int g)
{
    __m256i v = block8_dwords(b, 96 + g % 2 * 4), bits = block8_dwords(b, 104);
    __m256i low = g < 2 ? low_nibbles(v) : high_nibbles(v);
    if (g < 2)
        bits = _mm256_slli_epi16(bits, g == 0 ? 4 : 2);
    else if (g == 3)
        bits = _mm256_srli_epi16(bits, 2);
    return _mm256_or_si256(low, _mm256_and_si256(bits, _mm256_set1_epi8(0x30)));
}

/* Minus the scales, -31..32. */
QB_INLINE __m256i negated_scales(struct block8 b, int g)
{
    return _mm256_sub_epi8(_mm256_set1_epi8(32), biased_scales(b, g));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
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

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    return three_bits(block8_dwords(b, 32 + 16 * c + 4 * i), block8_dwords(b, c % 2 * 16 + 4 * i),
                      c / 2 * 4 + j);
}

/* Panels: read_run out of read(b, c, j, w), whose shifts are constants, unlike the template's c. */
#define READ_RUN_BY_CHUNK(read)                                                                              \
    QB_INLINE void read_run(struct block8 b, int c, int j, __m256i w[4])                                     \
    {                                                                                                        \
        switch (c) {                                                                                         \
        case 0:                                                                                              \
            read(b, 0, j, w);                                                                                \
            break;                                                                                           \
        case 1:                                                                                              \
            read(b, 1, j, w);                                                                                \
            break;                                                                                           \
        case 2:                                                                                              \
            read(b, 2, j, w);                                                                                \
            break;                                                                                           \
        default:                                                                                             \
            read(b, 3, j, w);                                                                                \
        }                                                                                                    \
    }

/* GEMV: the int16 sums of 16 bare codes meet their negated integer scales where others meet ones. */

/* Products of run `plane` of part c % 2 in half c / 2, and their offset in the lower int16 of each row. */
QB_INLINE void run_products(struct gemv_sums *part, const struct block8 *b, int c, int j, const int8_t *q,
                            const int32_t *nsum, int cols)
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i w[GEMV_VECS];
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++)
            w[v] = read_code(b[v], c, j, i);
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
                          struct gemv_sums *sum, const uint8_t *ahead)
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
        stream_ask_run(ahead + c * step, step);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            const int run = chunk_sub(c, j);
            struct gemv_sums part;
            run_products(&part, b, c, j, q + run * 16 * cols, nsum + run * cols, cols);
            add_part(sum, &part, scale[run], cols);
        }
    }
}

#endif

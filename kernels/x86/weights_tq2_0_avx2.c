/*
 * TQ2_0 for AVX2: 64 bytes of two-bit planes, f16 d; weight = d * (code - 1). The int16 sums of a chunk fit.
 */
#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 66
#define W_SUB   256
#define W_RUN   16
#define W_SHIFT 0
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 64
#define W_DEPTH 16

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o < 64; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_2(p, at, 64, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    read_scale_f16(b, 64, h);
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    return two_bits(block8_dwords(b, 16 * c + 4 * i), j);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

QB_INLINE void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_sums *sum, const uint8_t *ahead, enum rows8_kind kind)
{
    const int step = GEMV_ROWS * W_BYTES / 4;
    const __m256i one = _mm256_set1_epi16(1), ones[GEMV_VECS] = {one, one};
    const int8_t *q = a->q + n * W_ELEMS * cols;
    start_sums(sum, a->nsum256 + n * cols, cols);
    for (int c = 0; c < 4; c++) {
        struct gemv_sums part;
        rows8_prefetch(ahead + c * step, step, kind);
        QB_UNROLL
        for (int x = 0; x < 16; x++) {
            const int i = x / 4, j = x % 4;
            const __m256i w[GEMV_VECS] = {read_code(b[0], c, j, i), read_code(b[1], c, j, i)};
            add_products(&part, w, q + chunk_sub(c, j) * 16 * cols, i, cols, x == 0);
        }
        add_part(sum, &part, ones, cols);
    }
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(tq2_0, plain, ROWS8_PLAIN)
W_KERNELS(tq2_0, r16, ROWS8_R16)

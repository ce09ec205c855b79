/*
 * Panel decoder and fused GEMV of one codebook format, for AVX2. Included once by each weights_FORMAT_avx2.c,
 * which defines before:
 *
 *   W_BYTES    of a block
 *   W_SUB      weights per scale: 16, 32 or 256
 *   W_SHIFT    of the code offset
 *   W_MIN      QB_MIN_NONE or QB_MIN_I16
 *   W_SIGNS    digit i (hexadecimal): which byte of points8.signs has the signs of weights 8i .. 8i + 7; 0
 *              where levels have theirs
 *   W_OFFSETS  pairs of activation sums that meet points8.offset: 0, 4 (sums of 32) or 8 (of 16)
 *
 *   void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image);
 *              the plain blocks at `at` of 8 rows, in the order of r16 with 8 rows
 *
 *   void read_points(struct points8 *p);
 *              everything from the block p->b
 *
 *   __m256i read_levels(struct row8 r, int run);
 *              32 levels, unsigned; two products with activations and their factor fit into int32
 *
 *   __m256i panel_codes(struct row8 r, int run, __m256i levels);
 *              the codes of a panel
 *
 * The loops over blocks and rows are those of weights_frame_avx2_tmpl.h. The sum over a block is one of
 * integers, so a row costs one product of floats a block.
 */

#define W_ELEMS 256
#define W_SUBS  (W_ELEMS / W_SUB)

/* Scales and minima of block n. */
QB_INLINE void panel_scales(const struct points8 *x, int64_t n, struct qb_panel *p, int r)
{
    float *scale = p->scale + n * W_SUBS * QB_PANEL_ROWS + r;
    if (W_SUB == 256) /* the factors are in the codes */
        _mm256_store_ps(scale, _mm256_mul_ps(x->unit, _mm256_set1_ps(8)));
    QB_UNROLL
    for (int s = 0; s < W_SUBS && W_SUB < 256; s++) {
        __m256i f = _mm256_load_si256((const void *)x->factor[s * W_SUB / 32]);
        f = W_SUB == 16 && s % 2 ? _mm256_srli_epi32(f, 16) : _mm256_and_si256(f, _mm256_set1_epi32(0xffff));
        _mm256_store_ps(scale + s * QB_PANEL_ROWS, _mm256_mul_ps(x->unit, _mm256_cvtepi32_ps(f)));
    }
    if (W_MIN != QB_MIN_I16)
        return;
    _mm256_store_ps(p->min_scale + n * QB_PANEL_ROWS + r, x->unit);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        _mm256_store_si256((void *)(p->min_pair + ((n * 4 + i) * QB_PANEL_ROWS + r) * 2), x->min[i]);
}

/* Decode block number n of 8 rows to the panel's rows r .. r + 7. */
QB_INLINE void panel_block(struct block8 b, int64_t n, struct qb_panel *p, int r)
{
    struct points8 x;
    x.b = b;
    read_points(&x);
    panel_scales(&x, n, p, r);
    for (int run = 0; run < 8; run++) {
        uint8_t *code = p->code + ((n * 64 + run * 8) * QB_PANEL_ROWS + r) * 4;
        __m256i w[8];
        QB_UNROLL
        for (int row = 0; row < 8; row++) {
            struct row8 from = points8_row(&x, row);
            w[row] = panel_codes(from, run, read_levels(from, run));
        }
        transpose8(w);
        QB_UNROLL
        for (int i = 0; i < 8; i++)
            _mm256_store_si256((void *)(code + i * QB_PANEL_ROWS * 4), w[i]);
    }
}

/* What one run of one row adds: sums of factor x level x activation; x: the activations of each column. */
QB_INLINE void gemv_run(struct row8 r, int run, const int8_t *const x[QB_GEMV_MAX_COLS], int cols,
                        __m256i sum[QB_GEMV_MAX_COLS])
{
    __m256i level = read_levels(r, run), sign = _mm256_setzero_si256();
    if (W_SIGNS)
        sign = plus_or_minus(r.signs[8 * run], W_SIGNS);
    __m256i factor = _mm256_set1_epi32((int)r.factor[8 * run]);
    if (W_SUB == 16) /* its halves to the halves of the vector */
        factor =
            _mm256_shuffle_epi8(factor, _mm256_set_m128i(_mm_set1_epi16(0x0302), _mm_set1_epi16(0x0100)));
    QB_UNROLL
    for (int c = 0; c < cols; c++) {
        __m256i v = _mm256_loadu_si256((const void *)(x[c] + 32 * run));
        if (W_SIGNS)
            v = _mm256_sign_epi8(v, sign);
        v = _mm256_madd_epi16(_mm256_maddubs_epi16(level, v), factor);
        sum[c] = _mm256_add_epi32(sum[c], v);
        QB_IN_ORDER(sum[c]);
    }
}

/* Rows whose runs share the loads of activations, as far as there are registers. The loop over the runs stays
 * one: unrolled, its code is too long for the cache of decoded instructions. */
#define W_TOGETHER(cols) ((cols) == 1 ? 4 : (cols) == 2 ? 2 : 1)

QB_INLINE void gemv_rows(struct row8 r, const int8_t *const x[QB_GEMV_MAX_COLS], int cols,
                         __m256i sum[4][QB_GEMV_MAX_COLS])
{
    const int rows = W_TOGETHER(cols);
    QB_UNROLL
    for (int i = 0; i < rows * cols; i++)
        sum[i / cols][i % cols] = _mm256_setzero_si256();
    for (int run = 0; run < 8; run++) {
        QB_UNROLL
        for (int i = 0; i < rows; i++) {
            const struct row8 at = {r.bytes + 4 * i, r.bytes_step, r.signs + i, r.factor + i,
                                    r.index + 2 * i};
            gemv_run(at, run, x, cols, sum[i]);
        }
    }
}

/* What the offset of the levels adds to the sum of column c, lane = row; pair: activation sums of the block.
 */
QB_INLINE __m256i gemv_offset(const struct points8 *p, const int16_t *pair, int c, int cols)
{
    __m256i sum = _mm256_setzero_si256();
    QB_UNROLL
    for (int i = 0; i < W_OFFSETS; i++) {
        int32_t two;
        memcpy(&two, pair + (i * cols + c) * 2, sizeof two);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p->offset[i], _mm256_set1_epi32(two)));
    }
    return sum;
}

/* acc += block number n. */
QB_INLINE void gemv_block(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_acc *acc, const uint8_t *ahead)
{
    int8_t split[QB_GEMV_MAX_COLS][256] __attribute__((aligned(32)));
    const int8_t *x[QB_GEMV_MAX_COLS] = {split[0], split[1], split[2], split[3]};
    if (cols == 1)
        x[0] = a->q + n * 256;
    else
        split_columns(a->q + n * 256 * cols, cols, split);
    const int16_t *pair = W_OFFSETS == 8 ? a->npair16 + n * 16 * cols : a->npair + n * 8 * cols;
    for (int v = 0; v < GEMV_VECS; v++) {
        struct points8 p;
        __m256i sum[QB_GEMV_MAX_COLS][8];
        p.b = b[v];
        read_points(&p);
        for (int row = 0; row < 8; row += W_TOGETHER(cols)) {
            const int rows = W_TOGETHER(cols);
            __m256i part[4][QB_GEMV_MAX_COLS];
            stream_ask_run(ahead, rows * W_BYTES);
            ahead += rows * W_BYTES;
            gemv_rows(points8_row(&p, row), x, cols, part);
            QB_UNROLL
            for (int i = 0; i < rows * cols; i++)
                sum[i % cols][row + i / cols] = part[i / cols][i % cols];
        }
        QB_UNROLL
        for (int c = 0; c < cols; c++) {
            __m256i t = _mm256_add_epi32(lane_sums(sum[c]), gemv_offset(&p, pair, c, cols));
            __m256 y = _mm256_mul_ps(_mm256_cvtepi32_ps(t), p.unit);
            acc->v[v][c] = _mm256_fmadd_ps(y, _mm256_set1_ps(a->scale[n * cols + c]), acc->v[v][c]);
        }
    }
}

#include "kernels/x86/weights_frame_avx2_tmpl.h"

/*
 * Panel decoder and fused GEMV of one integer format over what handles one block of 8 rows: the end of
 * weights_avx2_tmpl.h and points_avx2_tmpl.h, which define W_BYTES, W_ELEMS, image_plain (see there) and
 *
 *   void panel_block(struct block8 b, int64_t n, struct qb_panel *p, int r);
 *                  block number n of 8 rows to the panel's rows r .. r + 7
 *   void gemv_block(const struct block8 b[GEMV_VECS], const struct qb_act *a, int64_t n, int cols,
 *                   struct gemv_acc *acc, const uint8_t *ahead);
 *                  acc += block number n of 16 rows; prefetches as many bytes from `ahead`
 *
 * With W_X16 there is no image_plain: no block of the format is plain.
 *
 * Everything is inlined for a constant source kind and column count.
 */

#include "kernels/x86/weights_kernels.h"

#ifndef W_MAGNITUDES
#define W_MAGNITUDES 0
#endif
#ifdef W_X16
QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    (void)p;
    (void)at;
    (void)image;
}
#endif
#ifndef W_QUANTS
#define W_QUANTS .at = 0 /* of struct rows8_quants: a format without layouts of llama.cpp */
#endif

/* Block number `block` of 8 rows; `image` has room for 8 blocks. */
QB_INLINE struct block8 load_block(const struct rows8 *s, int64_t block, uint8_t *image, enum rows8_kind kind)
{
    if (kind == ROWS8_R16) {
        int64_t at = block * (16 * W_BYTES);
        return (struct block8){s->p[0] + at, s->p[1] + at, 16, kind};
    }
    if (kind != ROWS8_PLAIN)
        return rows8_interleaved(s, block, W_BYTES, (struct rows8_quants){W_QUANTS}, image, kind);
    image_plain(s->p, (size_t)block * W_BYTES, image);
    return (struct block8){image, image, 8, kind};
}

QB_INLINE void panel_rows8(const struct rows8 *s, int64_t n_k, struct qb_panel *p, int r,
                           enum rows8_kind kind)
{
    uint8_t image[8 * W_BYTES] __attribute__((aligned(32)));
    for (int64_t n = 0; n < n_k / W_ELEMS; n++)
        panel_block(load_block(s, n, image, kind), n, p, r);
}

QB_INLINE void decode_panel(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p, enum rows8_kind kind)
{
    qb_panel_set_form(p, W_SHIFT, false, 0);
    for (int r = 0; r < QB_PANEL_ROWS; r += 8) {
        struct rows8 s;
        rows8_init(&s, m, row0 + r, row0 + n_rows - 1, k0, kind);
        panel_rows8(&s, n_k, p, r, kind);
    }
    const struct qb_format form = {
        .sub = W_SUB, .min = W_MIN, .magnitudes = W_MAGNITUDES}; /* kernels/panel_form.h */
    if (kind != ROWS8_PLAIN && n_rows < QB_PANEL_ROWS)
        qb_panel_repeat_last_row(p, &form, n_rows, n_k);
}

/* out (+)= bias + sum for the first n_rows of 16 rows. */
QB_INLINE void gemv_store(const __m256 sum[GEMV_VECS], int n_rows, const float *bias, bool accumulate,
                          float *out)
{
    for (int v = 0; v < GEMV_VECS && 8 * v < n_rows; v++) {
        __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        __m256i valid = _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows - 8 * v), lane);
        __m256 y = sum[v];
        if (bias)
            y = _mm256_add_ps(y, _mm256_maskload_ps(bias + 8 * v, valid));
        if (accumulate)
            y = _mm256_add_ps(y, _mm256_maskload_ps(out + 8 * v, valid));
        _mm256_maskstore_ps(out + 8 * v, valid, y);
    }
}

QB_INLINE void gemv_cols(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                         const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                         enum rows8_kind kind)
{
    for (int64_t r = row0; r < row0 + n_rows; r += GEMV_ROWS) {
        uint8_t image[GEMV_VECS][8 * W_BYTES] __attribute__((aligned(32)));
        struct rows8 s[GEMV_VECS];
        struct gemv_acc acc;
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++)
            rows8_init(&s[v], m, r + 8 * v, row0 + n_rows - 1, 0, kind);
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++)
            acc.v[x % GEMV_VECS][x / GEMV_VECS] = _mm256_setzero_ps();
        const uint8_t *ahead = rows8_ahead(m, r, kind);
        for (int64_t n = 0; n < m->n_cols / W_ELEMS; n++) {
            struct block8 b[GEMV_VECS];
            QB_UNROLL
            for (int v = 0; v < GEMV_VECS; v++)
                b[v] = load_block(&s[v], n, image[v], kind);
            gemv_block(b, a, n, cols, &acc, ahead + n * (GEMV_ROWS * W_BYTES));
        }
        int64_t left = row0 + n_rows - r;
        QB_UNROLL
        for (int i = 0; i < cols; i++) {
            const __m256 sum[GEMV_VECS] = {acc.v[0][i], acc.v[1][i]};
            gemv_store(sum, (int)(left < GEMV_ROWS ? left : GEMV_ROWS), bias ? bias + r : NULL, accumulate,
                       out + (size_t)i * ldo + r);
        }
    }
}

QB_INLINE void gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                    const float *bias, bool accumulate, float *out, size_t ldo, enum rows8_kind kind)
{
#define W_COLS(n, kind) gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, n, kind)
    QB_SWITCH_COLS(a->n_cols, W_COLS, kind)
#undef W_COLS
}

/* The two kernels of one layout. */
#define W_KERNELS(format, layout, kind) W_PANEL(format, layout, avx2, kind) W_GEMV(format, layout, avx2, kind)

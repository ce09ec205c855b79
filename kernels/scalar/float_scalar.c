/*
 * Scalar kernels of the float formats and their activations.
 */
#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include "kernels/matrix.h"

void qb_decode_panel_float_scalar(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0,
                                  int64_t n_k, struct qb_panel *p)
{
    qb_decode_panel_f32(m, row0, n_rows, k0, n_k, p);
}

void qb_act_f32_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    for (int c = c0; c < c1; c++) {
        int pos, w, tile = qb_act_tile_of(a, c, &pos);
        float *to = a->f32 + qb_act_tile(a, tile, &w) * a->n_k + pos;
        for (int64_t k = 0; k < a->n_k; k++)
            to[k * w] = x[(size_t)c * ldx + (size_t)k];
    }
}

void qb_act_bf16_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    for (int c = c0; c < c1; c++) {
        int pos, w, tile = qb_act_tile_of(a, c, &pos);
        int64_t first = qb_act_tile(a, tile, &w), k = 0;
        for (; k < a->n_k; k++)
            a->bf16[qb_act_bf16_at(a, first, w, pos, k)] = qb_f32_to_bf16(x[(size_t)c * ldx + (size_t)k]);
        for (; a->by_column && k % QB_ACT_COLUMN_BF16 > 0; k++)
            a->bf16[qb_act_bf16_at(a, first, w, pos, k)] = 0;
    }
}

static void tile_store(const float *sum, const float *from, float *out)
{
    for (int r = 0; r < QB_PANEL_ROWS; r++)
        out[r] = (from ? from[r] : 0) + sum[r];
}

static void tile_f32(const struct qb_panel *p, const struct qb_act *a, int tile, int64_t k0, int64_t n_k,
                     const float *from, size_t ldf, float *out, size_t ldo)
{
    int w;
    const float *x = a->f32 + qb_act_tile(a, tile, &w) * a->n_k + k0 * w;
    for (int c = 0; c < w; c++) {
        float sum[QB_PANEL_ROWS] = {0};
        for (int64_t k = 0; k < n_k; k++)
            for (int r = 0; r < QB_PANEL_ROWS; r++)
                sum[r] += p->f32[k * QB_PANEL_ROWS + r] * x[k * w + c];
        tile_store(sum, qb_start_at(from, (size_t)c * ldf), out + (size_t)c * ldo);
    }
}

static void tile_bf16(const struct qb_panel *p, const struct qb_act *a, int tile, int64_t k0, int64_t n_k,
                      const float *from, size_t ldf, float *out, size_t ldo)
{
    int w;
    const uint16_t *x = a->bf16 + qb_act_tile(a, tile, &w) * a->n_k + k0 * w;
    for (int c = 0; c < w; c++) {
        float sum[QB_PANEL_ROWS] = {0};
        for (int64_t k = 0; k < n_k; k++) {
            float b = qb_bf16_to_f32(x[(k / 2 * w + c) * 2 + k % 2]);
            for (int r = 0; r < QB_PANEL_ROWS; r++)
                sum[r] += qb_bf16_to_f32(p->bf16[(k / 2 * QB_PANEL_ROWS + r) * 2 + k % 2]) * b;
        }
        tile_store(sum, qb_start_at(from, (size_t)c * ldf), out + (size_t)c * ldo);
    }
}

#define TILE_FN(name)                                                                                        \
    void qb_##name##_scalar(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,    \
                            int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)              \
    {                                                                                                        \
        for (int w; t0 < t1; t0++, out += (size_t)w * ldo) {                                                 \
            qb_act_tile(a, t0, &w);                                                                          \
            name(p, a, t0, k0, n_k, from, ldf, out, ldo);                                                    \
            from = qb_start_at(from, (size_t)w * ldf);                                                       \
        }                                                                                                    \
    }
TILE_FN(tile_f32)
TILE_FN(tile_bf16)

/* Weights [k, k + n) of a row. */
static void read_weights(const struct qb_matrix *m, int64_t row, int64_t k, int64_t n, float *out)
{
    const struct qb_format *f = m->format;
    if (m->layout == QB_LAYOUT_PLAIN) {
        f->decode(m->data + (size_t)row * qb_matrix_row_bytes(m) + qb_format_bytes(f, k), out, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint8_t block[QB_MAX_BLOCK_BYTES];
        qb_matrix_get_block(m, row, k + i, block);
        f->decode(block, out + i, 1);
    }
}

void qb_gemv_float_scalar(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                          const float *bias, bool accumulate, float *out, size_t ldo)
{
    enum { SLICE = 256 };
    float w[SLICE];
    for (int64_t r = row0; r < row0 + n_rows; r++) {
        float sum[QB_GEMV_MAX_COLS] = {0};
        for (int64_t k = 0; k < m->n_cols; k += SLICE) {
            int64_t n = m->n_cols - k < SLICE ? m->n_cols - k : SLICE;
            read_weights(m, r, k, n, w);
            for (int64_t i = 0; i < n; i++)
                for (int c = 0; c < a->n_cols; c++)
                    sum[c] += w[i] * a->f32[(k + i) * a->n_cols + c];
        }
        for (int c = 0; c < a->n_cols; c++) {
            float *y = out + (size_t)c * ldo + r;
            *y = (accumulate ? *y : 0) + (bias ? bias[r] : 0) + sum[c];
        }
    }
}

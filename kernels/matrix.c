/*
 * Reading a matrix in any layout through the exact decoder: rows for embedding look-ups and tests, panels for
 * the reference path.
 */
#include "kernels/matrix.h"

void qb_matrix_get_block(const struct qb_matrix *m, int64_t row, int64_t block, uint8_t *out)
{
    int rows = qb_layout_get(m->layout)->rows;
    const uint8_t *group = m->data + (size_t)(row / rows * rows) * qb_matrix_row_bytes(m);
    qb_layout_get_block(m->layout, m->format, m->n_cols, group, (int)(row % rows), block, out);
}

void qb_matrix_decode_row(const struct qb_matrix *m, int64_t row, float *out)
{
    const struct qb_format *f = m->format;
    uint8_t block[QB_MAX_BLOCK_BYTES];
    if (m->layout == QB_LAYOUT_PLAIN) {
        f->decode(m->data + (size_t)row * qb_matrix_row_bytes(m), out, m->n_cols);
        return;
    }
    for (int64_t i = 0; i < m->n_cols / f->block_elems; i++) {
        qb_matrix_get_block(m, row, i, block);
        f->decode(block, out + i * f->block_elems, f->block_elems);
    }
}

/* Weights [k0, k0 + n_k) of a row. */
static void decode_slice(const struct qb_matrix *m, int64_t row, int64_t k0, int64_t n_k, float *out)
{
    const struct qb_format *f = m->format;
    uint8_t block[QB_MAX_BLOCK_BYTES];
    if (m->layout == QB_LAYOUT_PLAIN) {
        f->decode(m->data + (size_t)row * qb_matrix_row_bytes(m) + qb_format_bytes(f, k0), out, n_k);
        return;
    }
    for (int64_t k = 0; k < n_k; k += f->block_elems) {
        qb_matrix_get_block(m, row, (k0 + k) / f->block_elems, block);
        f->decode(block, out + k, f->block_elems);
    }
}

#define ROWS_AT_A_TIME 8

void qb_decode_panel_f32(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                         struct qb_panel *p)
{
    float w[ROWS_AT_A_TIME][QB_PANEL_K];
    p->offset_shift = QB_OFFSET_NONE;
    for (int r0 = 0; r0 < QB_PANEL_ROWS; r0 += ROWS_AT_A_TIME) {
        for (int r = 0; r < ROWS_AT_A_TIME; r++)
            decode_slice(m, row0 + (r0 + r < n_rows ? r0 + r : n_rows - 1), k0, n_k, w[r]);
        for (int64_t k = 0; k < n_k; k++)
            for (int r = 0; r < ROWS_AT_A_TIME; r++)
                p->f32[k * QB_PANEL_ROWS + r0 + r] = w[r][k];
    }
}

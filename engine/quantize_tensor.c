/*
 * One tensor in several types: pieces of rows are decoded to f32 and encoded by all threads, a chunk of
 * pieces at a time, and the chunks are handed on in order. Rows are independent, so the bytes are the same
 * for any number of threads.
 */
#include "base/mem.h"
#include "engine/quantize.h"
#include "kernels/encode.h"
#include "kernels/kernels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_VALUES      ((int64_t)1 << 16) /* about the second-level cache as f32 */
#define PIECES_PER_THREAD 4
#define GROUP_ROWS        16 /* every interleaved layout divides it */
#define COPY_BYTES        ((size_t)8 << 20)

struct target {
    int type_id;
    const struct qb_format *format;
    enum qb_layout_id layout;
    size_t row_bytes;
    uint8_t *out; /* a chunk */
};

/* What a thread works with. */
struct lane {
    float *x;       /* a piece of rows */
    uint8_t *plain; /* the same encoded, before it is interleaved */
    int64_t bad_piece;
    struct qb_err err;
};

struct encoder {
    const struct qb_gguf_tensor *t;
    struct target targets[QB_QUANT_MAX_TARGETS];
    int n_targets;
    const float *importance; /* ne[0] * ne[2], or NULL */
    enum qb_isa isa;
    int64_t n_rows, piece_rows, chunk_rows;
    int64_t row0, rows; /* the chunk at work */
    struct lane *lanes;
    int n_lanes;
};

/* ---- errors ---- */

static enum qb_status fail_value(const struct encoder *e, int64_t row, int64_t column, float v,
                                 struct qb_err *err)
{
    return qb_fail(err, QB_ERR_FORMAT,
                   "tensor '%s': value %g at index %lld (row %lld, column %lld) is not finite", e->t->name,
                   (double)v, (long long)(row * e->t->ne[0] + column), (long long)row, (long long)column);
}

/* Encoding rows [row, row + n) failed: which row, and why? */
static enum qb_status explain(const struct encoder *e, const struct target *g, int64_t row, int64_t n,
                              const float *x, struct qb_err *err)
{
    int64_t cols = e->t->ne[0];
    for (int64_t i = 0; i < n * cols; i++)
        if (!isfinite(x[i]))
            return fail_value(e, row + i / cols, i % cols, x[i], err);
    int64_t largest = 0;
    for (int64_t i = 1; i < n * cols; i++)
        if (fabsf(x[i]) > fabsf(x[largest]))
            largest = i;
    return qb_fail(err, QB_ERR_FORMAT, "tensor '%s': value %g at index %lld is too large for %s", e->t->name,
                   (double)x[largest], (long long)(row * cols + largest), g->format->name);
}

/* ---- a piece ---- */

static void decode_rows(const struct encoder *e, int64_t row, int64_t n, float *x)
{
    const struct qb_gguf_tensor *t = e->t;
    struct qb_matrix m = {t->format, t->layout, e->n_rows, t->ne[0], t->data};
    if (t->layout == QB_LAYOUT_PLAIN) {
        t->format->decode(t->data + (size_t)row * qb_matrix_row_bytes(&m), x, n * t->ne[0]);
        return;
    }
    for (int64_t r = 0; r < n; r++)
        qb_matrix_decode_row(&m, row + r, x + r * t->ne[0]);
}

/* The importances of the expert that a row belongs to; interleaved types had none. */
static const float *importance_of(const struct encoder *e, const struct target *g, int64_t row)
{
    if (!e->importance || g->layout != QB_LAYOUT_PLAIN)
        return NULL;
    return e->importance + row / e->t->ne[1] % e->t->ne[2] * e->t->ne[0];
}

/* Rows of one expert. */
static enum qb_status encode_rows(const struct encoder *e, const struct target *g, int64_t row, int64_t n,
                                  const float *x, uint8_t *out, struct qb_err *err)
{
    int64_t cols = e->t->ne[0];
    struct qb_err why; /* counts rows from the start of the piece: explain() says it better */
    enum qb_status st =
        qb_encode_rows_isa(e->isa, g->format, x, n, cols, importance_of(e, g, row), out, &why);
    if (st == QB_ERR_UNSUPPORTED)
        return qb_fail(err, st, "tensor '%s': %s", e->t->name, why.message);
    bool too_large =
        !st && !g->format->quantized && g->format->check(out, n * cols / g->format->block_elems) >= 0;
    return st || too_large ? explain(e, g, row, n, x, err) : QB_OK;
}

static enum qb_status encode_piece(const struct encoder *e, const struct target *g, struct lane *l,
                                   int64_t row, int64_t n)
{
    int64_t cols = e->t->ne[0], per_expert = e->t->ne[1];
    uint8_t *out = g->out + (size_t)(row - e->row0) * g->row_bytes;
    uint8_t *plain = g->layout == QB_LAYOUT_PLAIN ? out : l->plain;
    for (int64_t r = 0; r < n;) {
        int64_t same = per_expert - (row + r) % per_expert;
        same = same < n - r ? same : n - r;
        QB_TRY(encode_rows(e, g, row + r, same, l->x + r * cols, plain + (size_t)r * g->row_bytes, &l->err));
        r += same;
    }
    int group = qb_layout_get(g->layout)->rows;
    for (int64_t r = 0; g->layout != QB_LAYOUT_PLAIN && r < n; r += group)
        qb_layout_pack(g->layout, g->format, cols, plain + (size_t)r * g->row_bytes, g->row_bytes,
                       out + (size_t)r * g->row_bytes);
    return QB_OK;
}

static void work_on_chunk(struct qb_worker *w, void *arg)
{
    struct encoder *e = arg;
    struct lane *l = &e->lanes[w->index];
    int64_t n_pieces = (e->rows + e->piece_rows - 1) / e->piece_rows, begin, end;
    qb_pool_loop_start(w);
    while (qb_pool_loop_next(w, n_pieces, 1, &begin, &end))
        for (int64_t p = begin; p < end && l->bad_piece < 0; p++) {
            int64_t row = e->row0 + p * e->piece_rows, left = e->row0 + e->rows - row;
            int64_t n = left < e->piece_rows ? left : e->piece_rows;
            decode_rows(e, row, n, l->x);
            for (int i = 0; i < e->n_targets && l->bad_piece < 0; i++)
                if (encode_piece(e, &e->targets[i], l, row, n) != QB_OK)
                    l->bad_piece = p;
        }
}

/* The error of the first bad piece: the same one whichever thread was first. */
static enum qb_status first_error(const struct encoder *e, struct qb_err *err)
{
    const struct lane *first = NULL;
    for (int i = 0; i < e->n_lanes; i++)
        if (e->lanes[i].bad_piece >= 0 && (!first || e->lanes[i].bad_piece < first->bad_piece))
            first = &e->lanes[i];
    if (!first)
        return QB_OK;
    if (err)
        *err = first->err;
    return first->err.code;
}

/* ---- the tensor ---- */

static void release(struct encoder *e)
{
    for (int i = 0; i < e->n_lanes; i++) {
        free(e->lanes[i].x);
        free(e->lanes[i].plain);
    }
    for (int i = 0; i < e->n_targets; i++)
        free(e->targets[i].out);
    free(e->lanes);
    free((void *)(uintptr_t)e->importance);
}

static int64_t round_rows(int64_t rows)
{
    return (rows + GROUP_ROWS - 1) / GROUP_ROWS * GROUP_ROWS;
}

static void size_pieces(struct encoder *e)
{
    int64_t cols = e->t->ne[0];
    bool groups = e->t->layout != QB_LAYOUT_PLAIN;
    for (int i = 0; i < e->n_targets; i++)
        groups = groups || e->targets[i].layout != QB_LAYOUT_PLAIN;
    e->piece_rows = PIECE_VALUES / cols > 0 ? PIECE_VALUES / cols : 1;
    if (groups)
        e->piece_rows = round_rows(e->piece_rows);
    e->chunk_rows = e->piece_rows * e->n_lanes * PIECES_PER_THREAD;
    if (e->chunk_rows > e->n_rows)
        e->chunk_rows = e->n_rows;
}

static enum qb_status set_targets(struct encoder *e, const int *type_ids, int n, struct qb_err *err)
{
    for (int i = 0; i < n; i++) {
        enum qb_format_id id;
        struct target *g = &e->targets[i];
        g->type_id = type_ids[i];
        if (!qb_layout_from_gguf_id(type_ids[i], &id, &g->layout))
            return qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s': this build cannot write %s", e->t->name,
                           qb_gguf_type_name(type_ids[i]));
        g->format = qb_format_get(id);
        if (e->t->ne[0] % g->format->block_elems != 0)
            return qb_fail(err, QB_ERR_USAGE, "tensor '%s': rows of %lld cannot be stored as %s", e->t->name,
                           (long long)e->t->ne[0], qb_gguf_type_name(type_ids[i]));
        g->row_bytes = qb_format_bytes(g->format, e->t->ne[0]);
        e->n_targets = i + 1;
    }
    return QB_OK;
}

static enum qb_status set_memory(struct encoder *e, const struct qb_imatrix_entry *entry, struct qb_err *err)
{
    size_t most = 0, cols = (size_t)e->t->ne[0];
    QB_TRY(qb_calloc((void **)&e->lanes, (size_t)e->n_lanes, sizeof *e->lanes, "threads", err));
    for (int i = 0; i < e->n_targets; i++) {
        struct target *g = &e->targets[i];
        most = g->layout != QB_LAYOUT_PLAIN && g->row_bytes > most ? g->row_bytes : most;
        QB_TRY(qb_calloc((void **)&g->out, (size_t)e->chunk_rows, g->row_bytes, "encoded rows", err));
    }
    for (int i = 0; i < e->n_lanes; i++) {
        struct lane *l = &e->lanes[i];
        QB_TRY(qb_calloc((void **)&l->x, (size_t)e->piece_rows * cols, sizeof *l->x, "decoded rows", err));
        QB_TRY(qb_calloc((void **)&l->plain, (size_t)e->piece_rows, most + 1, "encoded rows", err));
    }
    if (entry) {
        float *importance;
        QB_TRY(qb_calloc((void **)&importance, cols * (size_t)e->t->ne[2], sizeof *importance, "importances",
                         err));
        qb_imatrix_importance(entry, 0, cols * (size_t)e->t->ne[2], importance);
        e->importance = importance;
    }
    return QB_OK;
}

static enum qb_status hand_on(const struct encoder *e, const struct qb_quant_work *w, struct qb_err *err)
{
    for (int i = 0; i < e->n_targets; i++)
        QB_TRY(w->sink(w->sink_arg, i, e->targets[i].out, (size_t)e->rows * e->targets[i].row_bytes, err));
    return QB_OK;
}

static enum qb_status ask(const struct qb_quant_work *w, double share, struct qb_err *err)
{
    if (w->proceed && !w->proceed(w->proceed_arg, share))
        return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
    return QB_OK;
}

static enum qb_status encode_chunks(struct encoder *e, const struct qb_quant_work *w, struct qb_err *err)
{
    for (e->row0 = 0; e->row0 < e->n_rows; e->row0 += e->chunk_rows) {
        int64_t left = e->n_rows - e->row0;
        e->rows = left < e->chunk_rows ? left : e->chunk_rows;
        for (int i = 0; i < e->n_lanes; i++)
            e->lanes[i].bad_piece = -1;
        qb_pool_run(w->pool, work_on_chunk, e);
        QB_TRY(first_error(e, err));
        QB_TRY(hand_on(e, w, err));
        QB_TRY(ask(w, (double)(e->row0 + e->rows) / (double)e->n_rows, err));
    }
    return QB_OK;
}

enum qb_status qb_quant_tensor_encode(const struct qb_gguf_tensor *t,
                                      const struct qb_imatrix_entry *importance, const int *type_ids,
                                      int n_types, const struct qb_quant_work *w, struct qb_err *err)
{
    if (n_types <= 0 || n_types > QB_QUANT_MAX_TARGETS || !t->format)
        QB_BUG("tensor '%s': %d types", t->name, n_types);
    struct encoder *e;
    QB_TRY(qb_calloc((void **)&e, 1, sizeof *e, "the encoder", err));
    e->t = t;
    e->isa = qb_cpu_isa();
    e->n_rows = t->ne[1] * t->ne[2] * t->ne[3];
    e->n_lanes = qb_pool_n_threads(w->pool);
    enum qb_status st = set_targets(e, type_ids, n_types, err);
    if (!st) {
        size_pieces(e);
        st = set_memory(e, importance, err);
    }
    if (!st)
        st = encode_chunks(e, w, err);
    release(e);
    free(e);
    return st;
}

/* ---- as it is ---- */

static enum qb_status fail_bad_block(const struct qb_gguf_tensor *t, int64_t block, struct qb_err *err)
{
    const char *what = t->format->quantized ? "a scale" : "the value";
    return qb_fail(err, QB_ERR_FORMAT, "tensor '%s': %s at index %lld is not finite", t->name, what,
                   (long long)(block * t->format->block_elems));
}

enum qb_status qb_quant_tensor_copy(const struct qb_gguf_tensor *t, const struct qb_quant_work *w,
                                    struct qb_err *err)
{
    int64_t bad = -1;
    if (t->format)
        QB_TRY(qb_gguf_tensor_check(t, &bad, err));
    if (bad >= 0)
        return fail_bad_block(t, bad, err);
    for (size_t done = 0; done < t->bytes;) {
        size_t n = t->bytes - done < COPY_BYTES ? t->bytes - done : COPY_BYTES;
        QB_TRY(w->sink(w->sink_arg, 0, t->data + done, n, err));
        done += n;
        QB_TRY(ask(w, (double)done / (double)t->bytes, err));
    }
    return QB_OK;
}

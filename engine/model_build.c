/*
 * From tensors to matrices: places, layouts, memory, and the copy. Each worker packs the rows that it will
 * multiply when tokens come one at a time, and is the first to touch their memory, so the pages lie on its
 * NUMA node. A page is packed while what the kernel cleared is still in the cache: clearing all of them first
 * writes the memory twice.
 */
#include "engine/model_build.h"

#include "base/clock.h"
#include "engine/layout_choice.h"
#include "engine/matmul.h"
#include "engine/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_ROWS  16
#define PIECE_BYTES (128 << 10) /* of plain rows at a time: stays in the cache until it is packed */
#define ALIGN       64

/* ---- places ---- */

enum place_kind { PLACE_MATRIX, PLACE_VECTOR };

struct place {
    const char *name;
    enum place_kind kind;
    size_t offset;
};

static const struct place model_places[] = {
    {"token_embd.weight", PLACE_MATRIX, offsetof(struct qb_model, token_embd)},
    {"output.weight", PLACE_MATRIX, offsetof(struct qb_model, output)},
    {"output_norm.weight", PLACE_VECTOR, offsetof(struct qb_model, output_norm)},
    {"rope_freqs.weight", PLACE_VECTOR, offsetof(struct qb_model, rope_freqs)},
};

static const struct place layer_places[] = {
    {"attn_norm.weight", PLACE_VECTOR, offsetof(struct qb_layer, attn_norm)},
    {"ffn_norm.weight", PLACE_VECTOR, offsetof(struct qb_layer, ffn_norm)},
    {"attn_q.weight", PLACE_MATRIX, offsetof(struct qb_layer, wq)},
    {"attn_k.weight", PLACE_MATRIX, offsetof(struct qb_layer, wk)},
    {"attn_v.weight", PLACE_MATRIX, offsetof(struct qb_layer, wv)},
    {"attn_output.weight", PLACE_MATRIX, offsetof(struct qb_layer, wo)},
    {"attn_q.bias", PLACE_VECTOR, offsetof(struct qb_layer, bq)},
    {"attn_k.bias", PLACE_VECTOR, offsetof(struct qb_layer, bk)},
    {"attn_v.bias", PLACE_VECTOR, offsetof(struct qb_layer, bv)},
    {"attn_output.bias", PLACE_VECTOR, offsetof(struct qb_layer, bo)},
    {"ffn_gate.weight", PLACE_MATRIX, offsetof(struct qb_layer, gate)},
    {"ffn_up.weight", PLACE_MATRIX, offsetof(struct qb_layer, up)},
    {"ffn_down.weight", PLACE_MATRIX, offsetof(struct qb_layer, down)},
};

static bool find_place(struct qb_part *p, const struct place *places, size_t n, const char *name, void *base)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(places[i].name, name) != 0)
            continue;
        void *at = (char *)base + places[i].offset;
        p->matrix = places[i].kind == PLACE_MATRIX ? at : NULL;
        p->vector = places[i].kind == PLACE_VECTOR ? at : NULL;
        return true;
    }
    return false;
}

/* Products of q, k and v are one call; all others stand alone (gate and up are cut alike). */
static void set_call(struct qb_part *p, const struct qb_layer *l)
{
    p->n_call = 1;
    p->call[0] = p->matrix;
    if (!l || (p->matrix != &l->wq && p->matrix != &l->wk && p->matrix != &l->wv))
        return;
    const struct qb_matrix *qkv[] = {&l->wq, &l->wk, &l->wv};
    p->n_call = 3;
    memcpy(p->call, qkv, sizeof qkv);
    p->call_index = p->matrix == &l->wq ? 0 : p->matrix == &l->wk ? 1 : 2;
}

static bool place_part(struct qb_model *m, struct qb_part *p)
{
    int layer = 0, used = 0;
    struct qb_layer *l = NULL;
    bool ok;
    if (sscanf(p->spec.name, "blk.%d.%n", &layer, &used) == 1 && used > 0) {
        l = &m->layers[layer];
        ok = layer >= 0 && layer < m->hp.n_layer &&
             find_place(p, layer_places, QB_ARRAY_LEN(layer_places), p->spec.name + used, l);
    } else {
        ok = find_place(p, model_places, QB_ARRAY_LEN(model_places), p->spec.name, m);
    }
    if (ok && p->matrix)
        set_call(p, l);
    return ok;
}

enum qb_status qb_build_list(struct qb_build *b, struct qb_err *err)
{
    struct qb_model *m = b->model;
    struct qb_tensor_spec *specs = NULL;
    size_t n = 0;
    QB_TRY(qb_hparams_tensors(&m->hp, &specs, &n, err));
    enum qb_status st =
        qb_calloc((void **)&m->layers, (size_t)m->hp.n_layer, sizeof *m->layers, "the layers", err);
    if (st == QB_OK)
        st = qb_calloc((void **)&b->parts, n, sizeof *b->parts, "the tensor list", err);
    for (size_t i = 0; st == QB_OK && i < n; i++) {
        struct qb_part *p = &b->parts[b->n_parts++];
        p->spec = specs[i];
        if (!place_part(m, p))
            st = qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s' has no place in a %s model", specs[i].name,
                         m->hp.arch);
    }
    free(specs);
    return st;
}

/* ---- layouts and memory ---- */

/* An embedding that is no output head is only looked up: it stays as it comes. */
static bool only_looked_up(const struct qb_build *b, const struct qb_part *p)
{
    return p->matrix == &b->model->token_embd && !b->model->hp.tied_embeddings;
}

/* What @auto means; a format is tried once. */
static enum qb_layout_id auto_layout(struct qb_build *b, const struct qb_format *f, int64_t n_rows)
{
    enum qb_layout_id best = qb_kernel_set_auto_layout(b->o->set, f, n_rows);
    if (best != QB_LAYOUT_R16)
        return best;
    if (!b->tried[f->id])
        b->expands[f->id] = qb_x16_is_faster(b->o->set, f, b->o->thread_gbs);
    b->tried[f->id] = true;
    return b->expands[f->id] ? QB_LAYOUT_X16 : best;
}

static enum qb_layout_id wanted_layout(struct qb_build *b, const struct qb_part *p)
{
    int64_t n_rows = p->spec.ne[1];
    enum qb_layout_id want = b->o->layout;
    if (want == QB_LAYOUT_PLAIN || only_looked_up(b, p))
        return p->from;
    if (want == QB_LAYOUT_AUTO)
        want = auto_layout(b, p->format, n_rows);
    if (want == QB_LAYOUT_X16 && !qb_expansion_of(p->format))
        want = QB_LAYOUT_R16;
    if (qb_layout_fits(want, p->format, n_rows))
        return want;
    b->model->n_stayed_plain++;
    return p->from;
}

static void count_use(struct qb_model *m, const struct qb_matrix *x, size_t bytes)
{
    int i = 0;
    while (i < m->n_use && (m->use[i].format != x->format || m->use[i].layout != x->layout))
        i++;
    if (i == m->n_use)
        m->use[m->n_use++] = (struct qb_layout_use){.format = x->format, .layout = x->layout};
    m->use[i].n_tensors++;
    m->use[i].bytes += bytes;
}

/* Of a row as it comes; x16 makes it longer. */
static size_t source_row_bytes(const struct qb_part *p)
{
    return qb_layout_bytes(p->from, p->format, p->matrix->n_cols);
}

/* Fill in the matrix; *used grows by its own memory, if it needs any. */
static bool place_matrix(struct qb_build *b, struct qb_part *p, size_t *used)
{
    struct qb_matrix *m = p->matrix;
    *m = (struct qb_matrix){p->format, wanted_layout(b, p), p->spec.ne[1], p->spec.ne[0], NULL};
    size_t bytes = qb_matrix_row_bytes(m), stored = source_row_bytes(p) * (size_t)m->n_rows;
    b->row_bytes = bytes > b->row_bytes ? bytes : b->row_bytes;
    if (!qb_size_mul(bytes, (size_t)m->n_rows, &bytes))
        return false;
    count_use(b->model, m, stored);
    b->model->tensor_bytes += stored;
    if (p->source && m->layout == p->from) {
        m->data = p->source->data;
        return true;
    }
    *used = qb_align_up(*used, ALIGN);
    p->own = true;
    p->offset = *used;
    return qb_size_add(*used, bytes, used) && *used < SIZE_MAX / 2;
}

static enum qb_status place_vectors(struct qb_build *b, float **vectors, struct qb_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_parts; i++)
        if (b->parts[i].vector && b->parts[i].format)
            n += (size_t)b->parts[i].spec.ne[0];
    QB_TRY(qb_calloc((void **)vectors, n, sizeof **vectors, "norms and biases", err));
    float *at = *vectors;
    for (size_t i = 0; i < b->n_parts; i++) {
        struct qb_part *p = &b->parts[i];
        if (!p->vector || !p->format)
            continue;
        *p->vector = at;
        p->into = (uint8_t *)at;
        at += p->spec.ne[0];
        b->model->tensor_bytes += qb_format_bytes(p->format, p->spec.ne[0]);
    }
    return QB_OK;
}

enum qb_status qb_build_place(struct qb_build *b, struct qb_block *block, float **vectors, struct qb_err *err)
{
    size_t used = 0;
    for (size_t i = 0; i < b->n_parts; i++)
        if (b->parts[i].matrix && !place_matrix(b, &b->parts[i], &used))
            return qb_fail(err, QB_ERR_MEMORY, "tensor '%s' does not fit in any memory",
                           b->parts[i].spec.name);
    QB_TRY(place_vectors(b, vectors, err));
    if (used > 0)
        QB_TRY(qb_block_init(block, used, true, "the weights", err));
    for (size_t i = 0; i < b->n_parts; i++) {
        struct qb_part *p = &b->parts[i];
        if (!p->own)
            continue;
        p->into = (uint8_t *)block->data + p->offset;
        p->matrix->data = p->into;
    }
    if (b->model->hp.tied_embeddings)
        b->model->output = b->model->token_embd;
    return QB_OK;
}

/* ---- filling ---- */

#define PAGE 4096 /* the smallest page there is */

/* Fault in memory that is about to be written, only to time it: the kernel clears the pages meanwhile. */
static void touch(uint64_t *touch_ns, volatile uint8_t *into, size_t bytes)
{
    uint64_t start = qb_now_ns();
    for (size_t at = 0; at < bytes; at += PAGE)
        into[at] = 0;
    *touch_ns += qb_now_ns() - start;
}

/* Rows [row0, row0 + n) as plain rows: where they lie in memory, or in `temp`. */
static const uint8_t *plain_rows(const struct qb_build *b, const struct qb_part *p, int64_t row0, int64_t n,
                                 uint8_t *temp)
{
    const struct qb_matrix *m = p->matrix;
    size_t row_bytes = source_row_bytes(p);
    if (!p->source) {
        qb_synth_rows(&b->model->hp, p->spec.name, m->n_cols, p->format, b->o->seed, row0, n, temp);
        return temp;
    }
    const uint8_t *from = p->source->data + (size_t)row0 * row_bytes;
    if (p->from == QB_LAYOUT_PLAIN && b->stand_ins)
        return from;
    if (p->from == QB_LAYOUT_PLAIN) {
        const struct qb_mapping *map = qb_gguf_mapping(b->gguf, p->source->file);
        qb_mapping_copy(map, (size_t)(from - map->data), (size_t)n * row_bytes, temp);
        return temp;
    }
    int rows = qb_layout_get(p->from)->rows;
    for (int64_t r = 0; r < n; r += rows)
        qb_layout_unpack(p->from, p->format, m->n_cols, from + (size_t)r * row_bytes,
                         temp + (size_t)r * row_bytes, row_bytes);
    return temp;
}

static void fill_piece(const struct qb_build *b, const struct qb_part *p, int64_t row0, int64_t n,
                       uint8_t *temp)
{
    const struct qb_matrix *m = p->matrix;
    size_t row_bytes = qb_matrix_row_bytes(m), from_bytes = source_row_bytes(p);
    uint8_t *into = p->into + (size_t)row0 * row_bytes;
    if (m->layout == QB_LAYOUT_PLAIN) {
        /* a copy is made of nothing but synthetic or interleaved weights: make the first in place */
        const uint8_t *rows = plain_rows(b, p, row0, n, p->source ? temp : into);
        if (rows != into)
            memcpy(into, rows, (size_t)n * row_bytes);
        return;
    }
    const uint8_t *rows = plain_rows(b, p, row0, n, temp);
    int step = qb_layout_get(m->layout)->rows;
    for (int64_t r = 0; r < n; r += step)
        b->o->set->pack(m->layout, p->format, m->n_cols, rows + (size_t)r * from_bytes, from_bytes,
                        into + (size_t)r * row_bytes);
}

static void drop_source(const struct qb_build *b, const struct qb_part *p, int64_t row0, int64_t row1)
{
    if (!p->source || b->stand_ins)
        return;
    const struct qb_mapping *map = qb_gguf_mapping(b->gguf, p->source->file);
    size_t row_bytes = source_row_bytes(p);
    qb_mapping_drop(map, (size_t)(p->source->data - map->data) + (size_t)row0 * row_bytes,
                    (size_t)(row1 - row0) * row_bytes);
}

static void fill_matrix(struct qb_worker *w, const struct qb_build *b, const struct qb_part *p)
{
    int64_t row0, row1;
    size_t row_bytes = qb_matrix_row_bytes(p->matrix);
    uint8_t *temp = b->rows + (size_t)w->index * b->piece_bytes;
    int64_t piece = (int64_t)(b->piece_bytes / row_bytes) / GROUP_ROWS * GROUP_ROWS;
    qb_matmul_share(p->call, p->n_call, p->call_index, w->index, w->n, &row0, &row1);
    for (int64_t r = row0; r < row1; r += piece) {
        int64_t n = row1 - r < piece ? row1 - r : piece;
        touch(b->touch_ns + w->index, p->into + (size_t)r * row_bytes, (size_t)n * row_bytes);
        fill_piece(b, p, r, n, temp);
    }
    if (row0 < row1)
        drop_source(b, p, row0, row1);
}

static void fill_vector(const struct qb_build *b, const struct qb_part *p)
{
    float *out = (float *)(void *)p->into;
    if (p->source)
        p->format->decode(p->source->data, out, p->spec.ne[0]);
    else
        qb_synth_rows(&b->model->hp, p->spec.name, p->spec.ne[0], p->format, b->o->seed, 0, 1, p->into);
}

static void fill(struct qb_worker *w, void *arg)
{
    const struct qb_build *b = arg;
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct qb_part *p = &b->parts[i];
        if (p->matrix && p->into)
            fill_matrix(w, b, p);
        else if (p->vector && p->into && w->index == 0)
            fill_vector(b, p);
    }
}

enum qb_status qb_build_fill(struct qb_build *b, struct qb_err *err)
{
    size_t n = (size_t)qb_pool_n_threads(b->o->pool);
    b->piece_bytes = GROUP_ROWS * b->row_bytes > PIECE_BYTES ? GROUP_ROWS * b->row_bytes : PIECE_BYTES;
    QB_TRY(qb_calloc((void **)&b->rows, n, b->piece_bytes, "repacking", err));
    QB_TRY(qb_calloc((void **)&b->touch_ns, n, sizeof *b->touch_ns, "repacking", err));
    qb_pool_run(b->o->pool, fill, b);
    for (size_t i = 0; i < n; i++)
        b->model->touch_ns += b->touch_ns[i] / n;
    return QB_OK;
}

void qb_build_release(struct qb_build *b)
{
    free(b->parts);
    free(b->rows);
    free(b->touch_ns);
    b->parts = NULL;
    b->rows = NULL;
    b->touch_ns = NULL;
}

/*
 * A model shape as a GGUF file: full metadata without a tokenizer, tensors by the type mix, weights from
 * qb_synth_rows.
 */
#include "base/mem.h"
#include "engine/synth.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define GROUP_ROWS  16

struct plan {
    const struct qb_hparams *hp;
    uint64_t seed;
    struct qb_tensor_spec *specs;
    struct qb_recipe_tensor *recipe;
    size_t n;
    uint64_t total_bytes, done_bytes;
    void (*progress)(void *, double);
    void *progress_arg;
    uint8_t *rows, *packed; /* one chunk as plain rows, and interleaved */
};

static void release(struct plan *p)
{
    free(p->specs);
    free(p->recipe);
    free(p->rows);
    free(p->packed);
}

static enum qb_status make_plan(struct plan *p, const struct qb_ftype *ftype, bool imatrix_mix,
                                struct qb_err *err)
{
    size_t n;
    QB_TRY(qb_hparams_tensors(p->hp, &p->specs, &n, err));
    for (size_t i = 0; i < n; i++) /* a shape has no optional tensors */
        if (!p->specs[i].optional)
            p->specs[p->n++] = p->specs[i];
    QB_TRY(qb_calloc((void **)&p->recipe, p->n + 1, sizeof *p->recipe, "type mix", err));
    for (size_t i = 0; i < p->n; i++) {
        p->recipe[i].name = p->specs[i].name;
        memcpy(p->recipe[i].ne, p->specs[i].ne, sizeof p->recipe[i].ne);
    }
    return qb_recipe_apply(ftype, p->hp, imatrix_mix, p->recipe, p->n, err);
}

static enum qb_status add_tensors(struct plan *p, const struct qb_ftype *ftype, struct qb_gguf_writer *w,
                                  struct qb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_tensor_spec *s = &p->specs[i];
        int type = p->recipe[i].type_id;
        enum qb_format_id format;
        enum qb_layout_id layout;
        size_t bytes;
        if (!qb_layout_from_gguf_id(type, &format, &layout))
            return qb_fail(err, QB_ERR_UNSUPPORTED,
                           "file type '%s' needs the format %s, which this build does not have", ftype->name,
                           qb_gguf_type_name(type));
        if (!qb_ggml_bytes(type, s->ne, &bytes))
            return qb_fail(err, QB_ERR_USAGE, "tensor '%s' is too large", s->name);
        QB_TRY(qb_gguf_add_tensor(w, s->name, s->n_dims, s->ne, type, bytes, err));
        p->total_bytes += bytes;
    }
    return QB_OK;
}

/* ---- metadata ---- */

struct meta {
    struct qb_gguf_writer *w;
    const struct qb_hparams *hp;
    enum qb_status status;
    struct qb_err *err;
};

static const char *arch_key(const struct meta *m, const char *name, char out[96])
{
    snprintf(out, 96, "%s.%s", m->hp->arch, name);
    return out;
}

static void put_int(struct meta *m, const char *name, int v)
{
    char key[96];
    if (m->status == QB_OK)
        m->status = qb_gguf_put_u32(m->w, arch_key(m, name, key), (uint32_t)v, m->err);
}

static void put_float(struct meta *m, const char *name, float v)
{
    char key[96];
    if (m->status == QB_OK)
        m->status = qb_gguf_put_f32(m->w, arch_key(m, name, key), v, m->err);
}

/* A number where all layers agree, else one per layer: readers take both. */
static void put_layers(struct meta *m, const char *name, const int *v)
{
    bool same = true;
    for (int l = 1; l < m->hp->n_layer; l++)
        same = same && v[l] == v[0];
    if (same) {
        put_int(m, name, v[0]);
        return;
    }
    char key[96];
    uint32_t values[QB_MAX_LAYERS];
    for (int l = 0; l < m->hp->n_layer; l++)
        values[l] = (uint32_t)v[l];
    if (m->status == QB_OK)
        m->status =
            qb_gguf_put_u32_array(m->w, arch_key(m, name, key), values, (size_t)m->hp->n_layer, m->err);
}

static enum qb_status put_general(const struct qb_hparams *hp, const struct qb_ftype *ftype,
                                  struct qb_gguf_writer *w, struct qb_err *err)
{
    /* IQ4_NL_4_4 never had a file type number: say IQ4_NL */
    int id = ftype->gguf_id >= 0 ? ftype->gguf_id : 25;
    QB_TRY(qb_gguf_put_str(w, "general.architecture", hp->arch, err));
    QB_TRY(qb_gguf_put_str(w, "general.type", "model", err));
    QB_TRY(qb_gguf_put_str(w, "general.name", hp->name, err));
    QB_TRY(qb_gguf_put_str(w, "general.description",
                           "random weights in the shape of a real model, made by qbench", err));
    QB_TRY(qb_gguf_put_u32(w, "general.quantization_version", 2, err));
    return qb_gguf_put_u32(w, "general.file_type", (uint32_t)id, err);
}

static enum qb_status put_metadata(const struct qb_hparams *hp, const struct qb_ftype *ftype,
                                   struct qb_gguf_writer *w, struct qb_err *err)
{
    QB_TRY(put_general(hp, ftype, w, err));
    struct meta m = {w, hp, QB_OK, err};
    put_int(&m, "block_count", hp->n_layer);
    put_int(&m, "context_length", hp->n_ctx_train);
    put_int(&m, "embedding_length", hp->n_embd);
    put_layers(&m, "feed_forward_length", hp->n_ff);
    put_layers(&m, "attention.head_count", hp->n_head);
    put_layers(&m, "attention.head_count_kv", hp->n_head_kv);
    put_int(&m, "attention.key_length", hp->head_dim_k);
    put_int(&m, "attention.value_length", hp->head_dim_v);
    put_float(&m, "attention.layer_norm_rms_epsilon", hp->norm_eps);
    if (hp->attn_scale > 0)
        put_float(&m, "attention.scale", hp->attn_scale);
    put_int(&m, "rope.dimension_count", hp->n_rot);
    put_float(&m, "rope.freq_base", hp->rope_base);
    put_int(&m, "vocab_size", hp->n_vocab);
    QB_TRY(m.status);
    return qb_gguf_put_str(w, "tokenizer.ggml.model", "no_vocab", err);
}

/* ---- data ---- */

static const uint8_t *interleave(struct plan *p, enum qb_layout_id layout, const struct qb_format *f,
                                 int64_t n_cols, int64_t n_rows)
{
    if (layout == QB_LAYOUT_PLAIN)
        return p->rows;
    size_t row = qb_format_bytes(f, n_cols);
    int group = qb_layout_get(layout)
                    ->rows; /* divides GROUP_ROWS and, as the recipe saw to, the rows of the tensor */
    for (int64_t r = 0; r < n_rows; r += group)
        qb_layout_pack(layout, f, n_cols, p->rows + (size_t)r * row, row, p->packed + (size_t)r * row);
    return p->packed;
}

static enum qb_status size_chunk(struct plan *p, size_t bytes, struct qb_err *err)
{
    free(p->rows);
    free(p->packed);
    p->rows = p->packed = NULL;
    QB_TRY(qb_calloc((void **)&p->rows, bytes, 1, "rows", err));
    return qb_calloc((void **)&p->packed, bytes, 1, "rows", err);
}

static enum qb_status write_tensor(struct plan *p, size_t i, struct qb_gguf_writer *w, struct qb_err *err)
{
    const struct qb_tensor_spec *s = &p->specs[i];
    enum qb_format_id id;
    enum qb_layout_id layout;
    if (!qb_layout_from_gguf_id(p->recipe[i].type_id, &id, &layout))
        QB_BUG("type %d slipped through", p->recipe[i].type_id);
    const struct qb_format *f = qb_format_get(id);
    size_t row = qb_format_bytes(f, s->ne[0]);
    int64_t chunk = (int64_t)(CHUNK_BYTES / row / GROUP_ROWS * GROUP_ROWS);
    if (chunk < GROUP_ROWS)
        chunk = GROUP_ROWS;
    if (chunk > s->ne[1])
        chunk = s->ne[1];
    QB_TRY(size_chunk(p, (size_t)chunk * row, err));
    for (int64_t r = 0; r < s->ne[1]; r += chunk) {
        int64_t rows = s->ne[1] - r < chunk ? s->ne[1] - r : chunk;
        qb_synth_rows(p->hp, s->name, s->ne[0], f, p->seed, r, rows, p->rows);
        QB_TRY(qb_gguf_write(w, interleave(p, layout, f, s->ne[0], rows), (size_t)rows * row, err));
        p->done_bytes += (size_t)rows * row;
        if (p->progress)
            p->progress(p->progress_arg, (double)p->done_bytes / (double)p->total_bytes);
    }
    return QB_OK;
}

static enum qb_status write_all(struct plan *p, const struct qb_ftype *ftype, struct qb_gguf_writer *w,
                                struct qb_err *err)
{
    QB_TRY(put_metadata(p->hp, ftype, w, err));
    QB_TRY(add_tensors(p, ftype, w, err));
    QB_TRY(qb_gguf_begin_data(w, err));
    for (size_t i = 0; i < p->n; i++)
        QB_TRY(write_tensor(p, i, w, err));
    return qb_gguf_writer_finish(w, err);
}

enum qb_status qb_synth_write(const struct qb_hparams *hp, const struct qb_ftype *ftype, bool imatrix_mix,
                              uint64_t seed, const char *path, void (*progress)(void *, double),
                              void *progress_arg, struct qb_err *err)
{
    struct plan p = {.hp = hp, .seed = seed, .progress = progress, .progress_arg = progress_arg};
    struct qb_gguf_writer *w = NULL;
    enum qb_status status = make_plan(&p, ftype, imatrix_mix, err);
    if (status == QB_OK)
        status = qb_gguf_writer_create(&w, path, err);
    if (status == QB_OK)
        status = write_all(&p, ftype, w, err);
    qb_gguf_writer_free(w);
    release(&p);
    return status;
}

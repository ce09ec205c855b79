/*
 * Shapes and GGUF files as sources of models; forecasts from tensor lists alone.
 */
#include "bench/source.h"
#include "base/mem.h"
#include "bench/shape_model.h"
#include "kernels/peak.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a tensor in x16, or those that it has. */
static size_t expanded_bytes(int type_id, const int64_t *ne, size_t bytes)
{
    const struct qb_format *f = qb_format_by_gguf_id(type_id);
    if (!f || !qb_layout_fits(QB_LAYOUT_X16, f, ne[1]))
        return bytes;
    return bytes / (size_t)f->block_bytes * (size_t)qb_layout_block_bytes(QB_LAYOUT_X16, f);
}

/* Does a token multiply with this tensor? 2-D weights but the embedding (unless it is the output too) do. */
static void count_tensor(struct qb_forecast *f, const char *name, int type_id, const int64_t *ne,
                         size_t bytes)
{
    uint64_t n = (uint64_t)ne[0] * (uint64_t)ne[1] * (uint64_t)ne[2] * (uint64_t)ne[3];
    f->tensor_bytes += bytes;
    f->expanded_bytes += expanded_bytes(type_id, ne, bytes);
    if (!strcmp(name, "token_embd.weight") && !f->hp.tied_embeddings)
        return;
    f->bytes_token += bytes;
    if (!strcmp(name, "output.weight") || !strcmp(name, "token_embd.weight"))
        f->macs_output = n;
    else if (ne[1] > 1)
        f->macs_token += n;
}

static enum qb_status tensor_bytes(size_t *out, const struct qb_recipe_tensor *t, struct qb_err *err)
{
    enum qb_format_id id;
    enum qb_layout_id layout;
    if (!qb_layout_from_gguf_id(t->type_id, &id, &layout))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "format '%s' is not in this build",
                       qb_gguf_type_name(t->type_id));
    size_t n;
    if (!qb_size_mul((size_t)t->ne[0], (size_t)t->ne[1], &n) || !qb_size_mul(n, (size_t)t->ne[2], &n) ||
        !qb_size_mul(n, (size_t)t->ne[3], &n))
        return qb_fail(err, QB_ERR_FORMAT, "tensor '%s' is too large", t->name);
    *out = qb_format_bytes(qb_format_get(id), (int64_t)n);
    return QB_OK;
}

static enum qb_status count_recipe(struct qb_forecast *f, struct qb_recipe_tensor *t, size_t n, bool imatrix,
                                   struct qb_err *err)
{
    QB_TRY(qb_recipe_apply(f->ftype, &f->hp, imatrix, t, n, err));
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        QB_TRY(tensor_bytes(&bytes, &t[i], err));
        count_tensor(f, t[i].name, t[i].type_id, t[i].ne, bytes);
    }
    return QB_OK;
}

static enum qb_status forecast_shape(struct qb_forecast *f, const struct qb_variant *v, struct qb_err *err)
{
    QB_TRY(qb_shape_hparams(&f->hp, v->source, err));
    f->ftype = v->ftype;
    f->n_params = qb_hparams_n_params(&f->hp);
    struct qb_tensor_spec *specs = NULL;
    struct qb_recipe_tensor *t = NULL;
    size_t n = 0;
    QB_TRY(qb_hparams_tensors(&f->hp, &specs, &n, err));
    enum qb_status st = qb_calloc((void **)&t, n, sizeof *t, "the tensor list", err);
    for (size_t i = 0; i < n && !st; i++) {
        t[i].name = specs[i].name;
        memcpy(t[i].ne, specs[i].ne, sizeof t[i].ne);
    }
    if (!st)
        st = count_recipe(f, t, n, v->imatrix_mix, err);
    free(t);
    free(specs);
    return st;
}

static enum qb_status count_file(struct qb_forecast *f, const struct qb_gguf *g, struct qb_err *err)
{
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(g, i);
        if (!t->format)
            return qb_fail(err, QB_ERR_UNSUPPORTED,
                           "'%s': tensor '%s' has format '%s', which is not in this build", qb_gguf_path(g),
                           t->name, qb_gguf_type_name(t->type_id));
        count_tensor(f, t->name, t->type_id, t->ne, t->bytes);
        f->n_params += (uint64_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]);
    }
    return QB_OK;
}

/* Does the file hold what is wanted? */
static bool is_wanted_type(const struct qb_forecast *f, const struct qb_variant *v)
{
    if (!v->ftype || v->ftype == f->ftype)
        return true;
    /* the historical layouts of a type: the same weights, whatever early types the file has */
    return f->ftype && v->ftype->base_type_id == f->ftype->base_type_id &&
           v->ftype->layout != QB_LAYOUT_PLAIN;
}

static enum qb_status count_plan(struct qb_forecast *f, const struct qb_variant *v, struct qb_quantized *q,
                                 struct qb_err *err)
{
    QB_TRY(qb_quantized_plan(q, &f->plan, v->source, v->ftype, err));
    f->ftype = v->ftype;
    for (size_t i = 0; i < f->plan.n; i++) {
        const struct qb_quant_tensor *t = &f->plan.tensors[i];
        count_tensor(f, t->name, t->type_id, t->ne, t->bytes);
    }
    f->n_params = f->plan.n_params;
    return QB_OK;
}

static enum qb_status forecast_file(struct qb_forecast *f, const struct qb_variant *v, struct qb_quantized *q,
                                    struct qb_err *err)
{
    struct qb_gguf *g = NULL;
    QB_TRY(qb_gguf_open(&g, v->source, err));
    enum qb_status st = qb_hparams_read(&f->hp, g, err);
    if (!st)
        f->ftype = qb_ftype_by_gguf_id(f->hp.ftype);
    bool as_it_is = !st && is_wanted_type(f, v);
    if (!st && as_it_is)
        st = count_file(f, g, err);
    qb_gguf_close(g);
    return st || as_it_is ? st : count_plan(f, v, q, err);
}

enum qb_status qb_forecast_make(struct qb_forecast *f, const struct qb_variant *v, struct qb_quantized *q,
                                struct qb_err *err)
{
    memset(f, 0, sizeof *f);
    return v->shape ? forecast_shape(f, v, err) : forecast_file(f, v, q, err);
}

void qb_forecast_release(struct qb_forecast *f)
{
    if (f)
        qb_quant_plan_release(&f->plan);
}

enum qb_status qb_source_load(struct qb_model **out, const struct qb_variant *v, const struct qb_forecast *f,
                              struct qb_quantized *q, const struct qb_model_options *o, struct qb_err *err)
{
    if (v->shape)
        return qb_model_synthesize(out, &f->hp, v->ftype, v->imatrix_mix, o, err);
    if (f->plan.n)
        return qb_quantized_open(q, out, v->source, f->plan_index, &f->plan, o, err);
    return qb_model_open(out, v->source, o, err);
}

/* The class of the dot product for weights of this format. */
static enum qb_peak_class class_of(const struct qb_kernel_set *set, const struct qb_format *f)
{
    enum qb_act_kind act = qb_kernel_set_act(set, f, QB_MANY_COLS);
    if (qb_act_block(act))
        return QB_PEAK_INT8;
    return act == QB_ACT_BF16 && set->bf16 ? QB_PEAK_BF16 : QB_PEAK_F32;
}

static void count_matrix(struct qb_work *w, uint64_t *by_class, const struct qb_matrix *m,
                         const struct qb_kernel_set *set, uint64_t *macs)
{
    if (!m->format)
        return;
    uint64_t n = (uint64_t)m->n_rows * (uint64_t)m->n_cols;
    *macs += n;
    by_class[class_of(set, m->format)] += n;
    w->bytes_token += (uint64_t)m->n_rows * qb_matrix_row_bytes(m);
}

void qb_work_of(struct qb_work *w, const struct qb_model *m, const struct qb_kernel_set *set)
{
    uint64_t by_class[QB_PEAK_CLASS_COUNT] = {0};
    *w = (struct qb_work){0};
    for (int i = 0; i < m->hp.n_layer; i++) {
        const struct qb_layer *l = &m->layers[i];
        const struct qb_matrix *qkv[] = {&l->wq, &l->wk, &l->wv};
        const struct qb_matrix *rest[] = {&l->wo, &l->gate, &l->up, &l->down};
        w->macs_last = 0;
        for (size_t k = 0; k < QB_ARRAY_LEN(qkv); k++)
            count_matrix(w, by_class, qkv[k], set, &w->macs_token);
        for (size_t k = 0; k < QB_ARRAY_LEN(rest); k++)
            count_matrix(w, by_class, rest[k], set, &w->macs_last);
        w->macs_token += w->macs_last;
    }
    count_matrix(w, by_class, &m->output, set, &w->macs_output);
    for (int c = 0; c < QB_PEAK_READ; c++)
        w->cls = by_class[c] > by_class[w->cls] ? c : w->cls;
}

static double kv_value_bytes(enum qb_kv_type t)
{
    switch (t) {
    case QB_KV_F32:
        return 4;
    case QB_KV_Q8_0:
        return 34.0 / 32;
    default:
        return 2;
    }
}

uint64_t qb_kv_read_bytes(const struct qb_hparams *hp, enum qb_kv_type k, enum qb_kv_type v, double context)
{
    double per_head = hp->head_dim_k * kv_value_bytes(k) + hp->head_dim_v * kv_value_bytes(v), sum = 0;
    for (int i = 0; i < hp->n_layer; i++)
        sum += hp->n_head_kv[i] * per_head;
    return (uint64_t)(sum * context);
}

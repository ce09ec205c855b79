/*
 * The plan: tensors in the order of the file, their types by the recipe, and what stands in the way.
 */
#include "base/mem.h"
#include "engine/quantize.h"
#include "kernels/encode.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the recipe wants to know of a model ---- */

static uint64_t read_count(const struct qb_gguf *g, const char *arch, const char *name, uint64_t missing)
{
    char key[96];
    uint64_t v;
    int64_t first;
    snprintf(key, sizeof key, "%s.%s", arch, name);
    const struct qb_gguf_kv *kv = qb_gguf_find(g, key);
    if (kv && kv->type == QB_GGUF_ARRAY &&
        qb_gguf_array_i64(kv, 0, &first)) /* one a layer: the first counts */
        return first >= 0 && first < 1 << 20 ? (uint64_t)first : missing;
    return qb_gguf_get_u64(g, key, &v) && v < 1 << 20 ? v : missing;
}

/* Lenient: files of architectures that the engine does not know are quantized too. */
static void read_facts(struct qb_hparams *hp, const struct qb_gguf *g)
{
    struct qb_gguf_str arch = {"", 0};
    *hp = (struct qb_hparams){0};
    qb_gguf_get_str(g, "general.architecture", &arch);
    snprintf(hp->arch, sizeof hp->arch, "%.*s", (int)(arch.len < 31 ? arch.len : 31), arch.s);
    hp->n_layer = (int)read_count(g, hp->arch, "block_count", 0);
    hp->n_expert = (int)read_count(g, hp->arch, "expert_count", 0);
    hp->n_head[0] = (int)read_count(g, hp->arch, "attention.head_count", 1);
    hp->n_head_kv[0] = (int)read_count(g, hp->arch, "attention.head_count_kv", (uint64_t)hp->n_head[0]);
}

/* ---- the order of the file ---- */

static int layer_of(const char *name)
{
    int layer;
    return sscanf(name, "blk.%9d.", &layer) == 1 && layer >= 0 ? layer : -1;
}

static int compare_tensors(const void *a, const void *b)
{
    const struct qb_quant_tensor *x = a, *y = b;
    int lx = layer_of(x->name), ly = layer_of(y->name);
    return lx != ly ? (lx > ly) - (lx < ly) : strcmp(x->name, y->name);
}

static int compare_in_parts(const void *a, const void *b)
{
    const struct qb_quant_tensor *x = a, *y = b;
    int fx = x->source->file, fy = y->source->file;
    return fx != fy ? (fx > fy) - (fx < fy) : compare_tensors(a, b);
}

/* ---- types ---- */

static bool is_integer(int type_id)
{
    return type_id >= QB_GGML_I8 && type_id <= QB_GGML_F64;
}

static enum qb_status take_types(struct qb_quant_plan *p, const struct qb_recipe_tensor *r,
                                 struct qb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        struct qb_quant_tensor *t = &p->tensors[i];
        t->kept = r[i].kept || (t->source && is_integer(t->source->type_id));
        t->type_id = t->kept && t->source ? t->source->type_id : r[i].type_id;
        t->chosen_id = t->kept ? t->type_id : r[i].chosen_id;
        int64_t ne = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; /* checked by the reader; shapes are small */
        if (!qb_ggml_bytes(t->type_id, t->ne, &t->bytes))
            return qb_fail(err, QB_ERR_FORMAT, "tensor '%s' is too large", t->name);
        int elems, bytes;
        p->n_fallbacks += qb_ggml_block(t->chosen_id, &elems, &bytes) && t->ne[0] % elems != 0;
        if (strcmp(t->name, "rope_freqs.weight") != 0) /* no parameter of the model */
            p->n_params += (uint64_t)ne;
        p->tensor_bytes += t->bytes;
    }
    return QB_OK;
}

/* The embedding has one where it is the output too and that was collected; nobody checked its length. */
static const struct qb_imatrix_entry *entry_of(const struct qb_quant_tensor *t, const struct qb_imatrix *im,
                                               bool tied)
{
    const struct qb_imatrix_entry *e = qb_imatrix_find(im, t->name);
    if (!e || strcmp(t->name, "token_embd.weight") != 0)
        return e;
    return tied && qb_imatrix_n_values(e) == (size_t)(t->ne[0] * t->ne[2]) ? e : NULL;
}

static void take_importance(struct qb_quant_plan *p, const struct qb_quant_options *o)
{
    bool tied = true;
    for (size_t i = 0; i < p->n; i++)
        tied = tied && strcmp(p->tensors[i].name, "output.weight") != 0;
    for (size_t i = 0; i < p->n; i++) {
        struct qb_quant_tensor *t = &p->tensors[i];
        if (o->imatrix && !t->kept)
            t->importance = entry_of(t, o->imatrix, tied);
        bool changes = !t->kept && !(t->source && t->source->type_id == t->type_id);
        t->lacks_imatrix = changes && !o->assume_imatrix && !t->importance &&
                           qb_recipe_needs_imatrix(p->ftype, t->name, t->type_id);
    }
}

static enum qb_status apply(struct qb_quant_plan *p, const struct qb_hparams *hp,
                            const struct qb_quant_options *o, struct qb_err *err)
{
    struct qb_recipe_tensor *r;
    QB_TRY(qb_calloc((void **)&r, p->n + 1, sizeof *r, "the type mix", err));
    for (size_t i = 0; i < p->n; i++) {
        r[i].name = p->tensors[i].name;
        memcpy(r[i].ne, p->tensors[i].ne, sizeof r[i].ne);
    }
    struct qb_recipe_options recipe = o->recipe;
    recipe.imatrix = o->imatrix || o->assume_imatrix;
    enum qb_status st = qb_recipe_apply_options(p->ftype, hp, &recipe, r, p->n, err);
    if (!st)
        st = take_types(p, r, err);
    free(r);
    if (!st)
        take_importance(p, o);
    return st;
}

/* ---- making and judging it ---- */

void qb_quant_plan_release(struct qb_quant_plan *p)
{
    free(p->tensors);
    *p = (struct qb_quant_plan){0};
}

enum qb_status qb_quant_plan_file(struct qb_quant_plan *p, const struct qb_gguf *g,
                                  const struct qb_ftype *ftype, const struct qb_quant_options *o,
                                  struct qb_err *err)
{
    struct qb_hparams hp;
    *p = (struct qb_quant_plan){.ftype = ftype, .n = qb_gguf_n_tensors(g)};
    QB_TRY(qb_calloc((void **)&p->tensors, p->n + 1, sizeof *p->tensors, "the plan", err));
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(g, i);
        p->tensors[i] = (struct qb_quant_tensor){.n_dims = t->n_dims, .source = t};
        memcpy(p->tensors[i].name, t->name, sizeof t->name);
        memcpy(p->tensors[i].ne, t->ne, sizeof t->ne);
    }
    qsort(p->tensors, p->n, sizeof *p->tensors, o->keep_split ? compare_in_parts : compare_tensors);
    read_facts(&hp, g);
    enum qb_status st = apply(p, &hp, o, err);
    if (st) {
        st = qb_err_prefix(err, st, "'%s'", qb_gguf_path(g));
        qb_quant_plan_release(p);
    }
    return st;
}

enum qb_status qb_quant_plan_shape(struct qb_quant_plan *p, const struct qb_hparams *hp,
                                   const struct qb_ftype *ftype, const struct qb_quant_options *o,
                                   struct qb_err *err)
{
    struct qb_tensor_spec *specs;
    size_t n;
    *p = (struct qb_quant_plan){.ftype = ftype};
    QB_TRY(qb_hparams_list(hp, &specs, &n, err));
    enum qb_status st = qb_calloc((void **)&p->tensors, n + 1, sizeof *p->tensors, "the plan", err);
    for (size_t i = 0; i < n && !st; i++) {
        if (specs[i].optional)
            continue;
        struct qb_quant_tensor *t = &p->tensors[p->n++];
        t->n_dims = specs[i].n_dims;
        memcpy(t->name, specs[i].name, sizeof t->name);
        memcpy(t->ne, specs[i].ne, sizeof t->ne);
    }
    free(specs);
    if (!st) {
        qsort(p->tensors, p->n, sizeof *p->tensors, compare_tensors);
        st = apply(p, hp, o, err);
    }
    if (st)
        qb_quant_plan_release(p);
    return st;
}

static enum qb_status check_types(const struct qb_quant_tensor *t, bool requantize, struct qb_err *err)
{
    enum qb_format_id id;
    enum qb_layout_id layout;
    const char *from = qb_gguf_type_name(t->source->type_id), *to = qb_gguf_type_name(t->type_id);
    if (!t->source->format)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s' has the type %s, which this build cannot decode",
                       t->name, from);
    if (!qb_layout_from_gguf_id(t->type_id, &id, &layout) || !qb_encode_supports(qb_format_get(id)))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s' would become %s, which this build cannot write",
                       t->name, to);
    if (t->source->format->quantized && !requantize)
        return qb_fail(err, QB_ERR_USAGE,
                       "tensor '%s' is %s already; making %s from it loses more than from floats "
                       "(--allow-requantize does it anyway)",
                       t->name, from, to);
    return QB_OK;
}

enum qb_status qb_quant_plan_check(const struct qb_quant_plan *p, const struct qb_quant_consent *c,
                                   struct qb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_quant_tensor *t = &p->tensors[i];
        if (t->source && t->source->type_id != t->type_id)
            QB_TRY(check_types(t, c->requantize, err));
    }
    for (size_t i = 0; i < p->n && !c->low; i++)
        if (p->tensors[i].lacks_imatrix)
            return qb_fail(
                err, QB_ERR_USAGE,
                "tensor '%s' would become %s, which needs an importance matrix with an entry for it "
                "(--imatrix)",
                p->tensors[i].name, qb_gguf_type_name(p->tensors[i].type_id));
    return QB_OK;
}

/*
 * Opening models: GGUF tensors bound by name with their shapes checked, or synthesized from a shape.
 */
#include "engine/model.h"

#include "base/clock.h"
#include "engine/arch.h"
#include "engine/model_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The hash looks at so many pieces of each tensor, of this size. */
#define HASH_PIECES      4
#define HASH_PIECE_BYTES 4096

struct qb_model_storage {
    struct qb_gguf *gguf;
    struct qb_block block;
    float *vectors;
};

/* ---- binding to a file ---- */

static void dims_text(const int64_t *ne, char *out, size_t size)
{
    if (ne[1] == 1 && ne[2] == 1 && ne[3] == 1)
        snprintf(out, size, "%lld", (long long)ne[0]);
    else if (ne[2] == 1 && ne[3] == 1)
        snprintf(out, size, "%lld x %lld", (long long)ne[0], (long long)ne[1]);
    else
        snprintf(out, size, "%lld x %lld x %lld x %lld", (long long)ne[0], (long long)ne[1], (long long)ne[2],
                 (long long)ne[3]);
}

static enum qb_status check_tensor(const struct qb_part *p, const struct qb_gguf_tensor *t, const char *path,
                                   struct qb_err *err)
{
    if (memcmp(t->ne, p->spec.ne, sizeof t->ne) != 0) {
        char found[96], expected[96];
        dims_text(t->ne, found, sizeof found);
        dims_text(p->spec.ne, expected, sizeof expected);
        return qb_fail(err, QB_ERR_FORMAT, "'%s': tensor '%s' is %s, expected %s", path, t->name, found,
                       expected);
    }
    if (!t->format)
        return qb_fail(err, QB_ERR_UNSUPPORTED,
                       "'%s': tensor '%s' has the format %s, which this build cannot decode", path, t->name,
                       qb_gguf_type_name(t->type_id));
    if (p->vector && t->format->quantized)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s': tensor '%s' has the format %s, expected floats", path,
                       t->name, t->format->name);
    return QB_OK;
}

/* Tensor i of the file, or what stands in for it. */
static const struct qb_gguf_tensor *tensor_at(const struct qb_build *b, size_t i)
{
    return b->stand_ins ? &b->stand_ins[i] : qb_gguf_tensor_at(b->gguf, i);
}

static const struct qb_gguf_tensor *find_tensor(const struct qb_build *b, const char *name)
{
    const struct qb_gguf_tensor *t = qb_gguf_tensor_find(b->gguf, name);
    return t ? tensor_at(b, (size_t)(t - qb_gguf_tensor_at(b->gguf, 0))) : NULL;
}

static enum qb_status bind(struct qb_build *b, struct qb_err *err)
{
    const char *path = qb_gguf_path(b->gguf);
    for (size_t i = 0; i < b->n_parts; i++) {
        struct qb_part *p = &b->parts[i];
        const struct qb_gguf_tensor *t = find_tensor(b, p->spec.name);
        if (!t && p->spec.optional)
            continue;
        if (!t)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': tensor '%s' is missing", path, p->spec.name);
        QB_TRY(check_tensor(p, t, path, err));
        p->source = t;
        p->format = t->format;
        p->from = t->layout;
    }
    return QB_OK;
}

/* ---- facts ---- */

static void hash_data(XXH3_state_t *h, const uint8_t *data, size_t bytes)
{
    if (bytes <= HASH_PIECES * HASH_PIECE_BYTES) {
        XXH3_64bits_update(h, data, bytes);
        return;
    }
    size_t step = (bytes - HASH_PIECE_BYTES) / (HASH_PIECES - 1);
    for (size_t i = 0; i < HASH_PIECES; i++)
        XXH3_64bits_update(h, data + i * step, HASH_PIECE_BYTES);
}

/* Metadata as stored, then name, shape, type and pieces of the data of every tensor. */
static uint64_t hash_file(const struct qb_build *b)
{
    const struct qb_gguf *g = b->gguf;
    XXH3_state_t *h = XXH3_createState();
    if (!h)
        return 0;
    XXH3_64bits_reset(h);
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++) {
        const struct qb_gguf_kv *kv = qb_gguf_kv_at(g, i);
        XXH3_64bits_update(h, kv->key.s, kv->key.len);
        XXH3_64bits_update(h, kv->data, kv->bytes);
    }
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
        const struct qb_gguf_tensor *t = tensor_at(b, i);
        XXH3_64bits_update(h, t->name, strlen(t->name));
        XXH3_64bits_update(h, t->ne, sizeof t->ne);
        XXH3_64bits_update(h, &t->type_id, sizeof t->type_id);
        hash_data(h, t->data, t->bytes);
    }
    uint64_t hash = XXH3_64bits_digest(h);
    XXH3_freeState(h);
    return hash;
}

/* Name, shape and type of every tensor, and the seed. */
static uint64_t hash_shape(const struct qb_build *b)
{
    XXH3_state_t *h = XXH3_createState();
    if (!h)
        return 0;
    XXH3_64bits_reset(h);
    XXH3_64bits_update(h, &b->o->seed, sizeof b->o->seed);
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct qb_part *p = &b->parts[i];
        if (!p->format)
            continue;
        int32_t type[] = {(int32_t)p->format->id, (int32_t)p->from};
        XXH3_64bits_update(h, p->spec.name, strlen(p->spec.name));
        XXH3_64bits_update(h, p->spec.ne, sizeof p->spec.ne);
        XXH3_64bits_update(h, type, sizeof type);
    }
    uint64_t hash = XXH3_64bits_digest(h);
    XXH3_freeState(h);
    return hash;
}

static void count_params(struct qb_build *b)
{
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct qb_part *p = &b->parts[i];
        if (p->format && p->vector != &b->model->rope_freqs)
            b->model->n_params += (uint64_t)p->spec.ne[0] * (uint64_t)p->spec.ne[1];
    }
}

/* ---- open, synthesize, close ---- */

static enum qb_status create(struct qb_model **out, struct qb_err *err)
{
    struct qb_model *m = NULL;
    QB_TRY(qb_calloc((void **)&m, 1, sizeof *m, "the model", err));
    enum qb_status st = qb_calloc((void **)&m->storage, 1, sizeof *m->storage, "the model", err);
    if (st != QB_OK) {
        free(m);
        return st;
    }
    *out = m;
    return QB_OK;
}

static enum qb_status find_arch(struct qb_model *m, const char *path, struct qb_err *err)
{
    m->arch = qb_arch_by_name(m->hp.arch);
    if (m->arch)
        return QB_OK;
    return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s': architecture '%s' is not supported", path, m->hp.arch);
}

/* Layouts, memory and contents, once every part has its format. */
static enum qb_status finish(struct qb_build *b, struct qb_err *err)
{
    struct qb_model_storage *s = b->model->storage;
    uint64_t start = qb_now_ns();
    count_params(b);
    enum qb_status st = qb_build_place(b, &s->block, &s->vectors, err);
    if (st == QB_OK)
        st = qb_build_tensors(b, err);
    if (st == QB_OK)
        st = qb_build_fill(b, err);
    b->model->repack_ns = qb_now_ns() - start - b->model->touch_ns;
    return st;
}

/* From the tensors of b->gguf or their stand-ins. */
static enum qb_status build_from_tensors(struct qb_build *b, uint64_t start_ns, struct qb_err *err)
{
    struct qb_model *m = b->model;
    QB_TRY(qb_hparams_read(&m->hp, b->gguf, err));
    QB_TRY(find_arch(m, qb_gguf_path(b->gguf), err));
    QB_TRY(qb_build_list(b, err));
    QB_TRY(bind(b, err));
    m->file_bytes = qb_gguf_file_bytes(b->gguf);
    m->hash = hash_file(b);
    m->load_ns = qb_now_ns() - start_ns;
    return finish(b, err);
}

/* Hand out the model, or close it when it could not be built. */
static enum qb_status deliver(struct qb_model **out, struct qb_build *b, enum qb_status st)
{
    qb_build_release(b);
    if (st == QB_OK)
        *out = b->model;
    else
        qb_model_close(b->model);
    return st;
}

enum qb_status qb_model_open(struct qb_model **out, const char *path, const struct qb_model_options *o,
                             struct qb_err *err)
{
    struct qb_build b = {.o = o};
    uint64_t start = qb_now_ns();
    QB_TRY(create(&b.model, err));
    enum qb_status st = qb_gguf_open(&b.model->storage->gguf, path, err);
    b.gguf = b.model->storage->gguf;
    if (st == QB_OK)
        st = build_from_tensors(&b, start, err);
    return deliver(out, &b, st);
}

enum qb_status qb_model_from_tensors(struct qb_model **out, const struct qb_gguf *g,
                                     const struct qb_gguf_tensor *tensors, const struct qb_ftype *ftype,
                                     uint64_t file_bytes, const struct qb_model_options *o,
                                     struct qb_err *err)
{
    struct qb_build b = {.o = o, .gguf = g, .stand_ins = tensors};
    QB_TRY(create(&b.model, err));
    enum qb_status st = build_from_tensors(&b, qb_now_ns(), err);
    b.model->file_bytes = file_bytes;
    b.model->hp.ftype = ftype->gguf_id;
    b.model->hp.ftype_guessed = false;
    return deliver(out, &b, st);
}

/* The recipe's type of every tensor; the layout of a historical file type is the one it comes in. */
static enum qb_status apply_recipe(struct qb_build *b, const struct qb_ftype *ftype, bool imatrix_mix,
                                   struct qb_err *err)
{
    struct qb_recipe_tensor *list = NULL;
    QB_TRY(qb_calloc((void **)&list, b->n_parts, sizeof *list, "the recipe", err));
    size_t n = 0;
    for (size_t i = 0; i < b->n_parts; i++) {
        if (b->parts[i].spec.optional)
            continue;
        list[n].name = b->parts[i].spec.name;
        memcpy(list[n++].ne, b->parts[i].spec.ne, sizeof list->ne);
    }
    enum qb_status st = qb_recipe_apply(ftype, &b->model->hp, imatrix_mix, list, n, err);
    n = 0;
    for (size_t i = 0; st == QB_OK && i < b->n_parts; i++) {
        struct qb_part *p = &b->parts[i];
        if (p->spec.optional)
            continue;
        enum qb_format_id id;
        int type_id = list[n++].type_id;
        if (!qb_layout_from_gguf_id(type_id, &id, &p->from)) {
            st = qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s' would be %s, which this build cannot decode",
                         p->spec.name, qb_gguf_type_name(type_id));
            break;
        }
        p->format = qb_format_get(p->vector ? QB_FORMAT_F32 : id);
    }
    free(list);
    return st;
}

static enum qb_status synthesize_build(struct qb_build *b, const struct qb_ftype *ftype, bool imatrix_mix,
                                       struct qb_err *err)
{
    struct qb_model *m = b->model;
    m->hp.ftype = ftype->gguf_id;
    m->hp.ftype_guessed = false;
    QB_TRY(find_arch(m, m->hp.name, err));
    QB_TRY(qb_build_list(b, err));
    QB_TRY(apply_recipe(b, ftype, imatrix_mix, err));
    m->hash = hash_shape(b);
    QB_TRY(finish(b, err));
    m->file_bytes = m->hp.metadata_bytes ? m->tensor_bytes + m->hp.metadata_bytes : 0;
    return QB_OK;
}

enum qb_status qb_model_synthesize(struct qb_model **out, const struct qb_hparams *hp,
                                   const struct qb_ftype *ftype, bool imatrix_mix,
                                   const struct qb_model_options *o, struct qb_err *err)
{
    struct qb_build b = {.o = o};
    QB_TRY(create(&b.model, err));
    b.model->hp = *hp;
    return deliver(out, &b, synthesize_build(&b, ftype, imatrix_mix, err));
}

void qb_model_close(struct qb_model *m)
{
    if (!m)
        return;
    qb_gguf_close(m->storage->gguf);
    qb_block_release(&m->storage->block);
    free(m->storage->vectors);
    free(m->storage);
    free(m->layers);
    free(m->tensors);
    free(m);
}

void qb_model_type_text(const struct qb_model *m, char *out, size_t size)
{
    const struct qb_ftype *t = qb_ftype_by_gguf_id(m->hp.ftype);
    snprintf(out, size, "%s %s %s%s", m->hp.arch, qb_hparams_size_class(&m->hp), t ? t->display : "unknown",
             t && m->hp.ftype_guessed ? " (guessed)" : "");
}

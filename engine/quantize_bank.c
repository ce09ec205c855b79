/*
 * Tensors in memory: of every tensor of the source one block with its encoding in each type that a plan
 * wants. With a cache they are mappings of its files instead, whose pages the system can take back.
 */
#include "engine/quantize_bank.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64

struct qb_quant_bank {
    size_t n_tensors, n_plans;
    struct qb_gguf_tensor *tensors; /* [n_plans][n_tensors] */
    struct qb_err *errs;            /* [n_plans]; QB_OK: all its tensors are there */
    struct qb_block *blocks;        /* [n_tensors] */
    struct qb_mapping *maps;        /* of cached tensors */
    size_t n_maps, cap_maps;
};

/* A tensor of the source on its way into the bank. */
struct entry {
    const struct qb_gguf_tensor *from;
    const struct qb_imatrix_entry *importance;
    int type_ids[QB_QUANT_MAX_TARGETS];
    size_t bytes[QB_QUANT_MAX_TARGETS];
    const uint8_t *data[QB_QUANT_MAX_TARGETS];
    uint8_t *at[QB_QUANT_MAX_TARGETS]; /* where the next bytes go, of those that are encoded */
    struct qb_err errs[QB_QUANT_MAX_TARGETS];
    int n;
    int n_missing; /* the first ones: not in the cache */
};

static const struct qb_quant_tensor *tensor_of(const struct qb_quant_plan *p,
                                               const struct qb_gguf_tensor *source)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->tensors[i].source == source)
            return &p->tensors[i];
    return NULL;
}

static int find_type(const struct entry *e, int type_id)
{
    for (int k = 0; k < e->n; k++)
        if (e->type_ids[k] == type_id)
            return k;
    return -1;
}

/* The types that the plans want of a tensor, other than its own. */
static enum qb_status collect(struct entry *e, const struct qb_quant_bank_job *job, size_t i,
                              struct qb_err *err)
{
    *e = (struct entry){.from = qb_gguf_tensor_at(job->source, i)};
    for (size_t p = 0; p < job->n_plans; p++) {
        const struct qb_quant_tensor *t = tensor_of(job->plans[p], e->from);
        if (!t || t->type_id == e->from->type_id || find_type(e, t->type_id) >= 0)
            continue;
        if (e->n == QB_QUANT_MAX_TARGETS)
            return qb_fail(err, QB_ERR_USAGE, "tensor '%s' is wanted in more than %d types", e->from->name,
                           QB_QUANT_MAX_TARGETS);
        e->type_ids[e->n] = t->type_id;
        e->bytes[e->n++] = t->bytes;
        e->importance = t->importance;
    }
    return QB_OK;
}

static enum qb_status allocate(struct entry *e, struct qb_block *block, struct qb_err *err)
{
    size_t sum = 0;
    for (int k = 0; k < e->n_missing; k++)
        if (!qb_size_add(sum, qb_align_up(e->bytes[k], ALIGN), &sum))
            return qb_fail(err, QB_ERR_MEMORY, "tensor '%s' does not fit in any memory", e->from->name);
    QB_TRY(qb_block_init(block, sum, false, "quantized tensors", err));
    uint8_t *at = block->data;
    for (int k = 0; k < e->n_missing; k++) {
        e->data[k] = e->at[k] = at;
        at += qb_align_up(e->bytes[k], ALIGN);
    }
    return QB_OK;
}

/* ---- encoding ---- */

struct sink {
    struct entry *e;
    int first; /* the target of index 0 */
    const struct qb_quant_bank_job *job;
    double done, share; /* of all work, before this tensor and in it */
};

static enum qb_status take(void *arg, int target, const void *data, size_t bytes, struct qb_err *err)
{
    (void)err;
    struct sink *s = arg;
    int k = s->first + target;
    if (bytes > s->e->bytes[k] - (size_t)(s->e->at[k] - s->e->data[k]))
        QB_BUG("tensor '%s' grew while it was encoded", s->e->from->name);
    memcpy(s->e->at[k], data, bytes);
    s->e->at[k] += bytes;
    return QB_OK;
}

static bool proceed(void *arg, double share)
{
    const struct sink *s = arg;
    if (!s->job->progress)
        return true;
    return s->job->progress(s->job->progress_arg, s->done + s->share * share, s->e->from->name);
}

/* All types in one pass. When a value does not suit one of them, each on its own, to know which. */
static enum qb_status encode(struct sink *s, struct qb_err *err)
{
    struct entry *e = s->e;
    struct qb_quant_work w = {s->job->pool, take, s, proceed, s};
    enum qb_status st = qb_quant_tensor_encode(e->from, e->importance, e->type_ids, e->n_missing, &w, err);
    if (st != QB_ERR_FORMAT)
        return st;
    for (int k = 0; k < e->n_missing; k++) {
        e->at[k] = (uint8_t *)(uintptr_t)e->data[k]; /* again from the start of the block */
        s->first = k;
        st = qb_quant_tensor_encode(e->from, e->importance, &e->type_ids[k], 1, &w, &e->errs[k]);
        if (st && st != QB_ERR_FORMAT) {
            if (err)
                *err = e->errs[k];
            return st;
        }
    }
    return QB_OK;
}

/* ---- the cache ---- */

/* Take a mapping over, and the bytes in it as the data of type k. */
static enum qb_status keep_map(struct qb_quant_bank *b, struct entry *e, int k, struct qb_mapping *map,
                               const uint8_t *data, struct qb_err *err)
{
    if (b->n_maps == b->cap_maps) {
        size_t cap = b->cap_maps ? 2 * b->cap_maps : 256;
        struct qb_mapping *more = realloc(b->maps, cap * sizeof *more);
        if (!more) {
            qb_mapping_close(map);
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for quantized tensors");
        }
        b->maps = more;
        b->cap_maps = cap;
    }
    b->maps[b->n_maps++] = *map;
    e->data[k] = data;
    return QB_OK;
}

static void swap_types(struct entry *e, int i, int k)
{
    int type_id = e->type_ids[i];
    size_t bytes = e->bytes[i];
    const uint8_t *data = e->data[i];
    e->type_ids[i] = e->type_ids[k];
    e->bytes[i] = e->bytes[k];
    e->data[i] = e->data[k];
    e->type_ids[k] = type_id;
    e->bytes[k] = bytes;
    e->data[k] = data;
}

/* What the cache has goes to the end of the list. */
static enum qb_status find_cached(struct qb_quant_bank *b, struct entry *e, struct qb_quant_cache *cache,
                                  const struct qb_quant_origin *origin, struct qb_err *err)
{
    for (int k = 0; k < e->n_missing;) {
        struct qb_mapping map;
        const uint8_t *data;
        if (!qb_quant_cache_find(cache, origin, e->type_ids[k], e->bytes[k], &map, &data)) {
            k++;
            continue;
        }
        QB_TRY(keep_map(b, e, k, &map, data, err));
        swap_types(e, k, --e->n_missing);
    }
    return QB_OK;
}

/* What was made goes into the cache and is used from there, so that its memory can be taken back. */
static enum qb_status store(struct qb_quant_bank *b, struct entry *e, size_t i, struct qb_quant_cache *cache,
                            const struct qb_quant_origin *origin, struct qb_err *err)
{
    int in_cache = 0;
    for (int k = 0; k < e->n_missing; k++) {
        struct qb_mapping map;
        const uint8_t *data;
        struct qb_err why;
        if (e->errs[k].code)
            continue;
        if (qb_quant_cache_put(cache, origin, e->type_ids[k], e->data[k], e->bytes[k], &why) != QB_OK)
            qb_warn("%s; going on without it", why.message);
        if (!qb_quant_cache_find(cache, origin, e->type_ids[k], e->bytes[k], &map, &data))
            continue;
        QB_TRY(keep_map(b, e, k, &map, data, err));
        in_cache++;
    }
    if (in_cache == e->n_missing)
        qb_block_release(&b->blocks[i]);
    return QB_OK;
}

/* ---- the bank ---- */

static void enter(struct qb_quant_bank *b, const struct qb_quant_bank_job *job, size_t i,
                  const struct entry *e)
{
    for (size_t p = 0; p < job->n_plans; p++) {
        const struct qb_quant_tensor *t = tensor_of(job->plans[p], e->from);
        struct qb_gguf_tensor *to = &b->tensors[p * b->n_tensors + i];
        int k = t ? find_type(e, t->type_id) : -1;
        *to = *e->from;
        if (k < 0)
            continue;
        enum qb_format_id id;
        if (!qb_layout_from_gguf_id(t->type_id, &id, &to->layout))
            QB_BUG("type %d was encoded and has no format", t->type_id);
        to->format = qb_format_get(id);
        to->type_id = t->type_id;
        to->data = e->data[k];
        to->bytes = e->bytes[k];
        if (e->errs[k].code && !b->errs[p].code)
            b->errs[p] = e->errs[k];
    }
}

/* All encodings of a tensor, from the cache or from the encoders. */
static enum qb_status make(struct qb_quant_bank *b, struct sink *s, size_t i, struct qb_err *err)
{
    struct entry *e = s->e;
    struct qb_quant_cache *cache = s->job->cache;
    struct qb_quant_origin origin = {{0, 0}};
    e->n_missing = e->n;
    if (cache) {
        origin = qb_quant_cache_origin(cache, e->from, e->importance);
        QB_TRY(find_cached(b, e, cache, &origin, err));
    }
    if (e->n_missing == 0)
        return QB_OK;
    QB_TRY(allocate(e, &b->blocks[i], err));
    QB_TRY(encode(s, err));
    return cache ? store(b, e, i, cache, &origin, err) : QB_OK;
}

static enum qb_status fill(struct qb_quant_bank *b, const struct qb_quant_bank_job *job, struct qb_err *err)
{
    uint64_t total = 1,
             done = 0; /* bytes of results, of which the encoders' time is not far from a multiple */
    struct entry *e;
    for (size_t p = 0; p < job->n_plans; p++)
        total += job->plans[p]->tensor_bytes;
    QB_TRY(qb_calloc((void **)&e, 1, sizeof *e, "quantized tensors", err));
    enum qb_status st = QB_OK;
    for (size_t i = 0; i < b->n_tensors && !st; i++) {
        st = collect(e, job, i, err);
        uint64_t bytes = 0;
        for (size_t p = 0; p < job->n_plans; p++) {
            const struct qb_quant_tensor *t = tensor_of(job->plans[p], e->from);
            bytes += t ? t->bytes : 0;
        }
        struct sink s = {e, 0, job, (double)done / (double)total, (double)bytes / (double)total};
        if (!st && e->n)
            st = make(b, &s, i, err);
        if (!st)
            enter(b, job, i, e);
        done += bytes;
    }
    free(e);
    return st;
}

enum qb_status qb_quant_bank_create(struct qb_quant_bank **out, const struct qb_quant_bank_job *job,
                                    struct qb_err *err)
{
    struct qb_quant_bank *b = NULL;
    QB_TRY(qb_calloc((void **)&b, 1, sizeof *b, "quantized tensors", err));
    b->n_tensors = qb_gguf_n_tensors(job->source);
    b->n_plans = job->n_plans;
    size_t n = 0;
    enum qb_status st = QB_OK;
    if (!qb_size_mul(b->n_tensors, b->n_plans, &n))
        st = qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu plans", b->n_plans);
    if (!st)
        st = qb_calloc((void **)&b->tensors, n + 1, sizeof *b->tensors, "quantized tensors", err);
    if (!st)
        st = qb_calloc((void **)&b->errs, b->n_plans + 1, sizeof *b->errs, "quantized tensors", err);
    if (!st)
        st = qb_calloc((void **)&b->blocks, b->n_tensors + 1, sizeof *b->blocks, "quantized tensors", err);
    if (!st)
        st = fill(b, job, err);
    if (st)
        qb_quant_bank_free(b);
    else
        *out = b;
    return st;
}

void qb_quant_bank_free(struct qb_quant_bank *b)
{
    if (!b)
        return;
    for (size_t i = 0; b->blocks && i < b->n_tensors; i++)
        qb_block_release(&b->blocks[i]);
    for (size_t i = 0; i < b->n_maps; i++)
        qb_mapping_close(&b->maps[i]);
    free(b->maps);
    free(b->blocks);
    free(b->errs);
    free(b->tensors);
    free(b);
}

enum qb_status qb_quant_bank_tensors(const struct qb_quant_bank *b, size_t plan,
                                     const struct qb_gguf_tensor **tensors, struct qb_err *err)
{
    const struct qb_err *e = &b->errs[plan];
    if (e->code)
        return qb_fail(err, e->code, "%s", e->message);
    *tensors = b->tensors + plan * b->n_tensors;
    return QB_OK;
}

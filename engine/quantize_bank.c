/*
 * Tensors in memory: of every tensor of the source one block with its encoding in each type that a plan
 * wants.
 */
#include "engine/quantize_bank.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64

struct qb_quant_bank {
    size_t n_tensors, n_plans;
    struct qb_gguf_tensor *tensors; /* [n_plans][n_tensors] */
    struct qb_err *errs;            /* [n_plans]; QB_OK: all its tensors are there */
    struct qb_block *blocks;        /* [n_tensors] */
};

/* A tensor of the source on its way into the bank. */
struct entry {
    const struct qb_gguf_tensor *from;
    const struct qb_imatrix_entry *importance;
    int type_ids[QB_QUANT_MAX_TARGETS];
    size_t bytes[QB_QUANT_MAX_TARGETS];
    uint8_t *data[QB_QUANT_MAX_TARGETS], *at[QB_QUANT_MAX_TARGETS];
    struct qb_err errs[QB_QUANT_MAX_TARGETS];
    int n;
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
    for (int k = 0; k < e->n; k++)
        if (!qb_size_add(sum, qb_align_up(e->bytes[k], ALIGN), &sum))
            return qb_fail(err, QB_ERR_MEMORY, "tensor '%s' does not fit in any memory", e->from->name);
    QB_TRY(qb_block_init(block, sum, false, "quantized tensors", err));
    uint8_t *at = block->data;
    for (int k = 0; k < e->n; k++) {
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
    enum qb_status st = qb_quant_tensor_encode(e->from, e->importance, e->type_ids, e->n, &w, err);
    if (st != QB_ERR_FORMAT)
        return st;
    for (int k = 0; k < e->n; k++) {
        e->at[k] = e->data[k];
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
            st = allocate(e, &b->blocks[i], err);
        if (!st && e->n)
            st = encode(&s, err);
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

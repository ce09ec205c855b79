/*
 * Whole files: one pass over the source, every tensor decoded once and encoded once in each type that some
 * output wants, written to all of them as it comes.
 */
#include "engine/quantize.h"
#include "base/mem.h"
#include "engine/quantize_file.h"
#include <stdlib.h>
#include <string.h>

struct output {
    struct qb_quant_file file;
    struct qb_gguf_writer **writers; /* one a part */
};

struct run {
    const struct qb_quant_job *job;
    struct output *outputs;
    size_t tensor; /* at work */
    int type_ids[QB_QUANT_MAX_TARGETS];
    double share_before, share_tensor; /* of the input, for progress */
};

/* ---- passing on ---- */

/* To every output that wants the tensor in this type. */
static enum qb_status deliver(struct run *r, int type_id, const void *data, size_t bytes, struct qb_err *err)
{
    for (size_t i = 0; i < r->job->n_outputs; i++) {
        struct output *o = &r->outputs[i];
        if (o->file.plan->tensors[r->tensor].type_id == type_id)
            QB_TRY(qb_gguf_write(o->writers[o->file.part[r->tensor]], data, bytes, err));
    }
    return QB_OK;
}

static enum qb_status sink(void *arg, int target, const void *data, size_t bytes, struct qb_err *err)
{
    struct run *r = arg;
    return deliver(r, r->type_ids[target], data, bytes, err);
}

static bool proceed(void *arg, double share)
{
    struct run *r = arg;
    if (!r->job->progress)
        return true;
    return r->job->progress(r->job->progress_arg, r->share_before + share * r->share_tensor,
                            r->job->outputs[0].plan->tensors[r->tensor].name);
}

/* ---- tensors ---- */

/* The types that the outputs want of a tensor, each once. *copied: some want it as it is. */
static int wanted_types(const struct run *r, const struct qb_gguf_tensor *t, int *type_ids, bool *copied)
{
    int n = 0;
    *copied = false;
    for (size_t i = 0; i < r->job->n_outputs; i++) {
        int type = r->job->outputs[i].plan->tensors[r->tensor].type_id, k = 0;
        *copied = *copied || type == t->type_id;
        while (k < n && type_ids[k] != type)
            k++;
        if (k == n && type != t->type_id)
            type_ids[n++] = type;
    }
    return n;
}

static enum qb_status write_tensor(struct run *r, struct qb_err *err)
{
    const struct qb_quant_tensor *p = &r->job->outputs[0].plan->tensors[r->tensor];
    const struct qb_gguf_tensor *t = p->source;
    struct qb_quant_work w = {r->job->pool, sink, r, proceed, r};
    bool copied;
    int type_ids[QB_QUANT_MAX_TARGETS];
    int n = wanted_types(r, t, type_ids, &copied);
    if (copied) {
        r->type_ids[0] = t->type_id;
        QB_TRY(qb_quant_tensor_copy(t, &w, err));
    }
    if (n > 0) {
        memcpy(r->type_ids, type_ids, sizeof type_ids);
        QB_TRY(qb_quant_tensor_encode(t, p->importance, type_ids, n, &w, err));
    }
    qb_gguf_tensor_drop(r->job->source, t);
    return QB_OK;
}

static enum qb_status write_tensors(struct run *r, struct qb_err *err)
{
    const struct qb_quant_plan *plan = r->job->outputs[0].plan;
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < plan->n; i++)
        total += plan->tensors[i].source->bytes;
    for (r->tensor = 0; r->tensor < plan->n; r->tensor++) {
        uint64_t bytes = plan->tensors[r->tensor].source->bytes;
        r->share_before = (double)done / (double)total;
        r->share_tensor = (double)bytes / (double)total;
        QB_TRY(write_tensor(r, err));
        done += bytes;
    }
    return QB_OK;
}

/* ---- files ---- */

static enum qb_status begin_output(struct run *r, size_t i, struct qb_err *err)
{
    struct output *o = &r->outputs[i];
    QB_TRY(qb_quant_file_init(&o->file, r->job, &r->job->outputs[i], err));
    QB_TRY(qb_calloc((void **)&o->writers, (size_t)o->file.n_parts, sizeof(struct qb_gguf_writer *), "files",
                     err));
    for (int p = 0; p < o->file.n_parts; p++) {
        QB_TRY(qb_gguf_writer_create(&o->writers[p], o->file.paths[p], err));
        QB_TRY(qb_quant_file_begin(&o->file, p, o->writers[p], err));
    }
    return QB_OK;
}

static enum qb_status finish_output(struct output *o, struct qb_err *err)
{
    for (int p = 0; p < o->file.n_parts; p++)
        QB_TRY(qb_gguf_writer_finish(o->writers[p], err));
    return QB_OK;
}

/* Unfinished writers remove what they wrote. */
static void release_output(struct output *o)
{
    for (int p = 0; o->writers && p < o->file.n_parts; p++)
        qb_gguf_writer_free(o->writers[p]);
    free(o->writers);
    qb_quant_file_release(&o->file);
}

static enum qb_status run_all(struct run *r, struct qb_err *err)
{
    for (size_t i = 0; i < r->job->n_outputs; i++)
        QB_TRY(begin_output(r, i, err));
    QB_TRY(write_tensors(r, err));
    for (size_t i = 0; i < r->job->n_outputs; i++)
        QB_TRY(finish_output(&r->outputs[i], err));
    return QB_OK;
}

enum qb_status qb_quant_run(const struct qb_quant_job *job, struct qb_err *err)
{
    struct run r = {.job = job};
    if (job->n_outputs == 0 || job->n_outputs > QB_QUANT_MAX_TARGETS)
        QB_BUG("%zu outputs", job->n_outputs);
    QB_TRY(qb_calloc((void **)&r.outputs, job->n_outputs, sizeof *r.outputs, "outputs", err));
    enum qb_status st = run_all(&r, err);
    for (size_t i = 0; i < job->n_outputs; i++)
        release_output(&r.outputs[i]);
    free(r.outputs);
    return st;
}

/*
 * Sources, plans, banks and the cache.
 */
#include "bench/quantized.h"
#include "base/log.h"
#include "bench/build_info.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qb_quantized_drop(struct qb_quantized *q)
{
    for (size_t i = 0; i < q->n_sources; i++) {
        qb_quant_bank_free(q->sources[i].bank);
        q->sources[i].bank = NULL;
    }
}

void qb_quantized_release(struct qb_quantized *q)
{
    qb_quantized_drop(q);
    for (size_t i = 0; i < q->n_sources; i++)
        qb_gguf_close(q->sources[i].g);
    free(q->sources);
    qb_imatrix_close(q->imatrix);
    qb_quant_cache_close(q->cache);
    *q = (struct qb_quantized){0};
}

/* ---- sources ---- */

static struct qb_quantized_source *find(const struct qb_quantized *q, const char *path)
{
    for (size_t i = 0; i < q->n_sources; i++)
        if (strcmp(q->sources[i].path, path) == 0)
            return &q->sources[i];
    return NULL;
}

static enum qb_status add_source(struct qb_quantized *q, const char *path, struct qb_quantized_source **out,
                                 struct qb_err *err)
{
    *out = find(q, path);
    if (*out)
        return QB_OK;
    struct qb_quantized_source *more = realloc(q->sources, (q->n_sources + 1) * sizeof *more);
    if (!more)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu models", q->n_sources + 1);
    q->sources = more;
    struct qb_gguf *g;
    QB_TRY(qb_gguf_open(&g, path, err));
    more[q->n_sources] = (struct qb_quantized_source){.path = path, .g = g};
    *out = &more[q->n_sources++];
    return QB_OK;
}

static enum qb_status need_imatrix(struct qb_quantized *q, const struct qb_gguf *g, struct qb_err *err)
{
    if (!q->imatrix_path)
        return QB_OK;
    if (!q->imatrix)
        QB_TRY(qb_imatrix_open(&q->imatrix, q->imatrix_path, err));
    return qb_imatrix_check_model(q->imatrix, g, err);
}

/* ---- plans ---- */

/* For speed it does not matter what the weights were before. */
static void warn_of_requantizing(struct qb_quantized_source *s, const struct qb_quant_plan *p)
{
    for (size_t i = 0; i < p->n && !s->warned; i++) {
        const struct qb_quant_tensor *t = &p->tensors[i];
        if (t->type_id == t->source->type_id || !t->source->format || !t->source->format->quantized)
            continue;
        qb_warn("'%s' is quantized already: speeds of what is made from it are right, its quality is not",
                s->path);
        s->warned = true;
    }
}

enum qb_status qb_quantized_plan(struct qb_quantized *q, struct qb_quant_plan *plan, const char *path,
                                 const struct qb_ftype *ftype, struct qb_err *err)
{
    struct qb_quantized_source *s;
    const struct qb_quant_consent consent = {.requantize = true};
    QB_TRY(add_source(q, path, &s, err));
    QB_TRY(need_imatrix(q, s->g, err));
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS, .imatrix = q->imatrix};
    QB_TRY(qb_quant_plan_file(plan, s->g, ftype, &o, err));
    enum qb_status st = qb_quant_plan_check(plan, &consent, err);
    if (st)
        qb_quant_plan_release(plan);
    else
        warn_of_requantizing(s, plan);
    return st;
}

enum qb_status qb_quantized_file_bytes(struct qb_quantized *q, const struct qb_quant_plan *plan,
                                       const char *path, uint64_t *bytes, struct qb_err *err)
{
    struct qb_quant_output out = {.plan = plan, .path = "model.gguf"};
    struct qb_quant_job job = {
        .source = find(q, path)->g, .imatrix = q->imatrix, .outputs = &out, .n_outputs = 1};
    return qb_quant_output_bytes(bytes, &job, &out, err);
}

/* ---- tensors ---- */

static void open_cache(struct qb_quantized *q)
{
    struct qb_err why;
    if (q->cache || q->cache_failed || !q->use_cache || q->cache_bytes == 0)
        return;
    if (qb_quant_cache_open(&q->cache, NULL, qb_build_info()->commit, q->cache_bytes, &why) == QB_OK)
        return;
    q->cache_failed = true;
    qb_warn("%s; quantized models are not kept (--no-cache)", why.message);
}

enum qb_status qb_quantized_make(struct qb_quantized *q, const char *path,
                                 const struct qb_quant_plan *const *plans, size_t n, struct qb_pool *pool,
                                 bool (*progress)(void *, double, const char *), void *progress_arg,
                                 struct qb_err *err)
{
    struct qb_quantized_source *s = find(q, path);
    open_cache(q);
    struct qb_quant_bank_job job = {.source = s->g,
                                    .plans = plans,
                                    .n_plans = n,
                                    .pool = pool,
                                    .cache = q->cache,
                                    .progress = progress,
                                    .progress_arg = progress_arg};
    return qb_quant_bank_create(&s->bank, &job, err);
}

enum qb_status qb_quantized_open(struct qb_quantized *q, struct qb_model **out, const char *path,
                                 size_t index, const struct qb_quant_plan *plan,
                                 const struct qb_model_options *o, struct qb_err *err)
{
    const struct qb_quantized_source *s = find(q, path);
    const struct qb_gguf_tensor *tensors;
    uint64_t bytes;
    QB_TRY(qb_quant_bank_tensors(s->bank, index, &tensors, err));
    QB_TRY(qb_quantized_file_bytes(q, plan, path, &bytes, err));
    return qb_model_from_tensors(out, s->g, tensors, plan->ftype, bytes, o, err);
}

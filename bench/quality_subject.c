/*
 * The variants of a quality run: files as they are, and types that one file is quantized to.
 */
#include "base/mem.h"
#include "bench/build_info.h"
#include "bench/ftype_list.h"
#include "bench/quality_lab.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void qb_subject_fail(struct qb_subject *s, const struct qb_err *why)
{
    s->failed = true;
    qb_record_text(&s->row->status, "failed", NULL);
    qb_record_text(&s->row->reason, why->message, NULL);
}

enum qb_status qb_quality_windows(struct qb_quality_lab *l, const char *source, const struct qb_windows **out,
                                  struct qb_err *err)
{
    for (size_t i = 0; i < l->n_windows; i++)
        if (!strcmp(l->windows[i].source, source)) {
            *out = &l->windows[i];
            return QB_OK;
        }
    struct qb_windows *w = &l->windows[l->n_windows];
    QB_TRY(qb_windows_init(w, source, &l->text, l->n_ctx, l->o->n_chunks, err));
    l->n_windows++;
    *out = w;
    return QB_OK;
}

/* ---- making the list ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Figures against a base mean something only for the same tokens. */
static enum qb_status check_windows(const struct qb_quality_lab *l, const struct qb_windows *w,
                                    struct qb_err *err)
{
    if (l->base_windows && !qb_windows_equal(w, l->base_windows))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "its vocabulary splits the text otherwise than that of '%s'",
                       l->base_path);
    if (!l->has_base_file)
        return QB_OK;
    for (int64_t c = 0; c < w->n_chunks && c < l->base_file.n_chunks; c++) {
        const int32_t *mine = w->tokens.ids + c * l->n_ctx;
        qb_logits_file_tokens(&l->base_file, c, l->tokens);
        if (memcmp(mine, l->tokens, (size_t)l->n_ctx * sizeof *mine) != 0)
            return qb_fail(err, QB_ERR_UNSUPPORTED,
                           "'%s' was made from another text, or with another vocabulary", l->base_path);
    }
    return QB_OK;
}

static enum qb_status fill_identity(struct qb_quality_lab *l, struct qb_subject *s, struct qb_err *err)
{
    struct qb_quality_record *r = s->row;
    char hash[24];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)l->text.hash);
    r->n_threads = qb_pool_n_threads(l->pool);
    r->n_ctx = l->n_ctx;
    r->quantized = s->quantize;
    QB_TRY(qb_record_text(&r->build_commit, qb_build_info()->commit, err));
    QB_TRY(qb_record_text(&r->test_time, l->started, err));
    QB_TRY(qb_record_text(&r->variant, s->variant.name[0] ? s->variant.name : base_name(s->source), err));
    QB_TRY(qb_record_text(&r->ftype, s->variant.ftype ? s->variant.ftype->name : NULL, err));
    QB_TRY(qb_record_text(&r->path, l->set.reference ? "reference" : "kernels", err));
    QB_TRY(qb_record_text(&r->isa, qb_isa_name(l->set.isa), err));
    QB_TRY(qb_record_text(&r->type_k, qb_kv_type_name(l->type_k), err));
    QB_TRY(qb_record_text(&r->type_v, qb_kv_type_name(l->type_v), err));
    QB_TRY(qb_record_text(&r->model_source, s->source, err));
    QB_TRY(qb_record_text(&r->imatrix, s->quantize ? l->o->imatrix : NULL, err));
    QB_TRY(qb_record_text(&r->base, l->base_path, err));
    QB_TRY(qb_record_text(&r->text, l->text.name, err));
    QB_TRY(qb_record_text(&r->text_hash, hash, err));
    return qb_record_text(&r->status, "ok", err);
}

/* Types and sizes of what it will be quantized to. */
static enum qb_status make_plan(const struct qb_quality_lab *l, struct qb_subject *s, struct qb_err *err)
{
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS, .imatrix = l->imatrix};
    struct qb_quant_consent consent = {.requantize = true};
    QB_TRY(qb_quant_plan_file(&s->plan, l->source, s->variant.ftype, &o, err));
    return qb_quant_plan_check(&s->plan, &consent, err);
}

/* Is it the source as it is, which is the base too? */
static bool changes_nothing(const struct qb_quality_lab *l, const struct qb_subject *s)
{
    if (!l->base.model || strcmp(l->base_path, s->source) != 0 || s->variant.layout != l->layout)
        return false;
    for (size_t i = 0; i < s->plan.n; i++)
        if (s->plan.tensors[i].type_id != s->plan.tensors[i].source->type_id)
            return false;
    return true;
}

static enum qb_status prepare(struct qb_quality_lab *l, struct qb_subject *s, struct qb_err *err)
{
    QB_TRY(qb_quality_windows(l, s->source, &s->windows, err));
    QB_TRY(check_windows(l, s->windows, err));
    if (s->quantize)
        QB_TRY(make_plan(l, s, err));
    s->is_base = changes_nothing(l, s);
    int64_t n = s->windows->n_chunks;
    if (l->has_base_file && n > l->base_file.n_chunks)
        n = l->base_file.n_chunks;
    s->row->n_tokens = (int64_t)s->windows->tokens.n;
    s->row->n_chunks = n;
    return qb_calloc((void **)&s->scores, (size_t)n * (size_t)l->n_scored, sizeof *s->scores, "the scores",
                     err);
}

static enum qb_status add(struct qb_quality_lab *l, const char *source, const char *format, bool from_list,
                          struct qb_err *err)
{
    struct qb_subject *s = &l->subjects[l->n_subjects];
    s->source = source;
    s->from_list = from_list;
    s->quantize = format != NULL;
    s->variant.layout = l->layout;
    s->row = &l->out->rows[l->n_subjects];
    qb_quality_record_init(s->row);
    l->n_subjects = l->out->n = l->n_subjects + 1;
    if (format)
        QB_TRY(qb_variant_parse(&s->variant, format, l->layout, err));
    QB_TRY(fill_identity(l, s, err));
    struct qb_err why = {0};
    enum qb_status st = prepare(l, s, &why);
    if (st == QB_ERR_MEMORY) {
        *err = why;
        return st;
    }
    if (st) {
        s->refused = from_list;
        qb_subject_fail(s, &why);
    }
    return QB_OK;
}

static bool in_list(const struct qb_str_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcasecmp(l->items[i], name))
            return true;
    return false;
}

enum qb_status qb_subjects_init(struct qb_quality_lab *l, struct qb_err *err)
{
    const struct qb_quality_options *o = l->o;
    struct qb_str_list expanded = {0};
    enum qb_status st = QB_OK;
    for (size_t i = 0; i < o->formats.n && !st; i++)
        st = qb_str_list_add(&expanded, o->formats.items[i], err);
    if (!st)
        st = qb_ftype_list_expand(&expanded, err);
    size_t n = expanded.n ? expanded.n : o->models.n;
    if (!st)
        st = qb_calloc((void **)&l->subjects, n + 1, sizeof *l->subjects, "the variants", err);
    if (!st)
        st = qb_calloc((void **)&l->out->rows, n + 1, sizeof *l->out->rows, "the rows", err);
    for (size_t i = 0; i < n && !st; i++)
        st = expanded.n ? add(l, o->models.items[0], expanded.items[i],
                              !in_list(&o->formats, expanded.items[i]), err)
                        : add(l, o->models.items[i], NULL, false, err);
    qb_str_list_release(&expanded);
    return st;
}

void qb_subjects_release(struct qb_quality_lab *l)
{
    for (size_t i = 0; i < l->n_subjects; i++) {
        qb_quant_plan_release(&l->subjects[i].plan);
        free(l->subjects[i].scores);
    }
    free(l->subjects);
    l->subjects = NULL;
    l->n_subjects = 0;
}

/* ---- loading ---- */

static struct qb_session_options session_options(const struct qb_quality_lab *l)
{
    return (struct qb_session_options){.set = &l->set,
                                       .pool = l->pool,
                                       .n_ctx = l->n_ctx,
                                       .n_batch = l->n_ctx,
                                       .n_ubatch = l->o->n_ubatch ? (int)l->o->n_ubatch : 512,
                                       .type_k = l->type_k,
                                       .type_v = l->type_v};
}

/* Files are mapped; their sessions are as large as that of the base, as far as is known. */
uint64_t qb_subject_bytes(const struct qb_quality_lab *l, const struct qb_subject *s)
{
    struct qb_session_options o = session_options(l);
    uint64_t session = l->base.model ? qb_session_bytes(l->base.model, &o) : (uint64_t)64 << 20;
    if (s->failed || s->is_base)
        return 0;
    /* x16 takes 1.7 times the bytes at most */
    int copies = s->variant.layout == QB_LAYOUT_PLAIN ? 1 : s->variant.layout == QB_LAYOUT_X16 ? 3 : 2;
    return session + s->plan.tensor_bytes * (uint64_t)copies;
}

/* Room for the rows of a model with n_vocab tokens. */
static enum qb_status grow_logits(struct qb_quality_lab *l, int n_vocab, struct qb_err *err)
{
    if (n_vocab <= l->n_vocab)
        return QB_OK;
    free(l->logits);
    free(l->base_logits);
    l->base_logits = l->logits = NULL;
    l->n_vocab = 0;
    size_t n;
    if (!qb_size_mul((size_t)l->n_scored, (size_t)n_vocab, &n))
        return qb_fail(err, QB_ERR_MEMORY, "a vocabulary of %d is too large", n_vocab);
    QB_TRY(qb_calloc((void **)&l->logits, n, sizeof *l->logits, "the logits", err));
    QB_TRY(qb_calloc((void **)&l->base_logits, n, sizeof *l->base_logits, "the logits", err));
    l->n_vocab = n_vocab;
    return QB_OK;
}

enum qb_status qb_quality_engine_start(struct qb_quality_engine *e, struct qb_quality_lab *l,
                                       struct qb_err *err)
{
    struct qb_session_options o = session_options(l);
    QB_TRY(grow_logits(l, e->model->hp.n_vocab, err));
    return qb_session_create(&e->session, e->model, &o, err);
}

void qb_quality_engine_stop(struct qb_quality_engine *e)
{
    qb_session_free(e->session);
    qb_model_close(e->model);
    *e = (struct qb_quality_engine){0};
}

/* The bytes of the file that a plan would be written to. */
static enum qb_status planned_bytes(const struct qb_quality_lab *l, const struct qb_subject *s,
                                    uint64_t *bytes, struct qb_err *err)
{
    struct qb_quant_output out = {.plan = &s->plan, .path = "model.gguf"};
    struct qb_quant_job job = {
        .source = l->source, .imatrix = l->imatrix, .outputs = &out, .n_outputs = 1, .pool = l->pool};
    return qb_quant_output_bytes(bytes, &job, &out, err);
}

static enum qb_status open_model(struct qb_quality_lab *l, struct qb_subject *s,
                                 const struct qb_quant_bank *bank, size_t plan, struct qb_err *err)
{
    struct qb_model_options o = {.layout = s->variant.layout, .set = &l->set, .pool = l->pool};
    const struct qb_gguf_tensor *tensors;
    uint64_t bytes = 0;
    if (!s->quantize)
        return qb_model_open(&s->engine.model, s->source, &o, err);
    QB_TRY(qb_quant_bank_tensors(bank, plan, &tensors, err));
    QB_TRY(planned_bytes(l, s, &bytes, err));
    return qb_model_from_tensors(&s->engine.model, l->source, tensors, s->variant.ftype, bytes, &o, err);
}

static void layout_text(const struct qb_model *m, char *out, size_t size)
{
    size_t len = 0;
    out[0] = 0;
    for (int id = 0; id < QB_LAYOUT_COUNT; id++)
        for (int i = 0; i < m->n_use; i++)
            if (m->use[i].layout == (enum qb_layout_id)id && len < size) {
                len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "+" : "",
                                        qb_layout_name((enum qb_layout_id)id));
                break;
            }
}

static enum qb_status fill_facts(struct qb_quality_lab *l, struct qb_subject *s, const struct qb_model *m,
                                 struct qb_err *err)
{
    struct qb_quality_record *r = s->row;
    char text[128], hash[24];
    const struct qb_ftype *f = s->variant.ftype ? s->variant.ftype : qb_ftype_by_gguf_id(m->hp.ftype);
    r->size_bytes = (int64_t)m->file_bytes;
    r->model_size = (int64_t)m->tensor_bytes;
    r->model_n_params = (int64_t)m->n_params;
    r->bits_per_weight = 8.0 * (double)m->tensor_bytes / (double)m->n_params;
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)m->hash);
    QB_TRY(qb_record_text(&r->model_hash, hash, err));
    qb_model_type_text(m, text, sizeof text);
    QB_TRY(qb_record_text(&r->model_type, text, err));
    layout_text(m, text, sizeof text);
    QB_TRY(qb_record_text(&r->layout, text, err));
    QB_TRY(qb_record_text(&r->ftype, f ? f->name : NULL, err));
    if (!s->quantize && f && l->o->models.n == 1)
        return qb_record_text(&r->variant, f->name, err);
    return QB_OK;
}

static enum qb_status check_vocabulary(const struct qb_quality_lab *l, const struct qb_model *m,
                                       struct qb_err *err)
{
    int want = l->has_base_file ? l->base_file.n_vocab
               : l->base.model  ? l->base.model->hp.n_vocab
                                : m->hp.n_vocab;
    if (m->hp.n_vocab == want)
        return QB_OK;
    return qb_fail(err, QB_ERR_UNSUPPORTED, "a vocabulary of %d tokens cannot be compared with one of %d",
                   m->hp.n_vocab, want);
}

static enum qb_status load(struct qb_quality_lab *l, struct qb_subject *s, const struct qb_quant_bank *bank,
                           size_t plan, struct qb_err *err)
{
    if (s->is_base)
        return fill_facts(l, s, l->base.model, err);
    QB_TRY(open_model(l, s, bank, plan, err));
    QB_TRY(fill_facts(l, s, s->engine.model, err));
    QB_TRY(check_vocabulary(l, s->engine.model, err));
    return qb_quality_engine_start(&s->engine, l, err);
}

static bool quantizing(void *arg, double share, const char *tensor)
{
    char what[128];
    snprintf(what, sizeof what, "quantizing %.64s, %.0f %%", tensor, 100 * share);
    return qb_quality_note(arg, what);
}

static enum qb_status make_bank(struct qb_quality_lab *l, size_t from, size_t to, struct qb_quant_bank **bank,
                                struct qb_err *err)
{
    const struct qb_quant_plan **plans;
    struct qb_quant_bank_job job = {
        .source = l->source, .pool = l->pool, .progress = quantizing, .progress_arg = l};
    QB_TRY(qb_calloc((void **)&plans, to - from + 1, sizeof *plans, "the plans", err));
    for (size_t i = from; i < to; i++)
        if (!l->subjects[i].failed && !l->subjects[i].is_base)
            plans[job.n_plans++] = &l->subjects[i].plan;
    job.plans = plans;
    enum qb_status st = job.n_plans ? qb_quant_bank_create(bank, &job, err) : QB_OK;
    free(plans);
    return st;
}

enum qb_status qb_subjects_load(struct qb_quality_lab *l, size_t from, size_t to, struct qb_quant_bank **bank,
                                struct qb_err *err)
{
    size_t plan = 0;
    *bank = NULL;
    if (l->source)
        QB_TRY(make_bank(l, from, to, bank, err));
    for (size_t i = from; i < to; i++) {
        struct qb_subject *s = &l->subjects[i];
        struct qb_err why = {0};
        if (s->failed)
            continue;
        if (load(l, s, *bank, plan, &why) != QB_OK)
            qb_subject_fail(s, &why);
        plan += !s->is_base;
    }
    return QB_OK;
}

void qb_subjects_unload(struct qb_quality_lab *l, size_t from, size_t to, struct qb_quant_bank *bank)
{
    for (size_t i = from; i < to; i++)
        qb_quality_engine_stop(&l->subjects[i].engine);
    qb_quant_bank_free(bank);
}

/* ---- figures ---- */

static void fill_figures(struct qb_quality_record *r, const struct qb_quality *q)
{
    r->ppl = q->ppl.mean;
    r->ppl_err = q->ppl.err;
    r->base_ppl = q->base_ppl.mean;
    r->base_ppl_err = q->base_ppl.err;
    r->ln_ppl_ratio = q->ln_ppl_ratio.mean;
    r->ln_ppl_ratio_err = q->ln_ppl_ratio.err;
    r->ppl_correlation_pct = 100 * q->correlation;
    r->kld_mean = q->kld.mean;
    r->kld_err = q->kld.err;
    r->kld_min = q->kld_min;
    r->kld_median = q->kld_median;
    r->kld_p90 = q->kld_p90;
    r->kld_p95 = q->kld_p95;
    r->kld_p99 = q->kld_p99;
    r->kld_p999 = q->kld_p999;
    r->kld_max = q->kld_max;
    r->mean_dp_pct = 100 * q->dp.mean;
    r->mean_dp_err_pct = 100 * q->dp.err;
    r->rms_dp_pct = 100 * q->rms_dp.mean;
    r->rms_dp_err_pct = 100 * q->rms_dp.err;
    r->same_top_pct = 100 * q->same_top.mean;
    r->same_top_err_pct = 100 * q->same_top.err;
}

enum qb_status qb_subject_finish(struct qb_quality_lab *l, struct qb_subject *s, struct qb_err *err)
{
    struct qb_quality q;
    size_t n = (size_t)s->n_done * (size_t)l->n_scored;
    s->row->n_chunks = s->n_done;
    s->row->n_scored = (int64_t)n;
    s->row->eval_ns = (int64_t)s->eval_ns;
    if (n == 0)
        return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted before its first chunk");
    QB_TRY(qb_quality_summarize(&q, s->scores, n, l->base_path != NULL, err));
    fill_figures(s->row, &q);
    return QB_OK;
}

/*
 * The run: the base and every variant evaluate the same chunk, one after the other, so that only the logits
 * of one chunk are kept. Variants that fit in memory together are a group; each group goes over the text
 * once.
 */
#include "bench/quality.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/quality_lab.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_NS 2000000000ull /* between lines of progress that are no bar */

/* ---- setting up ---- */

static enum qb_status check_options(const struct qb_quality_options *o, struct qb_err *err)
{
    if (o->models.n == 0)
        return qb_fail(err, QB_ERR_USAGE, "no model: name a GGUF file with '--model'");
    if (o->formats.n && o->models.n != 1)
        return qb_fail(err, QB_ERR_USAGE, "option '--formats' wants one '--model' to quantize, not %zu",
                       o->models.n);
    if (o->imatrix && !o->formats.n)
        return qb_fail(err, QB_ERR_USAGE, "option '--imatrix' is of use only with '--formats'");
    if (o->save_base && !o->base && o->models.n != 1)
        return qb_fail(err, QB_ERR_USAGE, "option '--save-base' wants a '--base', or one '--model'");
    if (o->quiet && o->progress)
        return qb_fail(err, QB_ERR_USAGE, "options '--quiet' and '--progress' contradict each other");
    return QB_OK;
}

static enum qb_status make_pool(struct qb_quality_lab *l, struct qb_err *err)
{
    struct qb_topology *topology;
    struct qb_placement placement = {0};
    struct qb_placement_options o = {
        .cpu_mask = l->o->cpu_mask, .smt = l->o->smt, .quota = qb_cgroup_cpu_quota("/")};
    QB_TRY(qb_topology_create(&topology, NULL, err));
    enum qb_status st = qb_pool_for(&l->pool, &placement, topology, o, (int)l->o->threads, err);
    qb_placement_release(&placement);
    qb_topology_free(topology);
    return st;
}

static enum qb_status choose_kernels(struct qb_quality_lab *l, struct qb_err *err)
{
    static const enum qb_kv_type types[] = {QB_KV_F16, QB_KV_F16, QB_KV_Q8_0, QB_KV_F32};
    const struct qb_quality_options *o = l->o;
    enum qb_isa isa = QB_ISA_AUTO;
    bool reference = o->path == QB_QUALITY_REFERENCE;
    if (o->isa && !qb_isa_parse(o->isa, &isa))
        return qb_fail(err, QB_ERR_USAGE, "option '--isa': unknown instruction set '%s'", o->isa);
    if (o->layout && !qb_layout_parse(o->layout, &l->layout))
        return qb_fail(err, QB_ERR_USAGE, "option '--layout': unknown layout '%s'", o->layout);
    l->type_k = o->type_k == 0 && reference ? QB_KV_F32 : types[o->type_k];
    l->type_v = o->type_v == 0 && reference ? QB_KV_F32 : types[o->type_v];
    return reference ? qb_kernel_set_select_reference(&l->set, isa, err)
                     : qb_kernel_set_select(&l->set, isa, err);
}

/* A file of log-probabilities has its own size of chunks. */
static enum qb_status open_base_file(struct qb_quality_lab *l, struct qb_err *err)
{
    const struct qb_quality_options *o = l->o;
    l->base_path = o->base ? o->base : o->formats.n || o->save_base ? o->models.items[0] : NULL;
    l->n_ctx = o->n_ctx ? (int)o->n_ctx : 512;
    if (l->base_path && qb_logits_file_detect(l->base_path)) {
        QB_TRY(qb_logits_file_open(&l->base_file, l->base_path, err));
        l->has_base_file = true;
        if (o->n_ctx && o->n_ctx != l->base_file.n_ctx)
            return qb_fail(err, QB_ERR_USAGE, "option '--ctx-size': '%s' has chunks of %d tokens",
                           l->base_path, l->base_file.n_ctx);
        if (o->save_base)
            return qb_fail(err, QB_ERR_USAGE, "option '--save-base': '%s' is such a file already",
                           l->base_path);
        l->n_ctx = l->base_file.n_ctx;
    }
    l->n_scored = qb_scored_count(l->n_ctx);
    QB_TRY(qb_calloc((void **)&l->tokens, (size_t)l->n_ctx, sizeof *l->tokens, "a chunk", err));
    QB_TRY(qb_calloc((void **)&l->windows, o->models.n + 2, sizeof *l->windows, "the text", err));
    return qb_calloc((void **)&l->base_rows, (size_t)l->n_scored, sizeof *l->base_rows, "the base", err);
}

static enum qb_status open_base_model(struct qb_quality_lab *l, struct qb_err *err)
{
    if (!l->base_path || l->has_base_file)
        return QB_OK;
    struct qb_model_options o = {.layout = l->layout, .set = &l->set, .pool = l->pool};
    QB_TRY(qb_model_open(&l->base.model, l->base_path, &o, err));
    QB_TRY(qb_quality_engine_start(&l->base, l, err));
    QB_TRY(qb_quality_windows(l, l->base_path, &l->base_windows, err));
    if (l->n_ctx > l->base.model->hp.n_ctx_train)
        qb_warn("chunks of %d tokens are longer than the %d that the model was trained for", l->n_ctx,
                l->base.model->hp.n_ctx_train);
    return QB_OK;
}

static enum qb_status open_sources(struct qb_quality_lab *l, struct qb_err *err)
{
    const struct qb_quality_options *o = l->o;
    if (!o->formats.n)
        return QB_OK;
    QB_TRY(qb_gguf_open(&l->source, o->models.items[0], err));
    if (!o->imatrix)
        return QB_OK;
    QB_TRY(qb_imatrix_open(&l->imatrix, o->imatrix, err));
    return qb_imatrix_check_model(l->imatrix, l->source, err);
}

static enum qb_status open_writer(struct qb_quality_lab *l, struct qb_err *err)
{
    if (!l->o->save_base)
        return QB_OK;
    return qb_logits_writer_create(&l->writer, l->o->save_base, l->n_ctx, l->base.model->hp.n_vocab,
                                   l->base_windows->n_chunks, l->base_windows->tokens.ids, err);
}

static enum qb_status set_up(struct qb_quality_lab *l, struct qb_err *err)
{
    QB_TRY(check_options(l->o, err));
    QB_TRY(choose_kernels(l, err));
    QB_TRY(qb_quality_text_init(&l->text, l->o->text, err));
    QB_TRY(open_base_file(l, err));
    QB_TRY(open_sources(l, err));
    QB_TRY(make_pool(l, err));
    QB_TRY(open_base_model(l, err));
    QB_TRY(qb_subjects_init(l, err));
    return open_writer(l, err);
}

static void tear_down(struct qb_quality_lab *l)
{
    qb_subjects_release(l);
    qb_logits_writer_free(l->writer);
    qb_quality_engine_stop(&l->base);
    qb_pool_free(l->pool);
    qb_imatrix_close(l->imatrix);
    qb_gguf_close(l->source);
    if (l->has_base_file)
        qb_logits_file_close(&l->base_file);
    for (size_t i = 0; i < l->n_windows; i++)
        qb_windows_release(&l->windows[i]);
    qb_quality_text_release(&l->text);
    free(l->windows);
    free(l->tokens);
    free(l->base_rows);
    free(l->base_logits);
    free(l->logits);
}

/* ---- progress ---- */

bool qb_quality_note(struct qb_quality_lab *l, const char *what)
{
    uint64_t now = qb_now_ns();
    bool due = l->bar.mode != QB_PROGRESS_LINES || now - l->last_line_ns > LINE_NS;
    l->bar.done = (double)(now - l->start_ns);
    l->bar.total = l->units_done > 0 ? l->bar.done * l->units / l->units_done : 0;
    if (due) {
        qb_progress_step(&l->bar, 0, what);
        l->last_line_ns = now;
    }
    return !l->o->stop || !l->o->stop();
}

static void count_units(struct qb_quality_lab *l)
{
    int64_t longest = 0;
    for (size_t i = 0; i < l->n_subjects; i++) {
        const struct qb_subject *s = &l->subjects[i];
        if (s->failed)
            continue;
        l->units += s->is_base ? 0 : (double)s->row->n_chunks;
        longest = s->row->n_chunks > longest ? s->row->n_chunks : longest;
    }
    l->units += l->base.model ? (double)longest : 0;
}

/* ---- evaluation ---- */

/* Logits of the scored positions of the chunk in l->tokens. */
static enum qb_status evaluate(struct qb_quality_lab *l, const struct qb_quality_engine *e, float *logits,
                               struct qb_err *err)
{
    qb_session_clear(e->session);
    l->units_done++;
    return qb_session_eval_last(e->session, l->tokens, l->n_ctx - 1, l->n_scored, logits, err);
}

static const int32_t *next_tokens(const struct qb_quality_lab *l)
{
    return l->tokens + qb_scored_first(l->n_ctx) + 1;
}

static enum qb_status evaluate_base(struct qb_quality_lab *l, int64_t chunk, struct qb_err *err)
{
    if (l->has_base_file) {
        int n_vocab = l->base_file.n_vocab;
        qb_logits_file_tokens(&l->base_file, chunk, l->tokens);
        for (int i = 0; i < l->n_scored; i++) {
            float *row = l->base_logits + (size_t)i * (size_t)n_vocab;
            qb_logits_file_row(&l->base_file, chunk, i, next_tokens(l)[i], row);
            qb_distribution_of_logs(&l->base_rows[i], row, n_vocab);
        }
        return QB_OK;
    }
    struct qb_score_job job = {
        .logits = l->base_logits, .to = l->base_rows, .n = l->n_scored, .n_vocab = l->base.model->hp.n_vocab};
    qb_windows_get(l->base_windows, chunk, l->tokens);
    QB_TRY(evaluate(l, &l->base, l->base_logits, err));
    qb_score_run(l->pool, &job);
    return l->writer ? qb_logits_writer_rows(l->writer, l->base_rows, l->n_scored, err) : QB_OK;
}

static enum qb_status evaluate_subject(struct qb_quality_lab *l, struct qb_subject *s, int64_t chunk,
                                       struct qb_err *err)
{
    uint64_t start = qb_now_ns();
    const struct qb_model *m = s->is_base ? l->base.model : s->engine.model;
    struct qb_score_job job = {.logits = s->is_base ? l->base_logits : l->logits,
                               .next = next_tokens(l),
                               .base = l->base_path ? l->base_rows : NULL,
                               .out = s->scores + chunk * l->n_scored,
                               .n = l->n_scored,
                               .n_vocab = m->hp.n_vocab};
    qb_windows_get(s->windows, chunk, l->tokens);
    if (!s->is_base)
        QB_TRY(evaluate(l, &s->engine, l->logits, err));
    qb_score_run(l->pool, &job);
    s->eval_ns += qb_now_ns() - start;
    s->n_done = chunk + 1;
    return QB_OK;
}

static bool goes_on(const struct qb_subject *s, int64_t chunk)
{
    return !s->failed && chunk < s->row->n_chunks;
}

static enum qb_status run_chunk(struct qb_quality_lab *l, size_t from, size_t to, int64_t chunk,
                                struct qb_err *err)
{
    if (l->base_path)
        QB_TRY(evaluate_base(l, chunk, err));
    for (size_t i = from; i < to; i++) {
        struct qb_subject *s = &l->subjects[i];
        struct qb_err why = {0};
        char what[128];
        if (!goes_on(s, chunk))
            continue;
        snprintf(what, sizeof what, "%.60s, chunk %lld of %lld", s->row->variant, (long long)chunk + 1,
                 (long long)s->row->n_chunks);
        if (!qb_quality_note(l, what))
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
        if (evaluate_subject(l, s, chunk, &why) != QB_OK)
            qb_subject_fail(s, &why);
    }
    return QB_OK;
}

static enum qb_status run_group(struct qb_quality_lab *l, size_t from, size_t to, struct qb_err *err)
{
    struct qb_quant_bank *bank;
    int64_t n_chunks = 0;
    QB_TRY(qb_subjects_load(l, from, to, &bank, err));
    for (size_t i = from; i < to; i++)
        if (goes_on(&l->subjects[i], n_chunks))
            n_chunks = l->subjects[i].row->n_chunks;
    enum qb_status st = QB_OK;
    for (int64_t c = 0; c < n_chunks && !st; c++)
        st = run_chunk(l, from, to, c, err);
    qb_subjects_unload(l, from, to, bank);
    return st;
}

static size_t group_end(const struct qb_quality_lab *l, size_t from)
{
    uint64_t budget = qb_mem_available(), sum = 0;
    size_t to = from;
    budget -= budget / 10;
    for (; to < l->n_subjects; to++) {
        sum += qb_subject_bytes(l, &l->subjects[to]);
        if (sum > budget && to > from)
            break;
    }
    return to;
}

static enum qb_status run_groups(struct qb_quality_lab *l, struct qb_err *err)
{
    enum qb_status st = QB_OK;
    size_t to;
    count_units(l);
    l->start_ns = qb_now_ns();
    qb_progress_init(&l->bar, l->o->progress, l->o->quiet);
    for (size_t from = 0; from < l->n_subjects && !st; from = to) {
        to = group_end(l, from);
        st = run_group(l, from, to, err);
        if (!st && l->writer) {
            st = qb_logits_writer_finish(l->writer, err);
            qb_logits_writer_free(l->writer);
            l->writer = NULL;
        }
    }
    qb_progress_end(&l->bar);
    return st;
}

static void finish(struct qb_quality_lab *l)
{
    for (size_t i = 0; i < l->n_subjects; i++) {
        struct qb_subject *s = &l->subjects[i];
        struct qb_err why = {0};
        if (!s->failed && qb_subject_finish(l, s, &why) != QB_OK)
            qb_subject_fail(s, &why);
        l->out->n_failed += s->failed && !s->refused;
    }
}

enum qb_status qb_quality_measure(struct qb_quality_rows *out, const struct qb_quality_options *o,
                                  struct qb_err *err)
{
    struct qb_quality_lab l = {.o = o, .out = out};
    *out = (struct qb_quality_rows){0};
    qb_time_rfc3339(l.started, sizeof l.started);
    enum qb_status st = set_up(&l, err);
    if (!st)
        st = run_groups(&l, err);
    if (!st || st == QB_ERR_INTERRUPTED)
        finish(&l);
    else
        qb_quality_rows_release(out);
    tear_down(&l);
    return st;
}

void qb_quality_rows_release(struct qb_quality_rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        qb_quality_record_release(&r->rows[i]);
    free(r->rows);
    *r = (struct qb_quality_rows){0};
}

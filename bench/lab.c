/*
 * Crews, kernel sets, models and sessions of a run.
 */
#include "bench/lab.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench/commands.h"
#include "bench/logit_check.h"
#include "bench/size_parse.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_GAUGE_BLOCKS 4

static enum qb_status add_crew(struct qb_lab *l, int n_threads, struct qb_err *err)
{
    if (qb_lab_crew(l, n_threads))
        return QB_OK;
    const struct qb_bench_options *o = l->options;
    struct qb_placement_options po = {.cpu_mask = o->cpu_mask,
                                      .smt = o->smt,
                                      .numa = (enum qb_numa_policy)o->numa,
                                      .quota = l->machine->cpu_quota};
    struct qb_crew *crew = &l->crews[l->n_crews];
    QB_TRY(qb_pool_for(&crew->pool, &crew->placement, l->topology, po, n_threads, err));
    crew->n_threads = n_threads;
    qb_buf_init(&crew->map, 0);
    qb_placement_describe(&crew->placement, &crew->map);
    if (crew->placement.oversubscribed)
        qb_warn("%d threads are more than this process has CPUs: they take turns", n_threads);
    l->n_crews++;
    return QB_OK;
}

static enum qb_status add_crews(struct qb_lab *l, struct qb_err *err)
{
    const struct qb_suite *s = l->suite;
    QB_TRY(qb_calloc((void **)&l->crews, 2 * s->n_configs + 1, sizeof *l->crews, "the thread pools", err));
    for (size_t i = 0; i < s->n_configs; i++) {
        QB_TRY(add_crew(l, s->configs[i].n_threads, err));
        QB_TRY(add_crew(l, s->configs[i].n_threads_batch, err));
    }
    return QB_OK;
}

static void forecast_all(struct qb_lab *l)
{
    for (size_t v = 0; v < l->suite->n_variants; v++) {
        struct qb_specimen *x = &l->specimens[v];
        struct qb_err err = {0};
        void *f = NULL;
        enum qb_status st = qb_calloc(&f, 1, sizeof *x->forecast, "a model", &err);
        if (!st)
            st = qb_forecast_make(f, &l->suite->variants[v], &l->quantized, &err);
        if (!st) {
            x->forecast = f;
            continue;
        }
        free(f);
        snprintf(x->reason, sizeof x->reason, "%s", err.message);
    }
}

static enum qb_status init_all(struct qb_lab *l, struct qb_err *err)
{
    const struct qb_suite *s = l->suite;
    QB_TRY(qb_calloc((void **)&l->specimens, s->n_variants + 1, sizeof *l->specimens, "the variants", err));
    QB_TRY(qb_calloc((void **)&l->stands, s->n_configs + 1, sizeof *l->stands, "the configurations", err));
    QB_TRY(qb_calloc((void **)&l->trials, s->n_cases + 1, sizeof *l->trials, "the cases", err));
    for (size_t i = 0; i < s->n_configs; i++) {
        l->stands[i].nmse = NAN;
        l->n_tokens = s->configs[i].n_ctx > l->n_tokens ? s->configs[i].n_ctx : l->n_tokens;
    }
    l->n_tokens = l->n_tokens > QB_CHECK_TOKENS ? l->n_tokens : QB_CHECK_TOKENS;
    for (size_t i = 0; i < s->n_cases; i++) {
        struct qb_trial *t = &l->trials[i];
        QB_TRY(qb_calloc((void **)&t->ns, (size_t)s->max_rounds, sizeof *t->ns, "the samples", err));
        QB_TRY(qb_calloc((void **)&t->round, (size_t)s->max_rounds, sizeof *t->round, "the samples", err));
    }
    QB_TRY(add_crews(l, err));
    forecast_all(l);
    return QB_OK;
}

enum qb_status qb_lab_init(struct qb_lab *l, const struct qb_suite *s, const struct qb_bench_options *o,
                           const struct qb_topology *t, const struct qb_machine *m, struct qb_err *err)
{
    *l = (struct qb_lab){.suite = s, .options = o, .topology = t, .machine = m};
    l->quantized = (struct qb_quantized){.imatrix_path = o->imatrix, .use_cache = o->cache};
    enum qb_status st =
        o->cache_size ? qb_size_parse(&l->quantized.cache_bytes, o->cache_size, "--cache-size", err) : QB_OK;
    if (!st)
        st = init_all(l, err);
    if (st)
        qb_lab_release(l);
    return st;
}

void qb_lab_release(struct qb_lab *l)
{
    if (l->specimens && l->stands)
        qb_lab_unload(l, 0, l->suite->n_variants);
    for (size_t i = 0; l->specimens && i < l->suite->n_variants; i++) {
        qb_forecast_release(l->specimens[i].forecast);
        free(l->specimens[i].forecast);
    }
    for (size_t i = 0; l->trials && i < l->suite->n_cases; i++) {
        free(l->trials[i].ns);
        free(l->trials[i].round);
    }
    for (size_t i = 0; i < l->n_crews; i++) {
        qb_gauge_release(&l->crews[i].gauge);
        qb_pool_free(l->crews[i].pool);
        qb_placement_release(&l->crews[i].placement);
        qb_buf_release(&l->crews[i].map);
    }
    qb_quantized_release(&l->quantized);
    free(l->crews);
    free(l->specimens);
    free(l->stands);
    free(l->trials);
    memset(l, 0, sizeof *l);
}

struct qb_crew *qb_lab_crew(const struct qb_lab *l, int n_threads)
{
    for (size_t i = 0; i < l->n_crews; i++)
        if (l->crews[i].n_threads == n_threads)
            return &l->crews[i];
    return NULL;
}

struct qb_crew *qb_lab_crew_of(const struct qb_lab *l, size_t c)
{
    const struct qb_case *k = &l->suite->cases[c];
    const struct qb_config *config = &l->suite->configs[k->config];
    return qb_lab_crew(l, k->test.n_gen ? config->n_threads : config->n_threads_batch);
}

enum qb_isa qb_lab_isa(const struct qb_variant *v)
{
    return v->isa == QB_ISA_AUTO ? qb_cpu_isa() : v->isa;
}

static enum qb_status measure_roof(struct qb_crew *crew, enum qb_isa isa, struct qb_err *err)
{
    if (!qb_cpu_runs(isa) || crew->has_roof[isa])
        return QB_OK;
    if (!crew->gauge.pool)
        QB_TRY(qb_gauge_init(&crew->gauge, crew->pool, err));
    qb_roof_measure(&crew->roof[isa], &crew->gauge, isa);
    crew->has_roof[isa] = true;
    return QB_OK;
}

enum qb_status qb_lab_measure_roofs(struct qb_lab *l, struct qb_err *err)
{
    for (size_t i = 0; i < l->suite->n_configs; i++) {
        const struct qb_config *c = &l->suite->configs[i];
        if (l->specimens[c->variant].reason[0])
            continue;
        enum qb_isa isa = qb_lab_isa(&l->suite->variants[c->variant]);
        QB_TRY(measure_roof(qb_lab_crew(l, c->n_threads), isa, err));
        QB_TRY(measure_roof(qb_lab_crew(l, c->n_threads_batch), isa, err));
    }
    /* A sweep over thread counts would hold one block each: then the first measurement has to do. */
    for (size_t i = 0; i < l->n_crews && l->n_crews > MOST_GAUGE_BLOCKS; i++)
        qb_block_release(&l->crews[i].gauge.block);
    return QB_OK;
}

uint64_t qb_lab_gauge_bytes(const struct qb_lab *l)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < l->n_crews; i++)
        bytes += l->crews[i].gauge.block.mapped;
    return bytes;
}

const struct qb_kernels_of *qb_lab_kernels(struct qb_lab *l, enum qb_isa isa, struct qb_err *err)
{
    struct qb_kernels_of *k = &l->kernels[isa];
    if (k->ready)
        return k;
    if (qb_kernel_set_select(&k->set, isa, err) != QB_OK)
        return NULL;
    if (qb_kernel_set_select_reference(&k->reference, QB_ISA_AUTO, err) != QB_OK)
        return NULL;
    k->ready = true;
    return k;
}

static struct qb_session_options session_options(const struct qb_lab *l, const struct qb_config *c,
                                                 const struct qb_kernel_set *set)
{
    return (struct qb_session_options){.set = set,
                                       .pool = qb_lab_crew(l, c->n_threads_batch)->pool,
                                       .pool_gen = qb_lab_crew(l, c->n_threads)->pool,
                                       .n_ctx = c->n_ctx,
                                       .n_batch = c->n_batch,
                                       .n_ubatch = c->n_ubatch,
                                       .type_k = c->type_k,
                                       .type_v = c->type_v};
}

/* A model of the right widths and no weights, to ask for the size of its sessions. Float activations take the
 * most. */
static enum qb_status probe_init(struct qb_model *probe, const struct qb_hparams *hp, struct qb_err *err)
{
    const struct qb_format *f32 = qb_format_get(QB_FORMAT_F32);
    probe->hp = *hp;
    QB_TRY(qb_calloc((void **)&probe->layers, (size_t)hp->n_layer, sizeof *probe->layers, "the plan", err));
    for (int i = 0; i < hp->n_layer; i++) {
        struct qb_matrix in = {.format = f32, .n_cols = hp->n_embd};
        struct qb_layer *l = &probe->layers[i];
        l->wq = l->wk = l->wv = l->wo = l->gate = l->up = l->down = in;
        l->wo.n_cols = (int64_t)hp->n_head[i] * hp->head_dim_v;
        l->down.n_cols = hp->n_ff[i];
        probe->output = in;
    }
    return QB_OK;
}

static uint64_t sessions_bytes(const struct qb_lab *l, size_t variant, const struct qb_model *probe)
{
    const struct qb_suite *s = l->suite;
    struct qb_kernel_set *set = malloc(sizeof *set);
    uint64_t bytes = 0;
    bool selected = set && qb_kernel_set_select(set, qb_lab_isa(&s->variants[variant]), NULL) == QB_OK;
    for (size_t i = 0; i < s->n_configs && selected; i++) {
        struct qb_session_options o = session_options(l, &s->configs[i], set);
        if (s->configs[i].variant == variant)
            bytes += qb_session_bytes(probe, &o);
    }
    free(set);
    return bytes;
}

uint64_t qb_lab_variant_bytes(const struct qb_lab *l, size_t variant)
{
    const struct qb_forecast *f = l->specimens[variant].forecast;
    if (!f)
        return 0;
    enum qb_layout_id layout = l->suite->variants[variant].layout;
    bool expands = layout == QB_LAYOUT_X16 || layout == QB_LAYOUT_AUTO;
    uint64_t bytes = expands ? f->expanded_bytes : f->tensor_bytes;
    if (f->plan.n && layout != QB_LAYOUT_PLAIN)
        bytes += f->tensor_bytes; /* as it was made, and in the layout */
    struct qb_model *probe = calloc(1, sizeof *probe);
    if (probe && probe_init(probe, &f->hp, NULL) == QB_OK)
        bytes += sessions_bytes(l, variant, probe);
    if (probe)
        free(probe->layers);
    free(probe);
    return bytes;
}

/* Random ids as llama-bench draws them, but seeded; BOS first where the model wants one. */
static enum qb_status draw_tokens(const struct qb_lab *l, struct qb_specimen *x, struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)&x->tokens, (size_t)l->n_tokens, sizeof *x->tokens, "the tokens", err));
    struct qb_rng rng;
    qb_rng_init(&rng, (uint64_t)l->options->seed, 7);
    const struct qb_hparams *hp = &x->model->hp;
    for (int64_t i = 0; i < l->n_tokens; i++)
        x->tokens[i] = (int32_t)qb_rng_below(&rng, (uint32_t)hp->n_vocab);
    if (hp->add_bos && hp->bos_id >= 0 && hp->bos_id < hp->n_vocab)
        x->tokens[0] = hp->bos_id;
    return QB_OK;
}

static enum qb_status open_stand(struct qb_lab *l, size_t config, const struct qb_kernels_of *k,
                                 struct qb_err *err)
{
    const struct qb_config *c = &l->suite->configs[config];
    struct qb_specimen *x = &l->specimens[c->variant];
    struct qb_stand *stand = &l->stands[config];
    struct qb_session_options o = session_options(l, c, &k->set);
    stand->bytes = qb_session_bytes(x->model, &o);
    stand->prefilled = 0;
    QB_TRY(qb_session_create(&stand->session, x->model, &o, err));
    o.set = &k->reference;
    return qb_check_logits(&stand->nmse, stand->session, x->model, &o, x->tokens, err);
}

/* GB/s that a thread reads, the least of the thread counts that generate with this variant; 0 if none does.
 */
static double thread_gbs(const struct qb_lab *l, size_t v)
{
    double least = 0;
    for (size_t i = 0; i < l->suite->n_cases; i++) {
        const struct qb_case *k = &l->suite->cases[i];
        const struct qb_config *c = &l->suite->configs[k->config];
        if (c->variant != v || k->test.n_gen == 0)
            continue;
        double gbs = qb_lab_crew(l, c->n_threads)->roof[qb_lab_isa(&l->suite->variants[v])].read_gbs;
        least = least > 0 && least < gbs / c->n_threads ? least : gbs / c->n_threads;
    }
    return least;
}

static enum qb_status load_variant(struct qb_lab *l, size_t v, struct qb_err *err)
{
    const struct qb_suite *s = l->suite;
    struct qb_specimen *x = &l->specimens[v];
    const struct qb_kernels_of *k = qb_lab_kernels(l, qb_lab_isa(&s->variants[v]), err);
    if (!k)
        return err->code;
    struct qb_model_options o = {.layout = s->variants[v].layout,
                                 .set = &k->set,
                                 .pool = l->crews[0].pool,
                                 .seed = (uint64_t)l->options->seed,
                                 .thread_gbs = thread_gbs(l, v)};
    QB_TRY(qb_source_load(&x->model, &s->variants[v], x->forecast, &l->quantized, &o, err));
    qb_work_of(&x->work, x->model, &k->set);
    QB_TRY(draw_tokens(l, x, err));
    for (size_t i = 0; i < s->n_configs && !qb_interrupted(); i++) {
        struct qb_err failed = {0};
        if (s->configs[i].variant == v && open_stand(l, i, k, &failed) != QB_OK)
            snprintf(l->stands[i].reason, sizeof l->stands[i].reason, "%s", failed.message);
    }
    return QB_OK;
}

static bool is_made(const struct qb_lab *l, size_t v, const char *path)
{
    const struct qb_specimen *x = &l->specimens[v];
    return !x->reason[0] && x->forecast && x->forecast->plan.n &&
           (!path || strcmp(l->suite->variants[v].source, path) == 0);
}

static bool keep_quantizing(void *arg, double share, const char *tensor)
{
    const struct qb_lab *l = arg;
    if (l->on_quantizing)
        l->on_quantizing(l->on_quantizing_arg, share, tensor);
    return !qb_interrupted();
}

/* Make the variants of [from, to) that are this file in other types. */
static void quantize_source(struct qb_lab *l, const char *path, size_t from, size_t to)
{
    struct qb_err err = {0};
    const struct qb_quant_plan **plans;
    enum qb_status st = qb_calloc((void **)&plans, to - from + 1, sizeof *plans, "the plans", &err);
    size_t n = 0;
    for (size_t v = from; v < to && !st; v++)
        if (is_made(l, v, path)) {
            l->specimens[v].forecast->plan_index = n;
            plans[n++] = &l->specimens[v].forecast->plan;
        }
    if (!st)
        st = qb_quantized_make(&l->quantized, path, plans, n, l->crews[0].pool, keep_quantizing, l, &err);
    free(plans);
    for (size_t v = from; v < to && st; v++)
        if (is_made(l, v, path))
            snprintf(l->specimens[v].reason, sizeof l->specimens[v].reason, "%s", err.message);
}

void qb_lab_quantize(struct qb_lab *l, size_t from, size_t to,
                     void (*note)(void *arg, double share, const char *tensor), void *arg)
{
    l->on_quantizing = note;
    l->on_quantizing_arg = arg;
    for (size_t v = from; v < to; v++) {
        const char *path = l->suite->variants[v].source;
        size_t first = from;
        while (first < v && strcmp(l->suite->variants[first].source, path) != 0)
            first++;
        if (first == v) /* of the file's variants, the first */
            for (size_t k = v; k < to; k++)
                if (is_made(l, k, path)) {
                    quantize_source(l, path, from, to);
                    break;
                }
    }
}

void qb_lab_load(struct qb_lab *l, size_t from, size_t to)
{
    for (size_t v = from; v < to && !qb_interrupted(); v++) {
        struct qb_err err = {0};
        if (l->specimens[v].reason[0])
            continue;
        if (load_variant(l, v, &err) != QB_OK)
            snprintf(l->specimens[v].reason, sizeof l->specimens[v].reason, "%s", err.message);
    }
}

void qb_lab_unload(struct qb_lab *l, size_t from, size_t to)
{
    for (size_t i = 0; i < l->suite->n_configs; i++) {
        size_t v = l->suite->configs[i].variant;
        if (v < from || v >= to)
            continue;
        qb_session_free(l->stands[i].session);
        l->stands[i].session = NULL;
    }
    for (size_t v = from; v < to; v++) {
        qb_model_close(l->specimens[v].model);
        free(l->specimens[v].tokens);
        l->specimens[v].model = NULL;
        l->specimens[v].tokens = NULL;
    }
    qb_quantized_drop(&l->quantized);
}

const char *qb_lab_reason(const struct qb_lab *l, size_t c)
{
    const struct qb_case *k = &l->suite->cases[c];
    const struct qb_stand *stand = &l->stands[k->config];
    const struct qb_specimen *x = &l->specimens[l->suite->configs[k->config].variant];
    if (x->reason[0])
        return x->reason;
    if (stand->reason[0])
        return stand->reason;
    return l->trials[c].reason[0] ? l->trials[c].reason : NULL;
}

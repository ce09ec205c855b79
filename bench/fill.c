/*
 * From what was measured to the record of a row.
 */
#include "base/mem.h"
#include "bench/build_info.h"
#include "bench/logit_check.h"
#include "bench/measure.h"
#include "bench/stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* What a record is filled from. */
struct view {
    const struct qb_lab *lab;
    size_t c;
    const struct qb_case *kase;
    const struct qb_config *config;
    const struct qb_variant *variant;
    const struct qb_specimen *specimen;
    const struct qb_stand *stand;
    const struct qb_trial *trial;
    const struct qb_crew *crew; /* that the test spends its time on */
};

static struct view view_of(const struct qb_lab *l, size_t c)
{
    struct view v = {.lab = l, .c = c, .kase = &l->suite->cases[c]};
    v.config = &l->suite->configs[v.kase->config];
    v.variant = &l->suite->variants[v.config->variant];
    v.specimen = &l->specimens[v.config->variant];
    v.stand = &l->stands[v.kase->config];
    v.trial = &l->trials[c];
    v.crew = qb_lab_crew_of(l, c);
    return v;
}

static const char *file_name(const struct view *v)
{
    const char *slash = v->variant->shape ? NULL : strrchr(v->variant->source, '/');
    return slash ? slash + 1 : v->variant->source;
}

static const struct qb_ftype *ftype_of(const struct view *v)
{
    if (v->variant->ftype)
        return v->variant->ftype;
    return v->specimen->forecast ? v->specimen->forecast->ftype : NULL;
}

static void variant_name(const struct view *v, char *out, size_t size)
{
    const struct qb_ftype *f = ftype_of(v);
    if (v->variant->name[0])
        snprintf(out, size, "%s", v->variant->name);
    else if (v->variant->layout == QB_LAYOUT_PLAIN)
        snprintf(out, size, "%s", f ? f->name : "?");
    else
        snprintf(out, size, "%s@%s", f ? f->name : "?", qb_layout_name(v->variant->layout));
}

static enum qb_status fill_build(struct qb_record *r, struct qb_err *err)
{
    const struct qb_build_info *b = qb_build_info();
    r->build_number = b->number;
    QB_TRY(qb_record_text(&r->build_commit, b->commit, err));
    QB_TRY(qb_record_text(&r->compiler, b->compiler, err));
    return qb_record_text(&r->build_type, b->type[0] ? b->type : NULL, err);
}

static enum qb_status text_if(char **field, const char *s, struct qb_err *err)
{
    return qb_record_text(field, s[0] ? s : NULL, err);
}

static enum qb_status fill_machine(struct qb_record *r, const struct qb_machine *m, struct qb_err *err)
{
    QB_TRY(qb_record_text(&r->cpu_info, m->cpu, err));
    QB_TRY(qb_record_text(&r->gpu_info, "", err));
    QB_TRY(qb_record_text(&r->backends, "CPU", err));
    QB_TRY(qb_record_text(&r->split_mode, "none", err));
    QB_TRY(qb_record_text(&r->devices, "auto", err));
    QB_TRY(qb_record_text(&r->tensor_split, "0.00", err));
    QB_TRY(qb_record_text(&r->tensor_buft_overrides, "none", err));
    QB_TRY(qb_record_text(&r->lazy_mode, "off", err));
    QB_TRY(text_if(&r->os, m->os, err));
    QB_TRY(text_if(&r->governor, m->governor, err));
    QB_TRY(text_if(&r->microcode, m->microcode, err));
    QB_TRY(text_if(&r->huge_pages, m->huge_pages, err));
    QB_TRY(text_if(&r->topology, m->topology, err));
    r->mem_total = (int64_t)m->mem_total_bytes;
    r->cpu_quota = m->cpu_quota > 0 ? m->cpu_quota : NAN;
    return QB_OK;
}

static enum qb_status fill_options(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    static const char *const numa[] = {"compact", "distribute", "isolate"};
    const struct qb_bench_options *o = v->lab->options;
    const struct qb_config *c = v->config;
    r->n_batch = c->n_batch;
    r->n_ubatch = c->n_ubatch;
    r->n_threads = c->n_threads;
    r->threads_batch = c->n_threads_batch;
    r->n_prompt = v->kase->test.n_prompt;
    r->n_gen = v->kase->test.n_gen;
    r->n_depth = v->kase->test.n_depth;
    r->seed = o->seed;
    r->warmup = o->warmup;
    r->oversubscribed = v->crew->placement.oversubscribed;
    r->threads_moved = v->crew->moved;
    char test[64];
    qb_test_name(&v->kase->test, test, sizeof test);
    QB_TRY(qb_record_text(&r->test, test, err));
    QB_TRY(qb_record_text(&r->cpu_mask, o->cpu_mask ? o->cpu_mask : "0x0", err));
    QB_TRY(qb_record_text(&r->type_k, qb_kv_type_name(c->type_k), err));
    QB_TRY(qb_record_text(&r->type_v, qb_kv_type_name(c->type_v), err));
    QB_TRY(qb_record_text(&r->thread_map, v->crew->map.len ? v->crew->map.data : NULL, err));
    return qb_record_text(&r->numa, numa[o->numa], err);
}

static enum qb_status fill_source(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    char name[96];
    variant_name(v, name, sizeof name);
    const struct qb_ftype *f = ftype_of(v);
    QB_TRY(qb_record_text(&r->variant, name, err));
    QB_TRY(qb_record_text(&r->ftype, f ? f->name : NULL, err));
    QB_TRY(qb_record_text(&r->isa, qb_isa_name(qb_lab_isa(v->variant)), err));
    QB_TRY(qb_record_text(&r->model_filename, file_name(v), err));
    QB_TRY(qb_record_text(&r->model_source, v->variant->source, err));
    QB_TRY(qb_record_text(&r->load_mode, v->variant->shape ? "none" : "mmap", err));
    if (v->variant->shape)
        r->imatrix_mix = v->variant->imatrix_mix;
    return QB_OK;
}

static void append_kernel(struct qb_buf *b, const struct qb_kernel_set *set, enum qb_op op, int key, int key2)
{
    const struct qb_kernel *k = qb_kernel_set_row(set, op, key, key2);
    if (k)
        qb_buf_printf(b, " %s", k->name);
}

/* "Q4_0 8x8 91 %: gemv_q4_0_8x8_avx2 ..." a format and layout, joined with "; ". */
static void describe_kernels(struct qb_buf *b, const struct qb_model *m, const struct qb_kernel_set *set)
{
    for (int i = 0; i < m->n_use; i++) {
        const struct qb_layout_use *u = &m->use[i];
        double share = m->tensor_bytes ? 100.0 * (double)u->bytes / (double)m->tensor_bytes : 0;
        qb_buf_printf(b, "%s%s %s %.0f %%:", i ? "; " : "", u->format->name, qb_layout_name(u->layout),
                      share);
        append_kernel(b, set, QB_OP_GEMV, (int)u->format->id, (int)u->layout);
        append_kernel(b, set, QB_OP_DECODE_PANEL, (int)u->format->id, (int)u->layout);
        append_kernel(b, set, QB_OP_TILE, (int)qb_kernel_set_tile_class(set, u->format, QB_MANY_COLS), 0);
    }
}

/* The layouts in use, each once, joined with "+": interleaved ones first. */
static void describe_layouts(struct qb_buf *b, const struct qb_model *m)
{
    for (int l = QB_LAYOUT_COUNT - 1; l >= 0; l--)
        for (int i = 0; i < m->n_use; i++)
            if ((int)m->use[i].layout == l &&
                (l != QB_LAYOUT_PLAIN || m->use[i].format->quantized || m->n_use == 1)) {
                qb_buf_printf(b, "%s%s", b->len ? "+" : "", qb_layout_name((enum qb_layout_id)l));
                break;
            }
    if (b->len == 0)
        qb_buf_puts(b, "plain");
}

static bool any_repacked(const struct qb_model *m)
{
    for (int i = 0; i < m->n_use; i++)
        if (m->use[i].layout != QB_LAYOUT_PLAIN)
            return true;
    return false;
}

static enum qb_status fill_kernels(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    const struct qb_model *m = v->specimen->model;
    struct qb_buf b;
    qb_buf_init(&b, 1 << 16);
    describe_layouts(&b, m);
    enum qb_status st = qb_record_text(&r->layout, b.data, err);
    qb_buf_clear(&b);
    describe_kernels(&b, m, &v->lab->kernels[qb_lab_isa(v->variant)].set);
    if (!st && b.len)
        st = qb_record_text(&r->kernels, b.data, err);
    qb_buf_release(&b);
    return st;
}

static enum qb_status fill_model(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    const struct qb_model *m = v->specimen->model;
    char text[160];
    qb_model_type_text(m, text, sizeof text);
    QB_TRY(qb_record_text(&r->model_type, text, err));
    snprintf(text, sizeof text, "%016llx", (unsigned long long)m->hash);
    QB_TRY(qb_record_text(&r->model_hash, text, err));
    r->model_size = (int64_t)m->tensor_bytes;
    r->model_n_params = (int64_t)m->n_params;
    if (m->file_bytes)
        r->size_bytes = (int64_t)m->file_bytes;
    else if (m->hp.metadata_bytes) /* a shape: as the published file */
        r->size_bytes = (int64_t)(m->tensor_bytes + m->hp.metadata_bytes);
    r->bits_per_weight = m->n_params ? 8.0 * (double)m->tensor_bytes / (double)m->n_params : NAN;
    r->load_ns = (int64_t)m->load_ns;
    r->touch_ns = (int64_t)m->touch_ns;
    r->repack_ns = (int64_t)m->repack_ns;
    r->n_stayed_plain = m->n_stayed_plain;
    r->repack = any_repacked(m);
    r->session_bytes = (int64_t)v->stand->bytes;
    r->nmse = v->stand->nmse;
    return fill_kernels(r, v, err);
}

/* Shares of the phases of the profiled repetition; absent without one. */
static void fill_profile(struct qb_record *r, const struct view *v)
{
    double *const share[QB_PHASE_COUNT] = {[QB_PHASE_EMBED] = &r->pct_time_embed,
                                           [QB_PHASE_PREPARE] = &r->pct_time_prepare,
                                           [QB_PHASE_QKV] = &r->pct_time_qkv,
                                           [QB_PHASE_ROPE] = &r->pct_time_rope,
                                           [QB_PHASE_ATTENTION] = &r->pct_time_attention,
                                           [QB_PHASE_ATTN_OUTPUT] = &r->pct_time_attn_output,
                                           [QB_PHASE_GATE_UP] = &r->pct_time_gate_up,
                                           [QB_PHASE_DOWN] = &r->pct_time_down,
                                           [QB_PHASE_HEAD] = &r->pct_time_head};
    uint64_t sum = 0;
    for (int i = 0; i < QB_PHASE_COUNT; i++)
        sum += v->trial->phase_ns[i];
    for (int i = 0; i < QB_PHASE_COUNT && sum > 0; i++)
        *share[i] = 100.0 * (double)v->trial->phase_ns[i] / (double)sum;
}

/* A variant that was not loaded: what the forecast knows. */
static enum qb_status fill_forecast(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    const struct qb_forecast *f = v->specimen->forecast;
    char text[160];
    if (!f)
        return QB_OK;
    snprintf(text, sizeof text, "%s %s %s", f->hp.arch, qb_hparams_size_class(&f->hp),
             f->ftype ? f->ftype->display : "?");
    r->model_size = (int64_t)f->tensor_bytes;
    r->model_n_params = (int64_t)f->n_params;
    return qb_record_text(&r->model_type, text, err);
}

static uint64_t macs_of(const struct view *v)
{
    const struct qb_test *t = &v->kase->test;
    const struct qb_work *w = &v->specimen->work;
    uint64_t n = (uint64_t)(t->n_prompt + t->n_gen), batch = (uint64_t)v->config->n_batch;
    uint64_t with_logits = ((uint64_t)t->n_prompt + batch - 1) / batch + (uint64_t)t->n_gen;
    return n * (w->macs_token - w->macs_last) + with_logits * (w->macs_last + w->macs_output);
}

/* The mean roof around the samples: on a shared machine it moves, and a share of it should not. */
static double roof_then(const struct view *v, double sum, double at_start)
{
    return v->trial->n && sum > 0 ? sum / (2 * (double)v->trial->n) : at_start;
}

static enum qb_status fill_roof(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    enum qb_isa isa = qb_lab_isa(v->variant);
    const struct qb_test *t = &v->kase->test;
    const struct qb_roof *roof = &v->crew->roof[isa];
    if (!v->crew->has_roof[isa])
        return QB_OK;
    int cls = v->specimen->work.cls;
    r->read_gbs = roof_then(v, v->trial->sum_read_gbs, roof->read_gbs);
    r->macs = (int64_t)macs_of(v);
    r->peak_gmacs = roof->gmacs[cls] > 0 ? roof_then(v, v->trial->sum_peak_gmacs, roof->gmacs[cls]) : NAN;
    if (r->avg_ns != QB_ABSENT_INT && r->avg_ns > 0)
        r->pct_peak = 100.0 * (double)r->macs / (double)r->avg_ns / r->peak_gmacs;
    if (t->n_gen && t->n_prompt == 0) {
        double context = (double)t->n_depth + (double)(t->n_gen + 1) / 2;
        r->bytes_read = (int64_t)(v->specimen->work.bytes_token +
                                  qb_kv_read_bytes(&v->specimen->model->hp, v->config->type_k,
                                                   v->config->type_v, context));
        r->pct_bandwidth = 100.0 * (double)r->bytes_read * r->avg_ts / 1e9 / r->read_gbs;
    }
    return qb_record_text(&r->peak_class, qb_peak_class_name((enum qb_peak_class)cls), err);
}

static void rates(const struct qb_lab *l, size_t c, double *out)
{
    const struct qb_test *t = &l->suite->cases[c].test;
    for (size_t i = 0; i < l->trials[c].n; i++)
        out[i] = (double)(t->n_prompt + t->n_gen) * 1e9 / l->trials[c].ns[i];
}

static enum qb_status fill_samples(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    size_t n = v->trial->n;
    if (n == 0)
        return QB_OK;
    QB_TRY(qb_calloc((void **)&r->samples_ns.v, n, sizeof(double), "the samples", err));
    QB_TRY(qb_calloc((void **)&r->samples_ts.v, n, sizeof(double), "the samples", err));
    r->samples_ns.n = r->samples_ts.n = n;
    memcpy(r->samples_ns.v, v->trial->ns, n * sizeof(double));
    rates(v->lab, v->c, r->samples_ts.v);
    struct qb_summary s;
    QB_TRY(qb_stats_summary(&s, r->samples_ts.v, n, (uint64_t)v->lab->options->seed, err));
    double std_ns = qb_stats_std(r->samples_ns.v, n);
    r->rounds = (int64_t)n;
    r->avg_ns = (int64_t)llround(qb_stats_mean(r->samples_ns.v, n));
    r->stddev_ns = n > 1 ? (int64_t)llround(std_ns) : 0;
    r->avg_ts = s.mean;
    r->stddev_ts = n > 1 ? s.std : 0;
    r->median_ts = s.median;
    r->ci_low_ts = s.ci_low;
    r->ci_high_ts = s.ci_high;
    return qb_record_text(&r->test_time, v->trial->test_time, err);
}

static bool same_weights(const struct view *a, const struct view *b)
{
    const struct qb_forecast *x = a->specimen->forecast, *y = b->specimen->forecast;
    if (a->variant->shape && b->variant->shape)
        return true; /* qb_cases_comparable has compared the names */
    return x && y && !strcmp(x->hp.arch, y->hp.arch) && x->n_params == y->n_params;
}

size_t qb_baseline_case(const struct qb_lab *l, size_t c)
{
    struct view mine = view_of(l, c);
    for (size_t b = 0; b < l->suite->n_cases; b++) {
        struct view v = view_of(l, b);
        const struct qb_ftype *f = ftype_of(&v);
        if (f && !strcmp(f->name, "Q4_0") && v.variant->layout == QB_LAYOUT_PLAIN &&
            qb_cases_comparable(l->suite, b, c) && same_weights(&mine, &v))
            return b;
    }
    return SIZE_MAX;
}

/* Rounds that both cases have, rates side by side. Rounds of different groups are not the same rounds. */
static size_t pair_up(const struct qb_lab *l, size_t a, size_t b, double *x, double *y)
{
    size_t n = 0;
    rates(l, a, x);
    rates(l, b, y);
    for (size_t i = 0; i < l->trials[a].n; i++)
        for (size_t k = 0; k < l->trials[b].n; k++)
            if (l->trials[a].round[i] == l->trials[b].round[k]) {
                x[n] = x[i];
                y[n++] = y[k];
                break;
            }
    return n;
}

enum qb_status qb_fill_baseline(struct qb_record *r, const struct qb_lab *l, size_t c, struct qb_err *err)
{
    size_t b = qb_baseline_case(l, c);
    if (b == SIZE_MAX || l->trials[c].n == 0 || l->trials[b].n == 0 || qb_lab_reason(l, b) ||
        qb_lab_reason(l, c))
        return QB_OK;
    bool paired = l->trials[b].group == l->trials[c].group;
    size_t most = (size_t)l->suite->max_rounds;
    double *x = NULL;
    QB_TRY(qb_calloc((void **)&x, 2 * most, sizeof *x, "the comparison", err));
    double *y = x + most;
    size_t nx = l->trials[c].n, ny = l->trials[b].n;
    if (paired) {
        nx = ny = pair_up(l, c, b, x, y);
    } else {
        rates(l, c, x);
        rates(l, b, y);
    }
    struct qb_ratio ratio;
    enum qb_status st = qb_stats_ratio(&ratio, x, nx, y, ny, paired, (uint64_t)l->options->seed, err);
    free(x);
    if (st || nx == 0)
        return st;
    r->vs_baseline = 100 * ratio.ratio;
    r->vs_baseline_low = 100 * ratio.low;
    r->vs_baseline_high = 100 * ratio.high;
    return qb_record_text(&r->baseline, paired ? "paired" : "unpaired", err);
}

/* Machine, build tools and options; not the commit, so that a history of commits shares it. */
static enum qb_status fill_fingerprint(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    const char *parts[] = {r->cpu_info, r->topology,   r->microcode, r->governor,   r->os,
                           r->compiler, r->build_type, r->isa,       r->variant,    r->model_hash,
                           r->test,     r->type_k,     r->type_v,    r->thread_map, r->numa,
                           r->cpu_mask, r->huge_pages, r->load_mode, r->layout,     r->model_source};
    char numbers[128], text[24];
    snprintf(numbers, sizeof numbers, "%d %d %d %d %lld %d %g", v->config->n_batch, v->config->n_ubatch,
             v->config->n_threads, v->config->n_threads_batch, (long long)r->seed, (int)r->warmup,
             v->lab->machine->cpu_quota);
    struct qb_buf b;
    qb_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < QB_ARRAY_LEN(parts); i++)
        qb_buf_printf(&b, "%s\n", parts[i] ? parts[i] : "");
    qb_buf_puts(&b, numbers);
    enum qb_status st = qb_buf_status(&b, "the fingerprint", err);
    if (!st) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)XXH3_64bits(b.data, b.len));
        st = qb_record_text(&r->fingerprint, text, err);
    }
    qb_buf_release(&b);
    return st;
}

static enum qb_status fill_status(struct qb_record *r, const struct view *v, struct qb_err *err)
{
    const char *reason = qb_lab_reason(v->lab, v->c);
    char text[96];
    if (reason) {
        QB_TRY(qb_record_text(&r->status, "failed", err));
        return qb_record_text(&r->reason, reason, err);
    }
    int64_t wanted = v->lab->suite->rounds;
    if ((int64_t)v->trial->n < wanted) {
        snprintf(text, sizeof text, "interrupted after %zu of %lld rounds", v->trial->n, (long long)wanted);
        QB_TRY(qb_record_text(&r->status, "unconverged", err));
        return qb_record_text(&r->reason, text, err);
    }
    if (v->trial->unconverged) {
        snprintf(text, sizeof text, "the interval is wider than +-%g %% after %zu rounds",
                 v->lab->options->ci_target, v->trial->n);
        QB_TRY(qb_record_text(&r->status, "unconverged", err));
        return qb_record_text(&r->reason, text, err);
    }
    return qb_record_text(&r->status, "ok", err);
}

enum qb_status qb_fill_record(struct qb_record *r, const struct qb_lab *l, size_t c, struct qb_err *err)
{
    struct view v = view_of(l, c);
    QB_TRY(fill_build(r, err));
    QB_TRY(fill_machine(r, l->machine, err));
    QB_TRY(fill_options(r, &v, err));
    QB_TRY(fill_source(r, &v, err));
    QB_TRY(fill_status(r, &v, err));
    fill_profile(r, &v);
    QB_TRY(v.specimen->model ? fill_model(r, &v, err) : fill_forecast(r, &v, err));
    if (!qb_lab_reason(l, c)) {
        QB_TRY(fill_samples(r, &v, err));
        QB_TRY(fill_roof(r, &v, err));
    }
    /* what the models took, not the block that the bandwidth is measured on */
    uint64_t peak_rss = qb_mem_peak_rss(), gauge = qb_lab_gauge_bytes(l);
    r->peak_rss = (int64_t)(peak_rss > gauge ? peak_rss - gauge : 0);
    return fill_fingerprint(r, &v, err);
}

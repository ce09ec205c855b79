/*
 * Groups, warm-up, rounds.
 */
#include "bench/measure.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench/commands.h"
#include "bench/progress.h"
#include "bench/stats.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOTE_NS 500000000ull

/* A filled row whose baseline is perhaps not measured yet. */
struct held {
    struct qb_record record;
    size_t c;
};

struct run {
    struct qb_lab *lab;
    const struct qb_measure_sink *sink;
    struct qb_progress progress;
    size_t from, to; /* variants of the group */
    size_t *order;   /* its cases */
    size_t n_order;
    struct qb_rng rng;
    int64_t round;
    int group;
    struct held *held; /* one a case; rows leave in the order of the table */
    size_t n_held, n_sent;
    size_t n_failed;
    uint64_t note_ns; /* of the last note about quantizing */
};

size_t qb_measure_group_end(const struct qb_lab *l, size_t from)
{
    uint64_t budget = qb_mem_available(), sum = 0, wanted = (uint64_t)l->options->max_memory << 20;
    budget -= budget / 10;
    budget = wanted && wanted < budget ? wanted : budget;
    size_t v = from;
    for (; v < l->suite->n_variants; v++) {
        sum += qb_lab_variant_bytes(l, v);
        if (sum > budget && v > from)
            break;
    }
    return v;
}

static const struct qb_variant *variant_of(const struct qb_lab *l, size_t c)
{
    return &l->suite->variants[l->suite->configs[l->suite->cases[c].config].variant];
}

static void describe(const struct run *r, size_t c, const char *verb, char *out, size_t size)
{
    char test[64];
    const struct qb_variant *v = variant_of(r->lab, c);
    qb_test_name(&r->lab->suite->cases[c].test, test, sizeof test);
    snprintf(out, size, "%s %.60s %s", verb, v->name[0] ? v->name : v->source, test);
}

static void fail_case(struct run *r, size_t c, const char *reason)
{
    snprintf(r->lab->trials[c].reason, sizeof r->lab->trials[c].reason, "%s", reason);
}

static void rest(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (seconds > 0)
        nanosleep(&t, NULL);
}

/* One untimed run of every case; it also tells how long the rest will take. */
static void warm_up(struct run *r)
{
    const struct qb_suite *s = r->lab->suite;
    for (size_t i = 0; i < r->n_order && !qb_interrupted(); i++) {
        size_t c = r->order[i];
        char what[160];
        struct qb_err err = {0};
        if (qb_lab_reason(r->lab, c))
            continue;
        describe(r, c, "warming up", what, sizeof what);
        qb_progress_note(&r->progress, what);
        enum qb_status st = qb_lab_run(r->lab, c, true, &r->lab->trials[c].estimate_ns, &err);
        if (st && st != QB_ERR_INTERRUPTED)
            fail_case(r, c, err.message);
        r->progress.total += r->lab->trials[c].estimate_ns * (double)s->rounds;
    }
}

/* What the machine can do at this moment. */
static void probe_roof(const struct run *r, size_t c, double *gmacs, double *read_gbs)
{
    const struct qb_variant *v = variant_of(r->lab, c);
    struct qb_gauge *g = &qb_lab_crew_of(r->lab, c)->gauge;
    enum qb_isa isa = qb_lab_isa(v);
    *gmacs += qb_gauge_probe(g, isa, r->lab->specimens[v - r->lab->suite->variants].work.cls);
    if (g->block.data && r->lab->suite->cases[c].test.n_gen > 0)
        *read_gbs += qb_gauge_probe(g, isa, QB_PEAK_READ);
}

static void time_case(struct run *r, size_t c)
{
    struct qb_trial *t = &r->lab->trials[c];
    double gmacs = 0, read_gbs = 0;
    struct qb_err err = {0};
    double ns = 0;
    t->group = r->group;
    if (t->n == 0)
        qb_time_rfc3339(t->test_time, sizeof t->test_time);
    rest(r->lab->options->delay);
    probe_roof(r, c, &gmacs, &read_gbs);
    enum qb_status st = qb_lab_run(r->lab, c, false, &ns, &err);
    if (st == QB_OK) {
        probe_roof(r, c, &gmacs, &read_gbs);
        t->sum_peak_gmacs += gmacs;
        t->sum_read_gbs += read_gbs;
        t->round[t->n] = r->round;
        t->ns[t->n++] = ns;
    } else if (st != QB_ERR_INTERRUPTED) {
        fail_case(r, c, err.message);
    }
}

static void one_round(struct run *r)
{
    qb_rng_shuffle(&r->rng, r->order, r->n_order, sizeof *r->order);
    for (size_t i = 0; i < r->n_order && !qb_interrupted(); i++) {
        char what[160];
        if (qb_lab_reason(r->lab, r->order[i]))
            continue;
        describe(r, r->order[i], "timing", what, sizeof what);
        qb_progress_step(&r->progress, r->lab->trials[r->order[i]].estimate_ns, what);
        time_case(r, r->order[i]);
    }
}

/* Is the interval of every case as narrow as asked? Marks those that are not. */
static bool converged(struct run *r)
{
    bool all = true;
    for (size_t i = 0; i < r->n_order; i++) {
        struct qb_trial *t = &r->lab->trials[r->order[i]];
        struct qb_summary sum;
        if (qb_lab_reason(r->lab, r->order[i]) ||
            qb_stats_summary(&sum, t->ns, t->n, (uint64_t)r->lab->options->seed, NULL) != QB_OK)
            continue;
        t->unconverged = !((sum.ci_high - sum.ci_low) / 2 <= sum.mean * r->lab->options->ci_target / 100);
        all = all && !t->unconverged;
    }
    return all;
}

static void rounds(struct run *r)
{
    const struct qb_suite *s = r->lab->suite;
    for (r->round = 0; r->round < s->max_rounds && !qb_interrupted(); r->round++) {
        if (r->round >= s->rounds && converged(r))
            return;
        one_round(r);
    }
    if (r->lab->options->ci_target > 0)
        converged(r);
}

static void profile(struct run *r)
{
    for (size_t i = 0; i < r->n_order && !qb_interrupted(); i++) {
        struct qb_err err = {0};
        if (qb_lab_reason(r->lab, r->order[i]))
            continue;
        enum qb_status st = qb_lab_profile(r->lab, r->order[i], &err);
        if (st && st != QB_ERR_INTERRUPTED)
            fail_case(r, r->order[i], err.message);
    }
}

static void verify_threads(struct qb_lab *l)
{
    for (size_t i = 0; i < l->n_crews; i++) {
        struct qb_buf where;
        qb_buf_init(&where, 4096);
        if (!qb_pool_verify(l->crews[i].pool, &where) && !l->crews[i].moved) {
            l->crews[i].moved = true;
            qb_warn("a thread did not run where it was bound: %s", where.len ? where.data : "?");
        }
        qb_buf_release(&where);
    }
}

static void choose_cases(struct run *r)
{
    const struct qb_suite *s = r->lab->suite;
    r->n_order = 0;
    for (size_t c = 0; c < s->n_cases; c++) {
        size_t v = s->configs[s->cases[c].config].variant;
        if (v >= r->from && v < r->to)
            r->order[r->n_order++] = c;
    }
}

static void note_quantizing(void *arg, double share, const char *tensor)
{
    struct run *r = arg;
    char what[160];
    uint64_t now = qb_now_ns();
    if (now - r->note_ns < NOTE_NS)
        return;
    r->note_ns = now;
    snprintf(what, sizeof what, "quantizing %.64s, %.0f %%", tensor, 100 * share);
    qb_progress_note(&r->progress, what);
}

static void load_group(struct run *r)
{
    qb_lab_quantize(r->lab, r->from, r->to, note_quantizing, r);
    for (size_t v = r->from; v < r->to && !qb_interrupted(); v++) {
        char what[160];
        const struct qb_variant *variant = &r->lab->suite->variants[v];
        snprintf(what, sizeof what, "loading %.60s %.60s", variant->source, variant->name);
        if (!r->lab->specimens[v].reason[0])
            qb_progress_note(&r->progress, what);
        qb_lab_load(r->lab, v, v + 1);
    }
}

/* Is there nothing left to measure that this row is compared with? */
static bool baseline_is_done(const struct run *r, size_t c)
{
    const struct qb_suite *s = r->lab->suite;
    size_t b = qb_baseline_case(r->lab, c);
    return b == SIZE_MAX || s->configs[s->cases[b].config].variant < r->to;
}

static enum qb_status send_rows(struct run *r, bool all, struct qb_err *err)
{
    for (; r->n_sent < r->n_held; r->n_sent++) {
        struct held *h = &r->held[r->n_sent];
        if (!all && !baseline_is_done(r, h->c))
            return QB_OK;
        QB_TRY(qb_fill_baseline(&h->record, r->lab, h->c, err));
        QB_TRY(r->sink->row(r->sink->arg, &h->record, err));
    }
    return QB_OK;
}

static enum qb_status hold_rows(struct run *r, struct qb_err *err)
{
    choose_cases(r); /* back in the order of the table */
    for (size_t i = 0; i < r->n_order; i++) {
        size_t c = r->order[i];
        bool failed = qb_lab_reason(r->lab, c) != NULL;
        if (!failed && r->lab->trials[c].n == 0)
            continue; /* interrupted before its first repetition */
        struct held *h = &r->held[r->n_held++];
        h->c = c;
        qb_record_init(&h->record);
        QB_TRY(qb_fill_record(&h->record, r->lab, c, err));
        r->n_failed += failed;
    }
    return send_rows(r, false, err);
}

static enum qb_status run_group(struct run *r, struct qb_err *err)
{
    choose_cases(r);
    load_group(r);
    if (r->lab->options->warmup)
        warm_up(r);
    rounds(r);
    if (r->lab->options->profile)
        profile(r);
    verify_threads(r->lab);
    qb_progress_end(&r->progress);
    enum qb_status st = hold_rows(r, err);
    qb_lab_unload(r->lab, r->from, r->to);
    return st;
}

static enum qb_status run_groups(struct run *r, struct qb_err *err)
{
    struct qb_lab *l = r->lab;
    for (r->from = 0; r->from < l->suite->n_variants; r->from = r->to) {
        r->to = qb_measure_group_end(l, r->from);
        if (r->from == 0 && r->to < l->suite->n_variants)
            qb_warn("the variants do not fit in memory together: only those of a group are timed in the same "
                    "rounds");
        qb_progress_init(&r->progress, l->options->progress, l->options->quiet);
        qb_mem_reset_peak_rss();
        QB_TRY(run_group(r, err));
        r->group++;
        if (qb_interrupted())
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted: the rows hold what was measured so far");
    }
    return QB_OK;
}

enum qb_status qb_measure(struct qb_lab *l, const struct qb_measure_sink *sink, size_t *n_failed,
                          struct qb_err *err)
{
    struct run r = {.lab = l, .sink = sink};
    *n_failed = 0;
    qb_rng_init(&r.rng, (uint64_t)l->options->seed, 3);
    QB_TRY(
        qb_calloc((void **)&r.order, l->suite->n_cases + 1, sizeof *r.order, "the order of the cases", err));
    enum qb_status st = qb_calloc((void **)&r.held, l->suite->n_cases + 1, sizeof *r.held, "the rows", err);
    if (!st)
        st = qb_lab_measure_roofs(l, err);
    if (!st)
        st = run_groups(&r, err);
    qb_progress_end(&r.progress);
    if (!st || st == QB_ERR_INTERRUPTED) {
        enum qb_status sent = send_rows(&r, true, st ? NULL : err);
        st = st ? st : sent;
    }
    for (size_t i = 0; i < r.n_held; i++)
        qb_record_release(&r.held[i].record);
    free(r.held);
    free(r.order);
    *n_failed = r.n_failed;
    return st;
}

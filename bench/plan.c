/*
 * The plan of a run. Times are estimated from the measured roof with the shares of it that good kernels
 * reach.
 */
#include "bench/plan.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "datasets/shapes.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_OF_PEAK      0.5
#define SHARE_OF_BANDWIDTH 0.7
#define WARM_UP_PART       0.7 /* of a repetition, on average */

static double estimate_s(const struct qb_lab *l, size_t c)
{
    const struct qb_case *k = &l->suite->cases[c];
    const struct qb_config *config = &l->suite->configs[k->config];
    const struct qb_variant *v = &l->suite->variants[config->variant];
    const struct qb_forecast *f = l->specimens[config->variant].forecast;
    enum qb_isa isa = qb_lab_isa(v);
    const struct qb_roof *pp = &qb_lab_crew(l, config->n_threads_batch)->roof[isa];
    const struct qb_roof *tg = &qb_lab_crew(l, config->n_threads)->roof[isa];
    if (!f || pp->gmacs[QB_PEAK_INT8] <= 0 || tg->read_gbs <= 0)
        return NAN;
    double prompt = (double)(k->test.n_prompt + k->test.n_depth) * (double)f->macs_token / 1e9;
    double gen = (double)k->test.n_gen * (double)f->bytes_token / 1e9;
    return prompt / (pp->gmacs[QB_PEAK_INT8] * SHARE_OF_PEAK) + gen / (tg->read_gbs * SHARE_OF_BANDWIDTH);
}

static const struct qb_column plan_columns[] = {
    {"model", QB_VALUE_TEXT, 0, 0},      {"variant", QB_VALUE_TEXT, 0, 0},
    {"size", QB_VALUE_INT, 0, 0},        {"memory", QB_VALUE_INT, 0, 0},
    {"threads", QB_VALUE_INT, 0, 0},     {"threads_batch", QB_VALUE_INT, 0, 0},
    {"thread_map", QB_VALUE_TEXT, 0, 0}, {"isa", QB_VALUE_TEXT, 0, 0},
    {"test", QB_VALUE_TEXT, 0, 0},       {"group", QB_VALUE_INT, 0, 0},
    {"rounds", QB_VALUE_INT, 0, 0},      {"seconds", QB_VALUE_REAL, 1, 0},
    {"reason", QB_VALUE_TEXT, 0, 0},
};

static enum qb_status print_case(struct qb_writer *w, const struct qb_lab *l, size_t c, int group,
                                 double *total, struct qb_err *err)
{
    const struct qb_suite *s = l->suite;
    const struct qb_config *config = &s->configs[s->cases[c].config];
    const struct qb_variant *v = &s->variants[config->variant];
    const struct qb_specimen *x = &l->specimens[config->variant];
    const struct qb_crew *crew = qb_lab_crew(l, config->n_threads);
    bool md = w->ops == qb_writer_ops_get(QB_WRITER_MD);
    char test[64], size[32] = "-", memory[32] = "-";
    qb_test_name(&s->cases[c].test, test, sizeof test);
    uint64_t bytes = qb_lab_variant_bytes(l, config->variant);
    double seconds = estimate_s(l, c) * ((double)s->rounds + (l->options->warmup ? WARM_UP_PART : 0));
    *total += seconds == seconds ? seconds : 0;
    if (x->forecast) {
        qb_size_text(x->forecast->tensor_bytes, size, sizeof size);
        qb_size_text(bytes, memory, sizeof memory);
    }
    const struct qb_value none = {.kind = QB_VALUE_NULL};
    const char *name = v->name[0]                          ? v->name
                       : x->forecast && x->forecast->ftype ? x->forecast->ftype->name
                                                           : "?";
    struct qb_value row[] = {
        qb_text(v->source),
        qb_text(name),
        !x->forecast ? none
        : md         ? qb_text(size)
                     : qb_int((int64_t)x->forecast->tensor_bytes),
        !x->forecast ? none
        : md         ? qb_text(memory)
                     : qb_int((int64_t)bytes),
        qb_int(config->n_threads),
        qb_int(config->n_threads_batch),
        qb_text(crew->map.len ? crew->map.data : NULL),
        qb_text(qb_isa_name(qb_lab_isa(v))),
        qb_text(test),
        qb_int(group),
        qb_int(s->rounds),
        qb_real(seconds),
        qb_text(x->reason[0] ? x->reason : NULL),
    };
    return qb_writer_row(w, row, err);
}

static enum qb_status print_cases(struct qb_writer *w, const struct qb_lab *l, double *total,
                                  struct qb_err *err)
{
    size_t end = qb_measure_group_end(l, 0);
    int group = 1;
    for (size_t c = 0; c < l->suite->n_cases; c++) {
        size_t v = l->suite->configs[l->suite->cases[c].config].variant;
        if (v >= end) {
            end = qb_measure_group_end(l, v);
            group++;
        }
        QB_TRY(print_case(w, l, c, group, total, err));
    }
    return QB_OK;
}

enum qb_status qb_plan_print(struct qb_lab *l, enum qb_writer_id id, FILE *out, struct qb_err *err)
{
    double total = 0;
    struct qb_writer w;
    QB_TRY(qb_lab_measure_roofs(l, err));
    enum qb_status st = qb_writer_begin(&w, id, out, "plan", plan_columns, QB_ARRAY_LEN(plan_columns), err);
    if (!st)
        st = print_cases(&w, l, &total, err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    char available[32];
    qb_size_text(qb_mem_available(), available, sizeof available);
    qb_info("%zu rows, about %.0f s, %s of memory available; nothing was timed", l->suite->n_cases, total,
            available);
    return st ? st : end;
}

enum qb_status qb_plan_shapes(enum qb_writer_id id, FILE *out, struct qb_err *err)
{
    static const struct qb_column columns[] = {
        {"shape", QB_VALUE_TEXT, 0, 0}, {"architecture", QB_VALUE_TEXT, 0, 0},
        {"params", QB_VALUE_INT, 0, 0}, {"layers", QB_VALUE_INT, 0, 0},
        {"width", QB_VALUE_INT, 0, 0},  {"aliases", QB_VALUE_TEXT, 0, 0}};
    struct qb_shape *shapes = NULL;
    size_t n = 0;
    QB_TRY(qb_shapes_load(&shapes, &n, err));
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, id, out, "shapes", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < n && !st; i++) {
        const struct qb_shape *s = &shapes[i];
        char aliases[256] = "";
        for (int a = 0; a < s->n_aliases; a++)
            snprintf(aliases + strlen(aliases), sizeof aliases - strlen(aliases), "%s%s", a ? " " : "",
                     s->aliases[a]);
        struct qb_value row[] = {qb_text(s->name),   qb_text(s->arch),  qb_int((int64_t)s->n_params),
                                 qb_int(s->n_layer), qb_int(s->n_embd), qb_text(aliases)};
        st = qb_writer_row(&w, row, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    free(shapes);
    return st ? st : end;
}

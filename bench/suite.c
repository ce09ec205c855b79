/*
 * The expansion of lists to a matrix, in the order of the table: model, format, instruction set, parameters,
 * test.
 */
#include "bench/suite.h"
#include "base/mem.h"
#include "bench/ftype_list.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qb_test_name(const struct qb_test *t, char *out, size_t size)
{
    char depth[32] = "";
    if (t->n_depth)
        snprintf(depth, sizeof depth, " @ d%lld", (long long)t->n_depth);
    if (t->n_prompt && t->n_gen)
        snprintf(out, size, "pp%lld+tg%lld%s", (long long)t->n_prompt, (long long)t->n_gen, depth);
    else if (t->n_prompt)
        snprintf(out, size, "pp%lld%s", (long long)t->n_prompt, depth);
    else
        snprintf(out, size, "tg%lld%s", (long long)t->n_gen, depth);
}

/* Append one element of `size` bytes; items grows by doubling. */
static enum qb_status append(void **items, size_t *n, size_t size, const void *item, struct qb_err *err)
{
    if ((*n & (*n - 1)) == 0) { /* 0 or a power of two: full */
        void *more = realloc(*items, (*n ? 2 * *n : 1) * size);
        if (!more)
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu cases", *n + 1);
        *items = more;
    }
    memcpy((char *)*items + *n * size, item, size);
    ++*n;
    return QB_OK;
}

enum qb_status qb_variant_parse(struct qb_variant *v, const char *text, enum qb_layout_id layout,
                                struct qb_err *err)
{
    const char *at = strchr(text, '@');
    int len = at ? (int)(at - text) : (int)strlen(text);
    char name[40];
    if (len == 0 || len >= (int)sizeof name)
        return qb_fail(err, QB_ERR_USAGE, "unknown file type '%s'", text);
    snprintf(name, sizeof name, "%.*s", len, text);
    QB_TRY(qb_ftype_parse(&v->ftype, name, err));
    v->layout = v->ftype->layout != QB_LAYOUT_PLAIN ? v->ftype->layout : layout;
    if (at && !qb_layout_parse(at + 1, &v->layout))
        return qb_fail(err, QB_ERR_USAGE, "unknown layout '%s' in '%s'", at + 1, text);
    bool named = v->ftype->layout == v->layout; /* plain, or what the historical name says anyway */
    snprintf(v->name, sizeof v->name, "%s%s%s", v->ftype->name, named ? "" : "@",
             named ? "" : qb_layout_name(v->layout));
    return QB_OK;
}

/* One list value that every variant needs. */
struct variant_base {
    const char *source;
    enum qb_layout_id layout;
    enum qb_isa isa;
    bool imatrix_mix;
};

static enum qb_status add_variant(struct qb_suite *s, const struct variant_base *b, const char *format,
                                  struct qb_err *err)
{
    struct qb_variant v = {.source = b->source,
                           .shape = !strncmp(b->source, "shape:", 6),
                           .layout = b->layout,
                           .isa = b->isa,
                           .imatrix_mix = b->imatrix_mix};
    if (format)
        QB_TRY(qb_variant_parse(&v, format, b->layout, err));
    return append((void **)&s->variants, &s->n_variants, sizeof v, &v, err);
}

static enum qb_status add_model(struct qb_suite *s, const struct qb_bench_options *o, struct variant_base b,
                                struct qb_err *err)
{
    for (size_t k = 0; k < o->isa.n; k++) {
        if (!qb_isa_parse(o->isa.items[k], &b.isa))
            return qb_fail(err, QB_ERR_USAGE, "option '--isa': unknown instruction set '%s'",
                           o->isa.items[k]);
        if (o->formats.n == 0)
            QB_TRY(add_variant(s, &b, NULL, err));
        for (size_t f = 0; f < o->formats.n; f++)
            QB_TRY(add_variant(s, &b, o->formats.items[f], err));
    }
    return QB_OK;
}

static enum qb_status add_variants(struct qb_suite *s, const struct qb_bench_options *o, struct qb_err *err)
{
    enum qb_layout_id layout = QB_LAYOUT_PLAIN;
    if (o->layout && !qb_layout_parse(o->layout, &layout))
        return qb_fail(err, QB_ERR_USAGE, "option '--layout': unknown layout '%s'", o->layout);
    for (size_t i = 0; i < o->models.n; i++) {
        struct variant_base b = {
            .source = o->models.items[i], .layout = layout, .imatrix_mix = o->imatrix_mix};
        QB_TRY(add_model(s, o, b, err));
    }
    return QB_OK;
}

static enum qb_status parse_count(const char *text, int64_t *out, struct qb_err *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < 0 || v > 1000000000)
        return qb_fail(err, QB_ERR_USAGE, "option '-pg': '%s' is not a number of tokens", text);
    *out = v;
    return QB_OK;
}

static enum qb_status add_case(struct qb_suite *s, int64_t p, int64_t n, int64_t d, struct qb_err *err)
{
    struct qb_case c = {s->n_configs - 1, {p, n, d}};
    struct qb_config *config = &s->configs[c.config];
    if (p + n == 0)
        return QB_OK;
    config->n_ctx = config->n_ctx > p + n + d ? config->n_ctx : p + n + d;
    return append((void **)&s->cases, &s->n_cases, sizeof c, &c, err);
}

static enum qb_status add_tests(struct qb_suite *s, const struct qb_bench_options *o, struct qb_err *err)
{
    for (size_t d = 0; d < o->n_depth.n; d++) {
        int64_t depth = o->n_depth.items[d];
        for (size_t i = 0; i < o->n_prompt.n; i++)
            QB_TRY(add_case(s, o->n_prompt.items[i], 0, depth, err));
        for (size_t i = 0; i < o->n_gen.n; i++)
            QB_TRY(add_case(s, 0, o->n_gen.items[i], depth, err));
        for (size_t i = 0; i < o->pg.n; i += 2) {
            int64_t p = 0, n = 0;
            QB_TRY(parse_count(o->pg.items[i], &p, err));
            QB_TRY(parse_count(o->pg.items[i + 1], &n, err));
            QB_TRY(add_case(s, p, n, depth, err));
        }
    }
    return QB_OK;
}

static enum qb_status add_config(struct qb_suite *s, const struct qb_bench_options *o,
                                 const struct qb_config *c, struct qb_err *err)
{
    QB_TRY(append((void **)&s->configs, &s->n_configs, sizeof *c, c, err));
    return add_tests(s, o, err);
}

static enum qb_status parse_kv(const char *text, const char *option, enum qb_kv_type *out, struct qb_err *err)
{
    if (!qb_kv_type_parse(text, out))
        return qb_fail(err, QB_ERR_USAGE, "option '%s': unknown cache type '%s' (f16, q8_0, f32)", option,
                       text);
    return QB_OK;
}

/* Threads for generation and prompts: --threads-batch follows --threads where it is not given. */
static enum qb_status add_threads(struct qb_suite *s, const struct qb_bench_options *o, struct qb_config c,
                                  int default_threads, struct qb_err *err)
{
    for (size_t t = 0; t < o->threads.n; t++) {
        c.n_threads = o->threads.items[t] ? (int)o->threads.items[t] : default_threads;
        c.n_threads_batch = c.n_threads;
        if (o->threads_batch.n == 0)
            QB_TRY(add_config(s, o, &c, err));
        for (size_t b = 0; b < o->threads_batch.n; b++) {
            c.n_threads_batch = o->threads_batch.items[b] ? (int)o->threads_batch.items[b] : default_threads;
            QB_TRY(add_config(s, o, &c, err));
        }
    }
    return QB_OK;
}

static enum qb_status add_caches(struct qb_suite *s, const struct qb_bench_options *o, struct qb_config c,
                                 int default_threads, struct qb_err *err)
{
    for (size_t k = 0; k < o->type_k.n; k++)
        for (size_t v = 0; v < o->type_v.n; v++) {
            QB_TRY(parse_kv(o->type_k.items[k], "--cache-type-k", &c.type_k, err));
            QB_TRY(parse_kv(o->type_v.items[v], "--cache-type-v", &c.type_v, err));
            QB_TRY(add_threads(s, o, c, default_threads, err));
        }
    return QB_OK;
}

static enum qb_status add_configs(struct qb_suite *s, const struct qb_bench_options *o, size_t variant,
                                  int default_threads, struct qb_err *err)
{
    for (size_t b = 0; b < o->n_batch.n; b++)
        for (size_t u = 0; u < o->n_ubatch.n; u++) {
            struct qb_config c = {.variant = variant,
                                  .n_batch = (int)o->n_batch.items[b],
                                  .n_ubatch = (int)o->n_ubatch.items[u]};
            QB_TRY(add_caches(s, o, c, default_threads, err));
        }
    return QB_OK;
}

enum qb_status qb_suite_init(struct qb_suite *s, const struct qb_bench_options *o, int default_threads,
                             struct qb_err *err)
{
    *s = (struct qb_suite){.rounds = o->rounds, .max_rounds = o->max_rounds};
    enum qb_status st = add_variants(s, o, err);
    for (size_t v = 0; v < s->n_variants && !st; v++)
        st = add_configs(s, o, v, default_threads, err);
    if (st)
        qb_suite_release(s);
    return st;
}

void qb_suite_release(struct qb_suite *s)
{
    free(s->variants);
    free(s->configs);
    free(s->cases);
    *s = (struct qb_suite){0};
}

static bool same_model(const struct qb_variant *a, const struct qb_variant *b)
{
    if (a->isa != b->isa)
        return false;
    return !(a->shape && b->shape) ||
           !strcmp(a->source, b->source); /* files: measure.c compares what is in them */
}

bool qb_cases_comparable(const struct qb_suite *s, size_t a, size_t b)
{
    const struct qb_case *x = &s->cases[a], *y = &s->cases[b];
    const struct qb_config *c = &s->configs[x->config], *d = &s->configs[y->config];
    return same_model(&s->variants[c->variant], &s->variants[d->variant]) && c->n_batch == d->n_batch &&
           c->n_ubatch == d->n_ubatch && c->n_threads == d->n_threads &&
           c->n_threads_batch == d->n_threads_batch && c->type_k == d->type_k && c->type_v == d->type_v &&
           x->test.n_prompt == y->test.n_prompt && x->test.n_gen == y->test.n_gen &&
           x->test.n_depth == y->test.n_depth;
}

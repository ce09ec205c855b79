/*
 * Whole models against published logits and greedy tokens: tiny models of the part models/, with the
 * tolerances that its index states, and real models of the part real/.
 *
 * Files of the part real/ are looked for in QBENCH_REAL_MODELS and among the models of this source tree.
 */
#include "engine/arch.h"
#include "engine/session.h"
#include "tests/golden/golden.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 4
/* The index gives no limit for these, only a measured error; ours may not be much larger. */
#define KV_F16_NMSE  3e-6
#define KV_Q8_0_NMSE 5e-3
/* Stated in words by the part real/. */
#define REAL_F32_NMSE   1e-6
#define REAL_TIE_MARGIN 0.5
/*
 * Kernels with 8-bit activations on a real model: 1.25 times what the other engine loses. That figure is
 * relative to the sum of squares of the logits, not to their variance.
 */
#define REAL_8BIT_NMSE (1.25 * 5.3e-4)

/* ---- figures ---- */

struct figures {
    double nmse, max_abs, cosine_min, top1;
    double energy; /* squared error by the sum of squares */
};

struct limits {
    double nmse, max_abs, cosine_min, top1;
};

static struct figures compare(const float *a, const float *b, int64_t n_rows, int64_t n_vocab)
{
    struct figures f = {.cosine_min = 1};
    double num = 0, den = 0, squares = 0;
    int64_t same = 0;
    for (int64_t r = 0; r < n_rows; r++, a += n_vocab, b += n_vocab) {
        double mean = 0, aa = 0, bb = 0, ab = 0;
        int64_t best_a = 0, best_b = 0;
        for (int64_t i = 0; i < n_vocab; i++)
            mean += b[i] / (double)n_vocab;
        for (int64_t i = 0; i < n_vocab; i++) {
            double x = a[i], y = b[i];
            num += (x - y) * (x - y);
            den += (y - mean) * (y - mean);
            aa += x * x, bb += y * y, ab += x * y;
            squares += y * y;
            f.max_abs = fmax(f.max_abs, fabs(x - y));
            best_a = a[i] > a[best_a] ? i : best_a;
            best_b = b[i] > b[best_b] ? i : best_b;
        }
        f.cosine_min = fmin(f.cosine_min, ab / sqrt(aa * bb));
        same += best_a == best_b;
    }
    f.nmse = num / den;
    f.energy = num / squares;
    f.top1 = (double)same / (double)n_rows;
    return f;
}

/* The number after `sign` after `name` in a sentence ("nmse <= 1e-9 and ..."), or what holds without one. */
static double stated(const char *text, const char *name, const char *sign, double otherwise)
{
    char key[32];
    snprintf(key, sizeof key, "%s %s ", name, sign);
    const char *at = strstr(text, key);
    return at ? strtod(at + strlen(key), NULL) : otherwise;
}

static struct limits limits_of(const json_t *index, const char *key)
{
    const char *text = golden_string(json_object_get(index, "suggested_tolerances"), key);
    return (struct limits){stated(text, "nmse", "<=", 1e-9), stated(text, "max_abs", "<=", INFINITY),
                           stated(text, "cosine_min", ">=", 0), stated(text, "top1_agree", ">=", 0)};
}

/* A comparison that is not true of NaN. */
static bool within(const struct figures *f, const struct limits *l)
{
    return f->nmse <= l->nmse && f->max_abs <= l->max_abs && f->cosine_min >= l->cosine_min &&
           f->top1 >= l->top1;
}

/* ---- running a model ---- */

static struct qb_pool *pools[MAX_THREADS + 1];

static void make_pools(void)
{
    struct qb_topology *t = NULL;
    struct qb_err err = {0};
    if (qb_topology_create(&t, NULL, &err) != QB_OK)
        QB_BUG("%s", err.message);
    for (int n = 1; n <= MAX_THREADS; n++) {
        struct qb_placement p;
        struct qb_placement_options o = {.n_threads = n};
        if (qb_placement_init(&p, t, &o, &err) != QB_OK || qb_pool_create(&pools[n], &p, &err) != QB_OK)
            QB_BUG("%s", err.message);
        qb_placement_release(&p);
    }
    qb_topology_free(t);
}

/* One way to run a model. */
struct way {
    enum qb_isa isa;
    bool reference;
    enum qb_layout_id layout;
    enum qb_kv_type kv;
    int n_threads, n_ubatch, step; /* tokens a call */
};

struct runner {
    struct qb_kernel_set set;
    struct qb_model *model;
    struct qb_session *session;
};

static void way_text(const struct way *w, char *out, size_t size)
{
    snprintf(out, size, "%s%s %s kv %s, %d threads, ubatch %d, %d a call", qb_isa_name(w->isa),
             w->reference ? " reference" : "", qb_layout_name(w->layout), qb_kv_type_name(w->kv),
             w->n_threads, w->n_ubatch, w->step);
}

static bool runner_open(struct runner *r, const char *path, const struct way *w, struct qb_err *err)
{
    *r = (struct runner){0};
    enum qb_status st = w->reference ? qb_kernel_set_select_reference(&r->set, w->isa, err)
                                     : qb_kernel_set_select(&r->set, w->isa, err);
    struct qb_model_options mo = {.layout = w->layout, .set = &r->set, .pool = pools[w->n_threads]};
    if (st == QB_OK)
        st = qb_model_open(&r->model, path, &mo, err);
    struct qb_session_options so = {.set = &r->set,
                                    .pool = pools[w->n_threads],
                                    .n_ctx = 512,
                                    .n_batch = 512,
                                    .n_ubatch = w->n_ubatch,
                                    .type_k = w->kv,
                                    .type_v = w->kv};
    if (st == QB_OK)
        st = qb_session_create(&r->session, r->model, &so, err);
    return st == QB_OK;
}

static void runner_close(struct runner *r)
{
    qb_session_free(r->session);
    qb_model_close(r->model);
}

/* Logits of all tokens; NULL with a message on failure. Pair: free(). */
static float *run(const char *path, const struct way *w, const int32_t *tokens, int64_t n, int64_t n_vocab,
                  struct qb_err *err)
{
    struct runner r;
    bool ok = runner_open(&r, path, w, err);
    float *out = malloc((size_t)(n * n_vocab) * sizeof *out);
    if (ok && r.model->hp.n_vocab != n_vocab) {
        qb_fail(err, QB_ERR_CHECK, "the vocabulary has %d tokens", r.model->hp.n_vocab);
        ok = false;
    }
    for (int64_t i = 0; ok && i < n; i += w->step) {
        int64_t count = n - i < w->step ? n - i : w->step;
        ok = qb_session_eval(r.session, tokens + i, count, QB_LOGITS_ALL, out + i * n_vocab, err) == QB_OK;
    }
    runner_close(&r);
    if (ok)
        return out;
    free(out);
    return NULL;
}

/* ---- cases of the part models/ ---- */

struct ids {
    int32_t *v;
    int64_t n;
};

static struct ids read_ids(const json_t *o, const char *key)
{
    const json_t *a = json_object_get(o, key), *x;
    struct ids ids = {calloc(json_array_size(a) + 1, sizeof *ids.v), (int64_t)json_array_size(a)};
    size_t i;
    json_array_foreach(a, i, x) ids.v[i] = (int32_t)json_integer_value(x);
    return ids;
}

/* A model file with its prompt. */
struct subject {
    struct golden *g;
    const char *name;
    char path[GOLDEN_PATH + 256];
    struct ids prompt, greedy;
    int64_t n_vocab;
    const json_t *index;
};

/* n_rows rows of logits, NULL and a failed case when the file has another size. Pair: free(). */
static float *read_logits(struct golden *g, const char *file, int64_t n_rows, int64_t n_vocab)
{
    size_t n = 0;
    float *f = golden_read(g, file, &n);
    if (f && n == (size_t)(n_rows * n_vocab) * sizeof *f)
        return f;
    golden_fail(g, "'%s' does not hold %lld x %lld logits", file, (long long)n_rows, (long long)n_vocab);
    free(f);
    return NULL;
}

static bool check_way(const struct subject *s, const struct way *w, const float *want, const struct limits *l,
                      const char *against, struct figures *f)
{
    struct qb_err err = {0};
    char text[160];
    way_text(w, text, sizeof text);
    float *got = run(s->path, w, s->prompt.v, s->prompt.n, s->n_vocab, &err);
    if (!got) {
        golden_fail(s->g, "%s (%s): %s", s->name, text, err.message);
        return false;
    }
    *f = compare(got, want, s->prompt.n, s->n_vocab);
    free(got);
    if (within(f, l)) {
        golden_pass(s->g);
        return true;
    }
    golden_fail(s->g, "%s (%s) against %s: nmse %.3g (limit %.3g), max %.3g, cosine %.6f, same top %.3f",
                s->name, text, against, f->nmse, l->nmse, f->max_abs, f->cosine_min, f->top1);
    return false;
}

/* The next level that this machine runs, or one past the highest. */
static int next_isa(int isa)
{
    do
        isa++;
    while (isa < (int)qb_cpu_isa() && !qb_cpu_runs((enum qb_isa)isa));
    return isa;
}

/* Every ISA level, layout, kernels and reference path; then threads, micro-batches and tokens a call on the
 * best. */
static void check_ways(const struct subject *s, const float *want, const struct limits *l,
                       const char *against)
{
    struct figures f;
    for (int isa = 0; isa <= (int)qb_cpu_isa(); isa = next_isa(isa))
        for (int i = 0; i < 4; i++) {
            enum qb_layout_id layout = i % 2 ? QB_LAYOUT_R16 : QB_LAYOUT_PLAIN;
            check_way(s, &(struct way){(enum qb_isa)isa, i / 2, layout, QB_KV_F32, 1, 512, 512}, want, l,
                      against, &f);
        }
    const int ubatch[] = {1, 7, 512}, step[] = {512, 1, 5};
    for (int n = 1; n <= MAX_THREADS; n++)
        for (int i = 0; i < 3; i++)
            check_way(s, &(struct way){qb_cpu_isa(), false, QB_LAYOUT_R16, QB_KV_F32, n, ubatch[i], step[i]},
                      want, l, against, &f);
    check_way(s, &(struct way){qb_cpu_isa(), true, QB_LAYOUT_PLAIN, QB_KV_F32, 3, 512, 1}, want, l, against,
              &f);
}

static void check_cache_types(const struct subject *s, const json_t *m, const float *want,
                              const struct limits *l)
{
    const struct {
        enum qb_kv_type type;
        double nmse;
    } types[] = {{QB_KV_F16, KV_F16_NMSE}, {QB_KV_Q8_0, KV_Q8_0_NMSE}};
    struct figures f;
    int n_types = golden_int(m, "head_dim") % 32 == 0 ? 2 : 1;
    if (n_types == 1)
        golden_skip(s->g, "%s: heads of %d values do not fit in a q8_0 cache", s->name,
                    (int)golden_int(m, "head_dim"));
    for (int i = 0; i < n_types; i++)
        for (int isa = 0; isa <= (int)qb_cpu_isa(); isa = next_isa(isa))
            for (int step = 1; step <= 512; step += 511) {
                struct limits more = {l->nmse + types[i].nmse, INFINITY, 0, 0};
                check_way(
                    s, &(struct way){(enum qb_isa)isa, false, QB_LAYOUT_PLAIN, types[i].type, 1, 512, step},
                    want, &more, "f64", &f);
            }
}

static int32_t best_of(const float *logits, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

static bool generate(const struct subject *s, const struct way *w, int32_t *out, float *logits,
                     struct qb_err *err)
{
    struct runner r;
    bool ok = runner_open(&r, s->path, w, err) &&
              qb_session_eval(r.session, s->prompt.v, s->prompt.n, QB_LOGITS_LAST, NULL, err) == QB_OK;
    for (int64_t i = 0; ok && i < s->greedy.n; i++) {
        out[i] = best_of(qb_session_logits(r.session), s->n_vocab);
        ok = qb_session_eval(r.session, &out[i], 1, QB_LOGITS_LAST, logits ? logits + i * s->n_vocab : NULL,
                             err) == QB_OK;
    }
    runner_close(&r);
    return ok;
}

/* The greedy tokens of unquantized models must be equal, and the logits after each near. */
static void check_greedy(const struct subject *s, const char *file, const struct limits *l)
{
    struct qb_err err = {0};
    float *want = read_logits(s->g, file, s->greedy.n, s->n_vocab);
    float *got = malloc((size_t)(s->greedy.n * s->n_vocab) * sizeof *got);
    int32_t *tokens = calloc((size_t)s->greedy.n + 1, sizeof *tokens);
    for (int n = 1; want && n <= 2; n++) {
        struct way w = {qb_cpu_isa(), false, QB_LAYOUT_R16, QB_KV_F32, n, 512, 1};
        struct figures f = {0};
        bool ok = generate(s, &w, tokens, got, &err);
        if (ok)
            f = compare(got, want, s->greedy.n, s->n_vocab);
        if (!ok)
            golden_fail(s->g, "%s greedy: %s", s->name, err.message);
        else if (memcmp(tokens, s->greedy.v, (size_t)s->greedy.n * sizeof *tokens) != 0)
            golden_fail(s->g, "%s: other greedy tokens", s->name);
        else if (!(f.nmse <= l->nmse))
            golden_fail(s->g, "%s: greedy logits differ by nmse %.3g (limit %.3g)", s->name, f.nmse, l->nmse);
        else
            golden_pass(s->g);
    }
    free(want);
    free(got);
    free(tokens);
}

/* All decoded weights as floats, so every path is f32 throughout. */
static void check_float_model(const struct subject *s, const json_t *m)
{
    struct limits f64 = limits_of(s->index, "f32_activations_vs_f64_file");
    struct limits w32 = limits_of(s->index, "f32_activations_vs_w32_file");
    struct limits any = limits_of(s->index, "any_engine_vs_NAME.logits.f32");
    const struct {
        const char *file;
        const struct limits *limits;
    } others[] = {{golden_string(m, "w32_logits"), &w32}, {golden_string(m, "logits"), &any}};
    float *want = read_logits(s->g, golden_string(m, "f64_logits"), s->prompt.n, s->n_vocab);
    if (want) {
        check_ways(s, want, &f64, "f64");
        check_cache_types(s, m, want, &f64);
    }
    free(want);
    for (int i = 0; i < 2; i++) {
        struct figures f;
        want = read_logits(s->g, others[i].file, s->prompt.n, s->n_vocab);
        if (want)
            check_way(s, &(struct way){qb_cpu_isa(), true, QB_LAYOUT_PLAIN, QB_KV_F32, 2, 512, 512}, want,
                      others[i].limits, others[i].file, &f);
        free(want);
    }
    check_greedy(s, golden_string(m, "greedy_logits"), &w32);
}

static void check_quantized_ways(const struct subject *s, const json_t *q, const float *want)
{
    /* the index: "quantized_f32_activations_vs_deq": "same as f32 activations vs w32" */
    struct limits f32 = limits_of(s->index, "f32_activations_vs_w32_file");
    struct limits int8 = limits_of(s->index, "quantized_8bit_activations_vs_deq");
    double theirs = json_number_value(
        json_object_get(json_object_get(json_object_get(q, "agreement"), "act8_vs_deq"), "nmse"));
    double worst = 0;
    struct figures f;
    for (int isa = 0; isa <= (int)qb_cpu_isa(); isa = next_isa(isa))
        for (int layout = 0; layout < QB_LAYOUT_COUNT; layout++) {
            struct way w = {(enum qb_isa)isa, true, (enum qb_layout_id)layout, QB_KV_F32, 1, 512, 512};
            check_way(s, &w, want, &f32, "decoded weights", &f);
            w.reference = false;
            for (w.step = 1; w.step <= 512; w.step = w.step == 1 ? 3 : w.step == 3 ? 512 : 513)
                if (check_way(s, &w, want, &int8, "decoded weights", &f))
                    worst = fmax(worst, f.nmse);
        }
    printf("%s: 8-bit activations cost nmse %.3g, %.2f times the other engine's %.3g\n", s->name, worst,
           worst / theirs, theirs);
}

static bool formats_built(struct golden *g, const char *name, const json_t *types)
{
    const char *tensor;
    const json_t *t;
    json_object_foreach((json_t *)(uintptr_t)types, tensor, t) if (!qb_format_by_name(json_string_value(t)))
    {
        golden_skip(g, "%s: format %s is not built", name, json_string_value(t));
        return false;
    }
    return true;
}

static void check_quantized(const struct subject *model, const json_t *q)
{
    struct subject s = *model;
    char name[128];
    const char *file = golden_string(q, "file");
    snprintf(name, sizeof name, "%s %s", model->name, golden_string(q, "ftype"));
    s.name = name;
    if (!formats_built(s.g, name, json_object_get(q, "tensor_types")))
        return;
    if (!golden_path(s.g, file, s.path, sizeof s.path)) {
        golden_skip(s.g, "%s: no file '%s'", name, file);
        return;
    }
    float *want = read_logits(s.g, golden_string(q, "deq_logits"), s.prompt.n, s.n_vocab);
    if (want)
        check_quantized_ways(&s, q, want);
    free(want);
    golden_forget(s.g, file, s.path);
}

static bool read_case(struct subject *s, const char *file, const char *prompt, const char *greedy)
{
    json_t *tokens = golden_index(s->g, file);
    if (!tokens)
        return false;
    s->prompt = read_ids(tokens, prompt);
    s->greedy = read_ids(tokens, greedy);
    s->n_vocab = golden_int(tokens, "n_vocab");
    json_decref(tokens);
    return true;
}

static void forget_case(struct subject *s)
{
    free(s->prompt.v);
    free(s->greedy.v);
}

static void check_model(struct golden *g, const json_t *index, const json_t *m)
{
    struct subject s = {.g = g, .name = golden_string(m, "name"), .index = index};
    const char *file = golden_string(m, "file");
    const json_t *q;
    size_t i;
    if (!qb_arch_by_name(golden_string(m, "architecture")) ||
        json_object_get(json_object_get(m, "features"), "experts")) {
        golden_skip(g, "%s: architecture %s%s is not built", s.name, golden_string(m, "architecture"),
                    json_object_get(json_object_get(m, "features"), "experts") ? " with experts" : "");
        return;
    }
    if (!golden_path(g, file, s.path, sizeof s.path)) {
        golden_skip(g, "%s: no file '%s'", s.name, file);
        return;
    }
    if (read_case(&s, golden_string(m, "tokens"), "prompt", "greedy")) {
        check_float_model(&s, m);
        json_array_foreach(json_object_get(m, "quantized"), i, q) check_quantized(&s, q);
        forget_case(&s);
    }
    golden_forget(g, file, s.path);
}

/* A split set must give what the whole file gives. */
static void check_split(struct golden *g, const json_t *index)
{
    const json_t *split = json_object_get(index, "split"), *files = json_object_get(split, "files"), *m;
    const char *of = golden_string(split, "of"), *last = "";
    size_t i;
    if (!split)
        return;
    last = json_string_value(json_array_get(files, json_array_size(files) - 1));
    json_array_foreach(json_object_get(index, "models"), i, m)
    {
        if (strcmp(golden_string(m, "name"), of) != 0)
            continue;
        struct subject s = {.g = g, .name = "split", .index = index};
        struct limits l = limits_of(index, "f32_activations_vs_f64_file");
        struct figures f;
        snprintf(s.path, sizeof s.path, "%s/%s", g->dir, last ? last : "");
        if (!qb_arch_by_name(golden_string(m, "architecture")) || access(s.path, R_OK) != 0) {
            golden_skip(g, "split: %s is not there or not built", of);
            return;
        }
        if (!read_case(&s, golden_string(m, "tokens"), "prompt", "greedy"))
            return;
        float *want = read_logits(g, golden_string(m, "f64_logits"), s.prompt.n, s.n_vocab);
        if (want)
            check_way(&s, &(struct way){qb_cpu_isa(), false, QB_LAYOUT_R16, QB_KV_F32, 2, 512, 512}, want, &l,
                      "f64", &f);
        free(want);
        forget_case(&s);
    }
}

static int models_part(int argc, char **argv)
{
    struct golden g;
    const json_t *m;
    size_t i;
    if (!golden_open(&g, "models", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    json_array_foreach(json_object_get(index, "models"), i, m) check_model(&g, index, m);
    check_split(&g, index);
    json_decref(index);
    return golden_close(&g);
}

/* ---- the part real/ ---- */

/* Logits at some positions of the prompt: on the reference path, and on the kernels. */
static void check_real_logits(const struct subject *s, const json_t *m, const json_t *at, bool quantized)
{
    int64_t n = (int64_t)json_array_size(at);
    float *want = read_logits(s->g, golden_string(m, "logits"), n, s->n_vocab);
    for (int i = 0; want && i < 3; i++) {
        struct way w = {qb_cpu_isa(), i == 0, i == 2 ? QB_LAYOUT_R16 : QB_LAYOUT_PLAIN, QB_KV_F32, 2,
                        512,          512};
        double limit = w.reference || !quantized ? REAL_F32_NMSE : REAL_8BIT_NMSE;
        struct qb_err err = {0};
        float *got = run(s->path, &w, s->prompt.v, s->prompt.n, s->n_vocab, &err);
        if (!got) {
            golden_fail(s->g, "%s: %s", s->name, err.message);
            continue;
        }
        for (int64_t j = 0; j < n; j++)
            memmove(got + j * s->n_vocab,
                    got + json_integer_value(json_array_get(at, (size_t)j)) * s->n_vocab,
                    (size_t)s->n_vocab * sizeof *got);
        struct figures f = compare(got, want, n, s->n_vocab);
        double error = limit == REAL_8BIT_NMSE ? f.energy : f.nmse;
        free(got);
        printf("%s, %s %s: error %.3g (limit %.3g), nmse %.3g\n", s->name,
               w.reference ? "reference" : "kernels", qb_layout_name(w.layout), error, limit, f.nmse);
        if (error <= limit)
            golden_pass(s->g);
        else
            golden_fail(s->g, "%s: the logits differ by %.3g", s->name, error);
    }
    free(want);
}

/* Equal up to the first step at which the reference itself was near a tie. */
static void check_real_greedy(const struct subject *s, const json_t *margins, bool reference)
{
    struct way w = {qb_cpu_isa(), reference, QB_LAYOUT_R16, QB_KV_F32, 2, 512, 1};
    struct qb_err err = {0};
    int32_t *tokens = calloc((size_t)s->greedy.n + 1, sizeof *tokens);
    if (!generate(s, &w, tokens, NULL, &err)) {
        golden_fail(s->g, "%s greedy: %s", s->name, err.message);
        free(tokens);
        return;
    }
    int64_t i = 0;
    while (i < s->greedy.n && tokens[i] == s->greedy.v[i] &&
           json_number_value(json_array_get(margins, (size_t)i)) >= REAL_TIE_MARGIN)
        i++;
    bool tie = i < s->greedy.n && json_number_value(json_array_get(margins, (size_t)i)) < REAL_TIE_MARGIN;
    if (i == s->greedy.n || tie)
        golden_pass(s->g);
    else
        golden_fail(s->g, "%s: greedy token %lld is %d, not %d", s->name, (long long)i, (int)tokens[i],
                    (int)s->greedy.v[i]);
    free(tokens);
}

static bool is_quantized(const char *path)
{
    struct runner r;
    struct qb_err err;
    struct way w = {QB_ISA_AUTO, true, QB_LAYOUT_PLAIN, QB_KV_F32, 1, 1, 1};
    bool quantized = runner_open(&r, path, &w, &err) && r.model->layers[0].wq.format->quantized;
    runner_close(&r);
    return quantized;
}

static void check_real(struct golden *g, const json_t *m)
{
    struct subject s = {.g = g, .name = golden_string(m, "name")};
    struct qb_gguf *gguf = NULL;
    struct qb_gguf_str arch = {0};
    char name[64];
    if (!golden_real_model(golden_string(m, "file"), s.path, sizeof s.path)) {
        golden_skip(g, "%s: no '%s' (QBENCH_REAL_MODELS names the folder of real models)", s.name,
                    golden_string(m, "file"));
        return;
    }
    if (qb_gguf_open(&gguf, s.path, NULL) == QB_OK)
        qb_gguf_get_str(gguf, "general.architecture", &arch);
    snprintf(name, sizeof name, "%.*s", arch.len < sizeof name ? (int)arch.len : 0, arch.len ? arch.s : "");
    qb_gguf_close(gguf);
    if (!qb_arch_by_name(name)) {
        golden_skip(g, "%s: architecture %s is not built", s.name, name);
        return;
    }
    json_t *c = golden_index(g, golden_string(m, "case"));
    bool quantized = is_quantized(s.path);
    if (read_case(&s, golden_string(m, "case"), "tokens", "greedy_f32")) {
        check_real_logits(&s, m, json_object_get(c, "logits_at"), quantized);
        check_real_greedy(&s, json_object_get(c, "margins_f32"), true);
        forget_case(&s);
    }
    if (read_case(&s, golden_string(m, "case"), "tokens", "greedy_file")) {
        check_real_greedy(&s, json_object_get(c, "margins_file"), false);
        forget_case(&s);
    }
    json_decref(c);
}

static int real_part(int argc, char **argv)
{
    struct golden g;
    const json_t *m;
    size_t i;
    if (!golden_open(&g, "real", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    json_array_foreach(json_object_get(index, "models"), i, m) check_real(&g, m);
    json_decref(index);
    return golden_close(&g);
}

int main(int argc, char **argv)
{
    make_pools();
    int models = models_part(argc, argv), real = real_part(argc, argv);
    for (int n = 1; n <= MAX_THREADS; n++)
        qb_pool_free(pools[n]);
    if (models == GOLDEN_SKIPPED)
        return real;
    return real == GOLDEN_SKIPPED ? models : models | real;
}

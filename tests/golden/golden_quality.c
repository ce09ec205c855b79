/*
 * Perplexity and KL divergence of real models against published figures (golden/real): perplexity of the file
 * on both paths, and what quantizing in memory costs, with and without importance matrix. Without --all every
 * eighth type only.
 */
#include "base/mem.h"
#include "bench/quality.h"
#include "engine/arch.h"
#include "engine/quantize.h"
#include "tests/golden/golden.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP 8 /* of the fast run */

/* Slack of figures against what the independent implementation reached. */
#define KLD_ERRORS 3.0
#define KLD_SHARE  0.03

static int step = STEP;
static double log_ratios; /* sum over the types of a model */
static int n_ratios;

static struct qb_quality_options *make_options(const char *model, const json_t *part, const char *path)
{
    struct qb_quality_options *o = calloc(1, sizeof *o);
    if (!o || qb_str_list_add(&o->models, model, NULL) != QB_OK)
        exit(99);
    o->quiet = true;
    o->n_ctx = golden_int(part, "n_ctx");
    o->n_chunks = golden_int(part, "chunks");
    o->path = strcmp(path, "reference") ? QB_QUALITY_KERNELS : QB_QUALITY_REFERENCE;
    return o;
}

static void free_options(struct qb_quality_options *o)
{
    qb_str_list_release(&o->models);
    qb_str_list_release(&o->formats);
    free(o);
}

/* ---- perplexity ---- */

static void check_ppl(struct golden *g, const char *model, const char *name, const json_t *part,
                      const char *key, const char *path, double slack)
{
    struct qb_quality_rows rows;
    struct qb_err err = {0};
    double want = json_number_value(json_array_get(json_object_get(part, key), 0));
    if (want == 0)
        return;
    struct qb_quality_options *o = make_options(model, part, path);
    if (qb_quality_measure(&rows, o, &err) != QB_OK || rows.n != 1)
        golden_fail(g, "%s: %s", name, err.message);
    else if (rows.rows[0].reason)
        golden_fail(g, "%s: %s", name, rows.rows[0].reason);
    else if (!(fabs(rows.rows[0].ppl - want) <= slack * want))
        golden_fail(g, "%s: perplexity %.4f on path %s, expected %.4f within %g %%", name, rows.rows[0].ppl,
                    path, want, 100 * slack);
    else
        golden_pass(g);
    if (rows.n == 1 && !rows.rows[0].reason)
        printf("%-16s %-9s perplexity %9.4f, published %9.4f\n", name, path, rows.rows[0].ppl, want);
    qb_quality_rows_release(&rows);
    free_options(o);
}

/* ---- divergence ---- */

/* Types of a part that this run takes. */
static void add_types(struct qb_str_list *formats, const json_t *part)
{
    const char *type;
    json_t *figures;
    int i = 0;
    json_object_foreach((json_t *)(uintptr_t)part, type, figures)
    {
        bool other = !json_object_get(figures, "size_bytes"); /* "n_ctx", "the file itself" */
        if (!other && i++ % step == 0 && qb_str_list_add(formats, type, NULL) != QB_OK)
            exit(99);
    }
}

static void check_row(struct golden *g, const char *name, const struct qb_quality_record *r,
                      const json_t *figures)
{
    const json_t *kld = json_object_get(figures, "mean_kld");
    double want = json_number_value(json_array_get(kld, 0)), e = json_number_value(json_array_get(kld, 1));
    double bar = want + fmax(KLD_ERRORS * e, KLD_SHARE * want);
    if (r->reason) {
        golden_fail(g, "%s %s: %s", name, r->variant, r->reason);
        return;
    }
    printf("%-16s %-8s %.6f, published %.6f: %.3f; same top %.2f, published %.2f\n", name, r->variant,
           r->kld_mean, want, r->kld_mean / want, r->same_top_pct,
           json_number_value(json_array_get(json_object_get(figures, "same_top_pct"), 0)));
    log_ratios += log(r->kld_mean / want);
    n_ratios++;
    if (!(r->kld_mean <= bar))
        golden_fail(g, "%s %s: mean divergence %.6f, not at most %.6f", name, r->variant, r->kld_mean, bar);
    else if (r->size_bytes != golden_int(figures, "size_bytes"))
        golden_fail(g, "%s %s: %lld bytes, expected %lld", name, r->variant, (long long)r->size_bytes,
                    (long long)golden_int(figures, "size_bytes"));
    else
        golden_pass(g);
}

/* Quantize `model` to the types of a part, which may have an importance matrix. */
static void check_part(struct golden *g, const char *model, const char *name, const json_t *sizes,
                       const json_t *part, const char *imatrix)
{
    struct qb_quality_rows rows;
    struct qb_err err = {0};
    struct qb_quality_options *o = make_options(model, sizes, "kernels");
    add_types(&o->formats, part);
    o->imatrix = imatrix;
    enum qb_status st = o->formats.n ? qb_quality_measure(&rows, o, &err) : QB_ERR_NOT_FOUND;
    if (st) {
        golden_fail(g, "%s: %s", name, o->formats.n ? err.message : "no types in the index");
    } else {
        for (size_t i = 0; i < rows.n; i++)
            check_row(g, name, &rows.rows[i], json_object_get(part, rows.rows[i].variant));
        qb_quality_rows_release(&rows);
    }
    free_options(o);
}

static void check_mean(struct golden *g, const char *name)
{
    double mean = n_ratios ? exp(log_ratios / n_ratios) : INFINITY;
    printf("%-16s geometric mean over %d types %.4f\n", name, n_ratios, mean);
    if (step == 1 && !(mean <= 1))
        golden_fail(g, "%s: geometric mean of the ratios %.4f, not at most 1", name, mean);
    else
        golden_pass(g);
    log_ratios = n_ratios = 0;
}

static void check_divergence(struct golden *g, const json_t *m, const char *model)
{
    char path[GOLDEN_PATH + 256];
    const char *name = golden_string(m, "name"), *imatrix = golden_string(m, "imatrix");
    const json_t *part = json_object_get(m, "kld_vs_file");
    if (!part)
        return;
    check_part(g, model, name, part, json_object_get(part, "without_imatrix"), NULL);
    if (golden_path(g, imatrix, path, sizeof path)) {
        check_part(g, model, name, part, json_object_get(part, "with_imatrix"), path);
        golden_forget(g, imatrix, path);
    } else {
        golden_skip(g, "%s: no importance matrix '%s'", name, imatrix);
    }
    check_mean(g, name);
}

/* ---- a quantized file, decoded to F16 and quantized again ---- */

static enum qb_status write_f16(const char *model, const char *path, struct qb_err *err)
{
    struct qb_gguf *source;
    struct qb_quant_plan plan = {0};
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    struct qb_quant_output out = {.plan = &plan, .path = path};
    int pu[] = {-1, -1};
    struct qb_placement placement = {.n_threads = 2, .pu = pu, .oversubscribed = true};
    struct qb_quant_job job = {.outputs = &out, .n_outputs = 1};
    QB_TRY(qb_gguf_open(&source, model, err));
    job.source = source;
    enum qb_status st = qb_quant_plan_file(&plan, source, qb_ftype_by_name("F16"), &o, err);
    if (!st)
        st = qb_pool_create(&job.pool, &placement, err);
    if (!st) {
        st = qb_quant_run(&job, err);
        qb_pool_free(job.pool);
    }
    qb_quant_plan_release(&plan);
    qb_gguf_close(source);
    return st;
}

static void check_again(struct golden *g, const json_t *m, const char *model)
{
    char dir[] = "/tmp/golden-quality-XXXXXX", path[64];
    const char *name = golden_string(m, "name");
    const json_t *part = json_object_get(m, "kld_vs_f16_of_the_file");
    struct qb_err err = {0};
    if (!part)
        return;
    if (step != 1) {
        golden_skip(g, "%s: types of the decoded file (--all)", name);
        return;
    }
    if (!mkdtemp(dir))
        exit(99);
    snprintf(path, sizeof path, "%s/f16.gguf", dir);
    if (write_f16(model, path, &err) != QB_OK)
        golden_fail(g, "%s: %s", name, err.message);
    else
        check_part(g, path, name, part, part, NULL);
    unlink(path);
    rmdir(dir);
    check_mean(g, name);
}

/* Is its architecture built? */
static bool is_known(struct golden *g, const char *name, const char *path)
{
    struct qb_gguf *file;
    struct qb_gguf_str arch = {"", 0};
    char text[64];
    if (qb_gguf_open(&file, path, NULL) != QB_OK)
        return true; /* that is not a reason to skip it */
    qb_gguf_get_str(file, "general.architecture", &arch);
    snprintf(text, sizeof text, "%.*s", (int)(arch.len < 63 ? arch.len : 63), arch.s);
    qb_gguf_close(file);
    if (qb_arch_by_name(text))
        return true;
    golden_skip(g, "%s: architecture %s is not built", name, text);
    return false;
}

static void check_model(struct golden *g, const json_t *m)
{
    char path[GOLDEN_PATH];
    const char *name = golden_string(m, "name"), *file = golden_string(m, "file");
    const json_t *ppl = json_object_get(m, "perplexity");
    if (!golden_real_model(file, path, sizeof path)) {
        golden_skip(g, "%s: no file '%s'", name, file);
        return;
    }
    if (!is_known(g, name, path))
        return;
    check_ppl(g, path, name, ppl, "file", "kernels", 0.0005);
    check_ppl(g, path, name, ppl, "file", "reference", 0.0005);
    check_ppl(g, path, name, ppl, "file_decoded_to_f32", "reference", 0.001);
    check_ppl(g, path, name, ppl, "file_8bit_activations", "kernels", 0.005);
    check_divergence(g, m, path);
    check_again(g, m, path);
}

int main(int argc, char **argv)
{
    struct golden g;
    size_t i;
    json_t *m;
    if (argc > 1 && !strcmp(argv[1], "--all")) {
        step = 1;
        argc--;
        argv++;
    }
    if (!golden_open(&g, "real", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    json_array_foreach(json_object_get(index, "models"), i, m) check_model(&g, m);
    json_decref(index);
    return golden_close(&g);
}

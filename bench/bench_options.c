/*
 * Presets, defaults and contradictions of the benchmark's options.
 */
#include "bench/ftype_list.h"
#include "bench/suite.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct defaults {
    const char *models, *formats, *n_prompt, *n_gen;
    int64_t rounds;
};

static const struct defaults presets[] = {
    [QB_PRESET_NONE] = {"shape:qwen2.5-1.5b", "Q4_0,Q4_0_8_8,Q4_K_M,IQ4_NL,IQ4_XS,IQ3_M,IQ2_M", "512,1024",
                        "128", 5},
    [QB_PRESET_QUICK] = {"shape:llama-3.2-1b", "Q4_0,Q4_0_8_8,Q4_K_M,IQ4_NL,IQ4_XS", "512", "64", 3},
    [QB_PRESET_CARD] = {"shape:qwen2.5-3b", "Q4_0,Q4_K_M,Q4_0_8_8", "512,1024,2048", "128,256,512", 5},
};

static enum qb_status fill_names(struct qb_str_list *l, const char *text, struct qb_err *err)
{
    char item[64];
    if (l->n)
        return QB_OK;
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        size_t len = strcspn(p, ",");
        if (len >= sizeof item)
            QB_BUG("default '%s' is too long", text);
        memcpy(item, p, len);
        item[len] = 0;
        QB_TRY(qb_str_list_add(l, item, err));
    }
    return QB_OK;
}

static enum qb_status fill_ints(struct qb_int_list *l, const char *text, const char *option,
                                struct qb_err *err)
{
    return l->n ? QB_OK : qb_int_list_parse(l, text, option, 0, 1e9, err);
}

static bool any_shape(const struct qb_bench_options *o)
{
    for (size_t i = 0; i < o->models.n; i++)
        if (!strncmp(o->models.items[i], "shape:", 6))
            return true;
    return false;
}

static enum qb_status contradiction(struct qb_err *err, const char *a, const char *b)
{
    return qb_fail(err, QB_ERR_USAGE, "options '%s' and '%s' contradict each other", a, b);
}

static enum qb_status refuse(const struct qb_bench_options *o, struct qb_err *err)
{
    if (o->quiet && o->progress)
        return contradiction(err, "--quiet", "--progress");
    if (o->dry_run && o->report_dir)
        return contradiction(err, "--dry-run", "--report-dir");
    if (o->list_shapes && o->dry_run)
        return contradiction(err, "--list-shapes", "--dry-run");
    if (o->list_shapes && o->models.n)
        return contradiction(err, "--list-shapes", "--model");
    if (o->max_rounds && o->max_rounds < o->rounds && o->rounds)
        return contradiction(err, "--repetitions", "--max-rounds");
    if (o->max_rounds && o->ci_target == 0)
        return qb_fail(err, QB_ERR_USAGE, "option '--max-rounds' needs '--ci-target'");
    return QB_OK;
}

static bool all_zero(const struct qb_int_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i])
            return false;
    return true;
}

enum qb_status qb_bench_options_complete(struct qb_bench_options *o, struct qb_err *err)
{
    QB_TRY(refuse(o, err));
    const struct defaults *d = &presets[o->preset];
    QB_TRY(fill_names(&o->models, d->models, err));
    if (any_shape(o)) /* a file runs in its own type unless the user names another */
        QB_TRY(fill_names(&o->formats, d->formats, err));
    QB_TRY(qb_ftype_list_expand(&o->formats, err));
    QB_TRY(fill_ints(&o->n_prompt, d->n_prompt, "--n-prompt", err));
    QB_TRY(fill_ints(&o->n_gen, d->n_gen, "--n-gen", err));
    if (o->rounds == 0)
        o->rounds = d->rounds;
    if (o->max_rounds == 0)
        o->max_rounds = o->ci_target > 0 ? 10 * o->rounds : o->rounds;
    if (all_zero(&o->n_prompt) && all_zero(&o->n_gen) && o->pg.n == 0)
        return qb_fail(err, QB_ERR_USAGE, "nothing to time: '--n-prompt' and '--n-gen' are both 0");
    if (o->pg.n % 2)
        return qb_fail(err, QB_ERR_USAGE, "option '-pg' takes pairs: PROMPT,GEN");
    return QB_OK;
}

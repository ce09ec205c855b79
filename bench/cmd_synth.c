/*
 * qbench synth: a model shape as a GGUF file with random weights, for other engines and for tests.
 */
#include "base/clock.h"
#include "bench/commands.h"
#include "bench/progress.h"
#include "bench/shape_model.h"
#include "engine/synth.h"
#include <stddef.h>

struct target {
    int64_t seed;
    bool imatrix_mix, quiet;
};

static const struct qb_option options[] = {
    {"seed", NULL, QB_OPT_INT, offsetof(struct target, seed), "N", "Seed of the random weights.", "42", 0,
     9e15, NULL},
    {"imatrix-mix", NULL, QB_OPT_FLAG, offsetof(struct target, imatrix_mix), NULL,
     "Use the type mix of files made with an importance matrix, as published files are (--no-imatrix-mix: "
     "without).",
     "yes", 0, 0, NULL},
    {"quiet", "q", QB_OPT_FLAG, offsetof(struct target, quiet), NULL, "Show no progress.", NULL, 0, 0, NULL},
};

struct meter {
    struct qb_progress bar;
    uint64_t start_ns;
    const char *path;
};

/* The share done so far tells how long all of it takes. */
static void show(void *arg, double share)
{
    struct meter *m = arg;
    m->bar.done = (double)(qb_now_ns() - m->start_ns);
    m->bar.total = share > 0 ? m->bar.done / share : 0;
    if (m->bar.mode == QB_PROGRESS_BAR)
        qb_progress_step(&m->bar, 0, m->path);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)out;
    const struct target *t = target;
    struct qb_hparams hp;
    QB_TRY(qb_shape_hparams(&hp, operands->items[0], err));
    const struct qb_ftype *ftype = qb_ftype_by_name(operands->items[1]);
    if (!ftype)
        return qb_fail(err, QB_ERR_USAGE, "unknown file type '%s'", operands->items[1]);
    struct meter m = {.start_ns = qb_now_ns(), .path = operands->items[2]};
    qb_progress_init(&m.bar, false, t->quiet);
    enum qb_status status =
        qb_synth_write(&hp, ftype, t->imatrix_mix, (uint64_t)t->seed, operands->items[2], show, &m, err);
    qb_progress_end(&m.bar);
    return status;
}

const struct qb_command qb_cmd_synth = {
    .name = "synth",
    .summary = "write a model shape with random weights as a GGUF file",
    .operands = "shape:NAME FTYPE OUT.gguf",
    .min_operands = 3,
    .max_operands = 3,
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

/*
 * qbench kernels list|check|bench: the registry, its check against the oracle, and timings of single kernels.
 */
#include "bench/commands.h"
#include "kernels/kernels.h"
#include "reports/table.h"
#include "tests/kernel_check/kernel_check.h"
#include <stddef.h>
#include <string.h>

struct target {
    int output, isa;
    const char *filter;
    int64_t seed, repeat;
    bool verbose;
};

static const struct qb_option options[] = {
    {"output", "o", QB_OPT_CHOICE, offsetof(struct target, output), "FORM", "Form of the table (list).", "md",
     0, 0, qb_table_forms},
    {"isa", NULL, QB_OPT_CHOICE, offsetof(struct target, isa), "ISA",
     "Only kernels of this level; auto = all.", "auto", 0, 0, qb_isa_choices},
    {"filter", NULL, QB_OPT_STRING, offsetof(struct target, filter), "TEXT",
     "Only kernels whose name or key holds this text.", NULL, 0, 0, NULL},
    {"seed", NULL, QB_OPT_INT, offsetof(struct target, seed), "N", "Seed of the values (check, bench).", "1",
     0, 9007199254740991.0, NULL},
    {"repeat", NULL, QB_OPT_INT, offsetof(struct target, repeat), "N", "Rounds of checks with fresh values.",
     "1", 1, 1000000, NULL},
    {"verbose", NULL, QB_OPT_FLAG, offsetof(struct target, verbose), NULL, "A line for every kernel checked.",
     NULL, 0, 0, NULL},
};

static bool wanted(const struct qb_kernel *k, const char *key, enum qb_isa isa, const char *filter)
{
    if (isa != QB_ISA_AUTO && k->isa != isa)
        return false;
    return !filter || strstr(k->name, filter) || strstr(key, filter) || strstr(qb_op_name(k->op), filter);
}

/* Is it the kernel that the best set of this machine uses? */
static bool is_chosen(const struct qb_kernel_set *best, const struct qb_kernel *k)
{
    return best && qb_kernel_set_row(best, k->op, k->key, k->key2) == k;
}

static enum qb_status list(const struct target *t, enum qb_isa isa, FILE *out, struct qb_err *err)
{
    static const struct qb_column columns[] = {
        {"op", QB_VALUE_TEXT, 0, 0},   {"key", QB_VALUE_TEXT, 0, 0},  {"isa", QB_VALUE_TEXT, 0, 0},
        {"name", QB_VALUE_TEXT, 0, 0}, {"runs", QB_VALUE_BOOL, 0, 0}, {"chosen", QB_VALUE_BOOL, 0, 0}};
    struct qb_kernel_set best;
    bool have = qb_kernel_set_select(&best, QB_ISA_AUTO, NULL) == QB_OK;
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, (enum qb_writer_id)t->output, out, "kernels", columns,
                                        QB_ARRAY_LEN(columns), err);
    size_t n;
    const struct qb_kernel *k = qb_kernels(&n);
    for (size_t i = 0; i < n && !st; i++) {
        char key[64];
        qb_kernel_key_text(&k[i], key, sizeof key);
        if (!wanted(&k[i], key, isa, t->filter))
            continue;
        struct qb_value row[] = {
            qb_text(qb_op_name(k[i].op)),   qb_text(key),
            qb_text(qb_isa_name(k[i].isa)), qb_text(k[i].name),
            qb_bool(qb_cpu_runs(k[i].isa)), qb_bool(is_chosen(have ? &best : NULL, &k[i]))};
        st = qb_writer_row(&w, row, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    const struct target *t = target;
    const char *what = operands->n ? operands->items[0] : "list";
    enum qb_isa isa = QB_ISA_AUTO;
    qb_isa_parse(qb_isa_choices[t->isa], &isa);
    if (!strcmp(what, "list"))
        return list(t, isa, out, err);
    bool bench = !strcmp(what, "bench");
    if (!bench && strcmp(what, "check") != 0)
        return qb_fail(err, QB_ERR_USAGE, "unknown action '%s' (list, check, bench)", what);
    struct qb_kernel_check_options o = {.seed = (uint64_t)t->seed,
                                        .repeat = (int)t->repeat,
                                        .isa = isa,
                                        .filter = t->filter,
                                        .bench = bench,
                                        .verbose = t->verbose};
    struct qb_kernel_check_result result = {0};
    return qb_kernel_check_run(&o, out, &result, err);
}

const struct qb_command qb_cmd_kernels = {
    .name = "kernels",
    .summary = "list, check or time the kernels in this program",
    .operands = "[list|check|bench]",
    .max_operands = 1,
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

/*
 * The program kernel_check: options, exit codes (77 = this machine lacks the ISA level).
 */
#include "base/options.h"
#include "tests/kernel_check/kernel_check.h"
#include <stdlib.h>

#define EXIT_SKIPPED 77

struct options {
    int64_t seed, repeat, calls;
    const char *isa, *filter;
    bool list, bench, verbose;
};

#define FIELD(name) offsetof(struct options, name)
static const struct qb_option option_table[] = {
    {.name = "seed",
     .kind = QB_OPT_INT,
     .offset = FIELD(seed),
     .value_name = "N",
     .help = "seed of all random values",
     .default_text = "1",
     .min = 0,
     .max = 9e15},
    {.name = "repeat",
     .kind = QB_OPT_INT,
     .offset = FIELD(repeat),
     .value_name = "N",
     .help = "rounds with fresh random values",
     .default_text = "1",
     .min = 1,
     .max = 1e6},
    {.name = "isa",
     .kind = QB_OPT_STRING,
     .offset = FIELD(isa),
     .value_name = "LEVEL",
     .help = "check the rows of one ISA level only (auto: all that this machine runs)",
     .default_text = "auto"},
    {.name = "filter",
     .kind = QB_OPT_STRING,
     .offset = FIELD(filter),
     .value_name = "TEXT",
     .help = "check rows whose line in --list contains TEXT"},
    {.name = "list", .kind = QB_OPT_FLAG, .offset = FIELD(list), .help = "list the rows and stop"},
    {.name = "bench", .kind = QB_OPT_FLAG, .offset = FIELD(bench), .help = "time the rows that passed"},
    {.name = "calls",
     .kind = QB_OPT_INT,
     .offset = FIELD(calls),
     .value_name = "N",
     .help = "check nothing: call what --bench would time N times (to count instructions)",
     .default_text = "0",
     .min = 0,
     .max = 1e9},
    {.name = "verbose",
     .short_name = "v",
     .kind = QB_OPT_FLAG,
     .offset = FIELD(verbose),
     .help = "print a line for every row"},
};
#define N_OPTIONS QB_ARRAY_LEN(option_table)

static int exit_code(enum qb_status status)
{
    switch (status) {
    case QB_OK:
        return 0;
    case QB_ERR_USAGE:
        return 2;
    case QB_ERR_UNSUPPORTED:
        return EXIT_SKIPPED;
    default:
        return 1;
    }
}

static enum qb_status parse(struct options *o, int argc, char **argv, bool *help, struct qb_err *err)
{
    struct qb_str_list operands = {0};
    enum qb_status status = qb_options_defaults(option_table, N_OPTIONS, o, err);
    if (status == QB_OK)
        status = qb_options_parse(option_table, N_OPTIONS, o, argc, argv, &operands, help, err);
    if (status == QB_OK && operands.n > 0)
        status = qb_fail(err, QB_ERR_USAGE, "unexpected argument '%s'", operands.items[0]);
    qb_str_list_release(&operands);
    return status;
}

static enum qb_status run(const struct options *o, struct qb_err *err)
{
    struct qb_kernel_check_result result;
    struct qb_kernel_check_options k = {.seed = (uint64_t)o->seed,
                                        .repeat = (int)o->repeat,
                                        .filter = o->filter,
                                        .list = o->list,
                                        .bench = o->bench,
                                        .calls = (int)o->calls,
                                        .verbose = o->verbose};
    if (!qb_isa_parse(o->isa, &k.isa))
        return qb_fail(err, QB_ERR_USAGE, "no ISA level '%s'", o->isa);
    return qb_kernel_check_run(&k, stdout, &result, err);
}

int main(int argc, char **argv)
{
    struct options o;
    struct qb_err err = {0};
    bool help = false;
    enum qb_status status = parse(&o, argc, argv, &help, &err);
    if (status == QB_OK && help) {
        struct qb_buf text;
        qb_buf_init(&text, 0);
        qb_options_help(option_table, N_OPTIONS, &text);
        fputs(text.data, stdout);
        qb_buf_release(&text);
    } else if (status == QB_OK) {
        status = run(&o, &err);
    }
    if (status != QB_OK)
        fprintf(stderr, "kernel_check: %s\n", err.message);
    qb_options_release(option_table, N_OPTIONS, &o);
    return exit_code(status);
}

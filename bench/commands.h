/*
 * The commands of the program: one file cmd_NAME.c and one row of commands.def each.
 */
#ifndef QB_BENCH_COMMANDS_H
#define QB_BENCH_COMMANDS_H

#include "base/err.h"
#include "base/options.h"
#include <stdio.h>

struct qb_command {
    const char *name;               /* "bench" */
    const char *summary;            /* one line for the list of commands, no full stop */
    const char *operands;           /* synopsis of the operands: "FILE...", "" = none */
    int min_operands, max_operands; /* max -1 = any number */
    const struct qb_option *options;
    size_t n_options;
    size_t target_size; /* bytes of the struct that the options fill */
    /*
     * Do it. Data goes to out (stdout, checked and flushed by main), notes to stderr through base/log.h. main
     * prints err and turns the status into the exit code.
     */
    enum qb_status (*run)(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err);
};

#define QB_COMMAND(id) extern const struct qb_command qb_cmd_##id;
#include "bench/commands.def"
#undef QB_COMMAND

const struct qb_command *const *qb_commands(size_t *n);

/* Choices of "-o": an index is an enum qb_writer_id (reports/table.h). Tables of facts, and the benchmark's.
 */
extern const char *const qb_table_forms[], *const qb_record_forms[];

/* Has the user pressed Ctrl-C? Long commands ask between steps and return QB_ERR_INTERRUPTED. */
bool qb_interrupted(void);

#endif

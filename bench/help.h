/*
 * Help texts, the man page and shell completion, all made from the option tables.
 */
#ifndef QB_BENCH_HELP_H
#define QB_BENCH_HELP_H

#include "bench/commands.h"

const struct qb_command *qb_command_by_name(const char *name); /* NULL when there is none; main.c */

void qb_help_version(FILE *out);
enum qb_status qb_help_overview(FILE *out, struct qb_err *err);
enum qb_status qb_help_command(const struct qb_command *cmd, FILE *out, struct qb_err *err);
void qb_help_man(FILE *out); /* troff, all commands */

#endif

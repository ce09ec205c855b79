/*
 * The program: picks the command, parses its options, runs it, prints its error and turns the status into the
 * exit code. The only place that prints errors and exits.
 */
#include "base/log.h"
#include "bench/commands.h"
#include "bench/help.h"
#include "reports/table.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNSUPPORTED = 4 };

const char *const qb_table_forms[] = {"md", "csv", "json", "jsonl", NULL};
const char *const qb_record_forms[] = {"md", "csv", "json", "jsonl", "sql", "none", NULL};

static const struct qb_command *const commands[] = {
#define QB_COMMAND(id) &qb_cmd_##id,
#include "bench/commands.def"
#undef QB_COMMAND
};

const struct qb_command *const *qb_commands(size_t *n)
{
    *n = QB_ARRAY_LEN(commands);
    return commands;
}

const struct qb_command *qb_command_by_name(const char *name)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

bool qb_interrupted(void)
{
    return interrupted != 0;
}

/* The first Ctrl-C asks for a clean stop, the second one kills. A broken pipe is a write error like any
 * other. */
static void set_signals(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum exit_code exit_code(enum qb_status st)
{
    switch (st) {
    case QB_OK:
        return EXIT_OK;
    case QB_ERR_USAGE:
        return EXIT_USAGE;
    case QB_ERR_UNSUPPORTED:
        return EXIT_UNSUPPORTED;
    default:
        return EXIT_FAILED;
    }
}

/* cmd NULL = none was recognized */
static void print_error(const struct qb_command *cmd, enum qb_status st, const struct qb_err *err)
{
    bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
    fprintf(stderr, "%sqbench: error:%s %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
            err->message[0] ? err->message : "failed");
    if (st == QB_ERR_USAGE)
        fprintf(stderr, "see 'qbench help%s%s'\n", cmd ? " " : "", cmd ? cmd->name : "");
}

static enum qb_status check_operands(const struct qb_command *cmd, const struct qb_str_list *operands,
                                     struct qb_err *err)
{
    if (cmd->max_operands >= 0 && operands->n > (size_t)cmd->max_operands)
        return qb_fail(err, QB_ERR_USAGE, "unexpected argument '%s'", operands->items[cmd->max_operands]);
    if (operands->n < (size_t)cmd->min_operands)
        return qb_fail(err, QB_ERR_USAGE, "'%s' needs an argument: %s", cmd->name, cmd->operands);
    return QB_OK;
}

static enum qb_status run_parsed(const struct qb_command *cmd, int argc, char **argv, void *target,
                                 struct qb_str_list *operands, struct qb_err *err)
{
    bool help = false;
    QB_TRY(qb_options_defaults(cmd->options, cmd->n_options, target, err));
    QB_TRY(qb_options_parse(cmd->options, cmd->n_options, target, argc, argv, operands, &help, err));
    if (help)
        return qb_help_command(cmd, stdout, err);
    QB_TRY(check_operands(cmd, operands, err));
    return cmd->run(target, operands, stdout, err);
}

/* argv[0] is the command's name (or the program's). */
static enum exit_code run_command(const struct qb_command *cmd, int argc, char **argv)
{
    struct qb_err err = {0};
    struct qb_str_list operands = {0};
    void *target = calloc(1, cmd->target_size ? cmd->target_size : 1);
    enum qb_status st = target ? run_parsed(cmd, argc, argv, target, &operands, &err)
                               : qb_fail(&err, QB_ERR_MEMORY, "not enough memory");
    struct qb_err end = {0};
    enum qb_status end_st = qb_stream_check(stdout, "the output", &end);
    if (st == QB_OK && end_st != QB_OK) {
        st = end_st;
        err = end;
    }
    if (st != QB_OK)
        print_error(cmd, st, &err);
    if (target)
        qb_options_release(cmd->options, cmd->n_options, target);
    qb_str_list_release(&operands);
    free(target);
    return exit_code(st);
}

static const struct qb_command *default_command(void)
{
    return commands[0];
}

int main(int argc, char **argv)
{
    set_signals();
    const char *first = argc > 1 ? argv[1] : "";
    if (!strcmp(first, "--version")) {
        qb_help_version(stdout);
        return exit_code(qb_stream_check(stdout, "the output", NULL));
    }
    if (!strcmp(first, "--help") || !strcmp(first, "-h"))
        return (int)run_command(&qb_cmd_help, 1, argv);
    const struct qb_command *cmd = qb_command_by_name(first);
    if (cmd)
        return (int)run_command(cmd, argc - 1, argv + 1);
    if (first[0] && first[0] != '-') {
        struct qb_err err;
        qb_fail(&err, QB_ERR_USAGE, "unknown command '%s'", first);
        print_error(NULL, QB_ERR_USAGE, &err);
        return EXIT_USAGE;
    }
    return (int)run_command(default_command(), argc, argv);
}

/*
 * Help on the terminal and the man page.
 */
#include "bench/help.h"
#include "bench/build_info.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const exit_codes[] = {
    "0  all went well",
    "1  failed, a row of the table failed, or interrupted",
    "2  wrong use",
    "3  a regression was found",
    "4  not supported on this machine",
};

static const char *const environment[] = {
    "QBENCH_ISA  lowers the instruction set that is used, as --isa does",
    "NO_COLOR    no colours in messages",
};

void qb_help_version(FILE *out)
{
    fprintf(out, "qbench %s (%s)\n", QBENCH_VERSION, qb_build_info()->commit);
}

static void print_synopsis(const struct qb_command *cmd, FILE *out)
{
    size_t n;
    bool first = cmd == qb_commands(&n)[0];
    fprintf(out, "usage: qbench %s%s%s[options]%s%s\n\n", first ? "[" : "", cmd->name, first ? "] " : " ",
            cmd->operands[0] ? " " : "", cmd->operands);
    fprintf(out, "%c%s.\n\n", toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
}

enum qb_status qb_help_command(const struct qb_command *cmd, FILE *out, struct qb_err *err)
{
    struct qb_buf b;
    qb_buf_init(&b, 0);
    qb_options_help(cmd->options, cmd->n_options, &b);
    enum qb_status st = qb_buf_status(&b, "the help text", err);
    if (!st) {
        print_synopsis(cmd, out);
        if (b.len)
            fputs(b.data, out);
    }
    qb_buf_release(&b);
    return st;
}

enum qb_status qb_help_overview(FILE *out, struct qb_err *err)
{
    size_t n;
    const struct qb_command *const *list = qb_commands(&n);
    fprintf(out, "qbench %s: which quantized weight format to run on this machine, in numbers\n\ncommands:\n",
            QBENCH_VERSION);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %-12s %s\n", list[i]->name, list[i]->summary);
    fputs("\n'qbench help COMMAND' shows its options; 'qbench [options]' runs the benchmark:\n\n", out);
    enum qb_status st = qb_help_command(list[0], out, err);
    fputs("\nexit codes:\n", out);
    for (size_t i = 0; i < QB_ARRAY_LEN(exit_codes); i++)
        fprintf(out, "  %s\n", exit_codes[i]);
    fputs("\nenvironment:\n", out);
    for (size_t i = 0; i < QB_ARRAY_LEN(environment); i++)
        fprintf(out, "  %s\n", environment[i]);
    return st;
}

/* troff: a leading dot or quote would be a request, a dash must stay a dash */
static void troff(FILE *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        fputs("\\&", out);
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", out);
        else if (*s == '-')
            fputs("\\-", out);
        else
            putc(*s, out);
    }
}

static void man_option(FILE *out, const struct qb_option *o)
{
    if (o->kind == QB_OPT_HEADING) {
        fputs(".PP\n.B ", out);
        troff(out, o->help ? o->help : o->name);
        putc('\n', out);
        return;
    }
    if (!o->help)
        return;
    fputs(".TP\n", out);
    if (o->short_name)
        fprintf(out, "\\fB\\-%s\\fR, ", o->short_name);
    fputs("\\fB", out);
    troff(out, "--");
    troff(out, o->name);
    fputs("\\fR", out);
    if (o->kind != QB_OPT_FLAG)
        fprintf(out, " \\fI%s\\fR", o->value_name ? o->value_name : "VALUE");
    putc('\n', out);
    struct qb_buf text;
    qb_buf_init(&text, 0);
    qb_option_describe(o, &text);
    troff(out, text.data);
    qb_buf_release(&text);
    putc('\n', out);
}

static void man_command(FILE *out, const struct qb_command *cmd)
{
    fprintf(out, ".SS qbench %s [options] %s\n", cmd->name, cmd->operands);
    troff(out, cmd->summary);
    fputs(".\n", out);
    for (size_t i = 0; i < cmd->n_options; i++)
        man_option(out, &cmd->options[i]);
}

static void man_list(FILE *out, const char *title, const char *const *lines, size_t n)
{
    fprintf(out, ".SH %s\n.nf\n", title);
    for (size_t i = 0; i < n; i++) {
        troff(out, lines[i]);
        putc('\n', out);
    }
    fputs(".fi\n", out);
}

void qb_help_man(FILE *out)
{
    size_t n;
    const struct qb_command *const *list = qb_commands(&n);
    fprintf(out, ".TH QBENCH 1 \"\" \"qbench %s\" \"User Commands\"\n", QBENCH_VERSION);
    fputs(".SH NAME\nqbench \\- benchmark quantized weight formats of language models on the CPU\n"
          ".SH SYNOPSIS\n.B qbench\n[\\fICOMMAND\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
          "Times whole models in every wanted format and layout, in interleaved rounds, checks the results "
          "against a\n"
          "reference path, and prints a table. Without a command the benchmark runs.\n.SH COMMANDS\n",
          out);
    for (size_t i = 0; i < n; i++)
        man_command(out, list[i]);
    man_list(out, "EXIT STATUS", exit_codes, QB_ARRAY_LEN(exit_codes));
    man_list(out, "ENVIRONMENT", environment, QB_ARRAY_LEN(environment));
}

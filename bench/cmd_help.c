/*
 * qbench help [COMMAND] [--man]
 */
#include "bench/help.h"
#include <stddef.h>

struct target {
    bool man;
};

static const struct qb_option options[] = {
    {"man", NULL, QB_OPT_FLAG, offsetof(struct target, man), NULL, "Print the man page (troff) instead.",
     NULL, 0, 0, NULL},
};

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    const struct target *t = target;
    if (t->man) {
        qb_help_man(out);
        return QB_OK;
    }
    if (operands->n == 0)
        return qb_help_overview(out, err);
    const struct qb_command *cmd = qb_command_by_name(operands->items[0]);
    if (!cmd)
        return qb_fail(err, QB_ERR_USAGE, "unknown command '%s'", operands->items[0]);
    return qb_help_command(cmd, out, err);
}

const struct qb_command qb_cmd_help = {
    .name = "help",
    .summary = "show the commands, the options of one, or the man page",
    .operands = "[COMMAND]",
    .max_operands = 1,
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

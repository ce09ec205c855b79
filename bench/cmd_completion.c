/*
 * qbench completion bash|zsh: a script for the shell, made from the option tables.
 */
#include "bench/commands.h"
#include <string.h>

static void words_of(const struct qb_command *cmd, FILE *out)
{
    for (size_t i = 0; i < cmd->n_options; i++) {
        const struct qb_option *o = &cmd->options[i];
        if (o->kind == QB_OPT_HEADING)
            continue;
        fprintf(out, "--%s ", o->name);
        if (o->short_name)
            fprintf(out, "-%s ", o->short_name);
    }
    fputs("--help", out);
}

/* One case a command that takes choices: after the option, its words. */
static void choices_of(const struct qb_command *cmd, FILE *out)
{
    for (size_t i = 0; i < cmd->n_options; i++) {
        const struct qb_option *o = &cmd->options[i];
        if (o->kind == QB_OPT_HEADING || !o->choices)
            continue;
        fprintf(out, "    %s:--%s", cmd->name, o->name);
        if (o->short_name)
            fprintf(out, "|%s:-%s", cmd->name, o->short_name);
        fputs(") words=\"", out);
        for (size_t c = 0; o->choices[c]; c++)
            fprintf(out, "%s%s", c ? " " : "", o->choices[c]);
        fputs("\" ;;\n", out);
    }
}

static void bash_script(FILE *out)
{
    size_t n;
    const struct qb_command *const *list = qb_commands(&n);
    fputs(
        "_qbench() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" words=\n"
        "  local cmd=\"${COMP_WORDS[1]}\"\n  case \"$cmd\" in -*) cmd=bench ;; esac\n"
        "  case \"$cmd:$prev\" in\n",
        out);
    for (size_t i = 0; i < n; i++)
        choices_of(list[i], out);
    fputs("  esac\n  if [ -z \"$words\" ]; then\n    case \"$cmd\" in\n", out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "    %s) words=\"", list[i]->name);
        words_of(list[i], out);
        fputs("\" ;;\n", out);
    }
    fputs("    esac\n    if [ \"$COMP_CWORD\" = 1 ]; then words=\"$words", out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, " %s", list[i]->name);
    fputs(" --version --help\"; fi\n  fi\n  case \"$cur\" in\n    -*) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n"
          "  COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o filenames -F _qbench qbench\n",
          out);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)target;
    const char *shell = operands->items[0];
    bool zsh = !strcmp(shell, "zsh");
    if (!zsh && strcmp(shell, "bash") != 0)
        return qb_fail(err, QB_ERR_USAGE, "unknown shell '%s' (bash, zsh)", shell);
    if (zsh)
        fputs("#compdef qbench\nautoload -U +X bashcompinit && bashcompinit\n", out);
    bash_script(out);
    return QB_OK;
}

const struct qb_command qb_cmd_completion = {
    .name = "completion",
    .summary = "print the completion script of a shell",
    .operands = "bash|zsh",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};

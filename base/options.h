/*
 * Option tables: one array per command gives parsing, --help, shell completion and the man page.
 * GNU style: --name VALUE, --name=VALUE, -x VALUE, -xVALUE for one-letter names, llama-bench's short names of
 * several letters (-pg, -ctk, -ub) with a following argument, "--" ends options, unique prefixes of long
 * names are NOT accepted (scripts must not break when an option is added).
 */
#ifndef QB_BASE_OPTIONS_H
#define QB_BASE_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"

enum qb_opt_kind {
    QB_OPT_FLAG,   /* bool: --x sets it, --no-x clears it */
    QB_OPT_INT,    /* int64_t, with [min, max] */
    QB_OPT_DOUBLE, /* double, with [min, max] */
    QB_OPT_STRING, /* const char *, points into argv */
    QB_OPT_CHOICE, /* int: index into choices */
    QB_OPT_LIST,   /* struct qb_str_list: repeated flag and commas both append */
    QB_OPT_INTS,   /* struct qb_int_list: commas, repeats, ranges a-b, a-b+step, a-b*mult (as llama-bench) */
    QB_OPT_HEADING /* only a title in --help */
};

struct qb_str_list {
    char **items; /* owned; pair: qb_str_list_release */
    size_t n;
};
struct qb_int_list {
    int64_t *items;
    size_t n;
};

struct qb_option {
    const char *name;       /* long name without dashes */
    const char *short_name; /* "p", "pg" or NULL; one dash */
    enum qb_opt_kind kind;
    size_t offset;          /* of the field in the options struct */
    const char *value_name; /* "N", "FILE", ...: for help */
    const char
        *help; /* one sentence with unit; the default is appended from default_text; NULL = not listed */
    const char *default_text; /* also parsed as the initial value, except for LIST kinds where NULL = empty */
    double min, max;          /* for INT, INTS and DOUBLE; both 0 = unbounded */
    const char *const *choices; /* for CHOICE (and completion of LIST), NULL-terminated */
};

/* Set every field to its default. Lists start empty and get the default only if the option never appears
 * (qb_options_parse does that at its end). */
enum qb_status qb_options_defaults(const struct qb_option *options, size_t n, void *target,
                                   struct qb_err *err);
/*
 * Parse argv[1..argc). Operands (non-options) are appended to operands (copies; NULL: none are allowed).
 * Errors: QB_ERR_USAGE naming the option and the value. `--help` sets *help and stops.
 */
enum qb_status qb_options_parse(const struct qb_option *options, size_t n, void *target, int argc,
                                char **argv, struct qb_str_list *operands, bool *help, struct qb_err *err);
void qb_options_release(const struct qb_option *options, size_t n, void *target);
/* The help sentence of an option with its choices and default, as --help and the man page show it. */
void qb_option_describe(const struct qb_option *o, struct qb_buf *out);
void qb_options_help(const struct qb_option *options, size_t n, struct qb_buf *out);

enum qb_status qb_str_list_add(struct qb_str_list *l, const char *s, struct qb_err *err);
void qb_str_list_release(struct qb_str_list *l);
enum qb_status qb_int_list_parse(struct qb_int_list *l, const char *text, const char *option, double min,
                                 double max, struct qb_err *err);
void qb_int_list_release(struct qb_int_list *l);

#endif

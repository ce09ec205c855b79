/*
 * The parser of option tables. Help text is in options_help.c, list values in lists.c.
 */
#include "base/options.h"

#include "base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One parse: the table, the target, what was seen. */
struct parse {
    const struct qb_option *options;
    size_t n;
    void *target;
    struct qb_str_list *operands;
    bool *help;
    struct qb_err *err;
};

/* How the user wrote an option: for messages. */
struct match {
    const struct qb_option *option;
    const char *shown; /* "--threads", "-t" */
    const char *value; /* NULL when it is the next argument */
    bool negated;      /* --no-x */
};

static void *field(const struct qb_option *o, void *target)
{
    return (char *)target + o->offset;
}

static bool bounded(const struct qb_option *o)
{
    return o->min != 0 || o->max != 0;
}

static enum qb_status parse_int(const struct qb_option *o, const char *shown, const char *text, int64_t *out,
                                struct qb_err *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno || *text == ' ')
        return qb_fail(err, QB_ERR_USAGE, "option '%s': '%s' is not an integer", shown, text);
    if (bounded(o) && ((double)v < o->min || (double)v > o->max))
        return qb_fail(err, QB_ERR_USAGE, "option '%s': %lld is not between %.0f and %.0f", shown, v, o->min,
                       o->max);
    *out = v;
    return QB_OK;
}

static enum qb_status parse_double(const struct qb_option *o, const char *shown, const char *text,
                                   double *out, struct qb_err *err)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v) || *text == ' ')
        return qb_fail(err, QB_ERR_USAGE, "option '%s': '%s' is not a number", shown, text);
    if (bounded(o) && (v < o->min || v > o->max))
        return qb_fail(err, QB_ERR_USAGE, "option '%s': %g is not between %g and %g", shown, v, o->min,
                       o->max);
    *out = v;
    return QB_OK;
}

static enum qb_status parse_choice(const struct qb_option *o, const char *shown, const char *text, int *out,
                                   struct qb_err *err)
{
    struct qb_buf names;
    qb_buf_init(&names, 1024);
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            qb_buf_release(&names);
            *out = i;
            return QB_OK;
        }
        qb_buf_printf(&names, "%s%s", i ? ", " : "", o->choices[i]);
    }
    enum qb_status status =
        qb_fail(err, QB_ERR_USAGE, "option '%s': '%s' is not one of %s", shown, text, names.data);
    qb_buf_release(&names);
    return status;
}

static enum qb_status parse_flag(const char *shown, const char *text, bool *out, struct qb_err *err)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < QB_ARRAY_LEN(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *out = strcmp(text, yes[i]) == 0;
            return QB_OK;
        }
    }
    return qb_fail(err, QB_ERR_USAGE, "option '%s': '%s' is neither yes nor no", shown, text);
}

static enum qb_status parse_list(const char *shown, const char *text, struct qb_str_list *out,
                                 struct qb_err *err)
{
    char *copy;
    QB_TRY(qb_strdup(&copy, text, err));
    enum qb_status status = QB_OK;
    char *rest = copy;
    for (char *item = strsep(&rest, ","); item && status == QB_OK; item = strsep(&rest, ",")) {
        if (*item)
            status = qb_str_list_add(out, item, err);
        else
            status = qb_fail(err, QB_ERR_USAGE, "option '%s': empty item in '%s'", shown, text);
    }
    free(copy);
    return status;
}

/* Store text in the option's field; lists append. */
static enum qb_status store(const struct qb_option *o, const char *shown, const char *text, void *target,
                            struct qb_err *err)
{
    void *f = field(o, target);
    switch (o->kind) {
    case QB_OPT_FLAG:
        return parse_flag(shown, text, f, err);
    case QB_OPT_INT:
        return parse_int(o, shown, text, f, err);
    case QB_OPT_DOUBLE:
        return parse_double(o, shown, text, f, err);
    case QB_OPT_STRING:
        *(const char **)f = text;
        return QB_OK;
    case QB_OPT_CHOICE:
        return parse_choice(o, shown, text, f, err);
    case QB_OPT_LIST:
        return parse_list(shown, text, f, err);
    case QB_OPT_INTS:
        return qb_int_list_parse(f, text, shown, o->min, o->max, err);
    case QB_OPT_HEADING:
        break;
    }
    return QB_OK;
}

static void set_empty(const struct qb_option *o, void *target)
{
    void *f = field(o, target);
    switch (o->kind) {
    case QB_OPT_FLAG:
        *(bool *)f = false;
        break;
    case QB_OPT_INT:
        *(int64_t *)f = 0;
        break;
    case QB_OPT_DOUBLE:
        *(double *)f = 0;
        break;
    case QB_OPT_STRING:
        *(const char **)f = NULL;
        break;
    case QB_OPT_CHOICE:
        *(int *)f = 0;
        break;
    case QB_OPT_LIST:
        *(struct qb_str_list *)f = (struct qb_str_list){0};
        break;
    case QB_OPT_INTS:
        *(struct qb_int_list *)f = (struct qb_int_list){0};
        break;
    case QB_OPT_HEADING:
        break;
    }
}

static bool is_list(const struct qb_option *o)
{
    return o->kind == QB_OPT_LIST || o->kind == QB_OPT_INTS;
}

enum qb_status qb_options_defaults(const struct qb_option *options, size_t n, void *target,
                                   struct qb_err *err)
{
    for (size_t i = 0; i < n; i++)
        set_empty(&options[i], target);
    for (size_t i = 0; i < n; i++) {
        const struct qb_option *o = &options[i];
        if (o->default_text && o->kind != QB_OPT_HEADING && !is_list(o))
            QB_TRY(store(o, o->name, o->default_text, target, err));
    }
    return QB_OK;
}

static size_t list_length(const struct qb_option *o, void *target)
{
    void *f = field(o, target);
    return o->kind == QB_OPT_LIST ? ((struct qb_str_list *)f)->n : ((struct qb_int_list *)f)->n;
}

static enum qb_status default_lists(const struct parse *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_option *o = &p->options[i];
        if (is_list(o) && o->default_text && list_length(o, p->target) == 0)
            QB_TRY(store(o, o->name, o->default_text, p->target, p->err));
    }
    return QB_OK;
}

/* The option called name[0..len), or NULL. `flags_only`: for --no-NAME. */
static const struct qb_option *find_long(const struct parse *p, const char *name, size_t len, bool flags_only)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_option *o = &p->options[i];
        if (o->kind == QB_OPT_HEADING || (flags_only && o->kind != QB_OPT_FLAG) || !o->name)
            continue;
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static const struct qb_option *find_short(const struct parse *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct qb_option *o = &p->options[i];
        if (o->kind != QB_OPT_HEADING && o->short_name && strlen(o->short_name) == len &&
            memcmp(o->short_name, name, len) == 0)
            return o;
    }
    return NULL;
}

/* Edit distance, to name the option that was probably meant. Only short words take part. */
static size_t distance(const char *a, size_t len_a, const char *b)
{
    size_t row[64], len_b = strlen(b);
    if (len_a >= QB_ARRAY_LEN(row) || len_b >= QB_ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 0; i < len_a; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len_b; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[len_b];
}

static enum qb_status unknown_option(const struct parse *p, const char *arg)
{
    const char *nearest = NULL, *name = arg + strspn(arg, "-");
    size_t least = 3, len = strcspn(name, "=");
    for (size_t i = 0; i < p->n && len >= 3; i++) {
        const struct qb_option *o = &p->options[i];
        if (o->kind == QB_OPT_HEADING || !o->name)
            continue;
        size_t d = distance(name, len, o->name);
        if (d < least) {
            least = d;
            nearest = o->name;
        }
    }
    if (nearest)
        return qb_fail(p->err, QB_ERR_USAGE, "unknown option '%s' (did you mean '--%s'?)", arg, nearest);
    return qb_fail(p->err, QB_ERR_USAGE, "unknown option '%s'", arg);
}

/* --name, --name=VALUE, --no-name */
static bool match_long(const struct parse *p, const char *arg, struct match *m)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    *m = (struct match){.value = equals ? equals + 1 : NULL};
    m->option = find_long(p, name, len, false);
    if (!m->option && len > 3 && memcmp(name, "no-", 3) == 0) {
        m->option = find_long(p, name + 3, len - 3, true);
        m->negated = true;
    }
    return m->option != NULL;
}

/* -x, -pg, -xVALUE: a short name of several letters wins over a one-letter name with a value attached. */
static bool match_short(const struct parse *p, const char *arg, struct match *m)
{
    *m = (struct match){.option = find_short(p, arg + 1, strlen(arg + 1))};
    if (m->option)
        return true;
    m->option = find_short(p, arg + 1, 1);
    m->value = arg + 2;
    return m->option && m->option->kind != QB_OPT_FLAG;
}

static enum qb_status apply(const struct parse *p, const struct match *m, int *i, int argc, char **argv)
{
    const struct qb_option *o = m->option;
    if (o->kind == QB_OPT_FLAG) {
        if (m->value)
            return qb_fail(p->err, QB_ERR_USAGE, "option '%s' takes no value", m->shown);
        *(bool *)field(o, p->target) = !m->negated;
        return QB_OK;
    }
    const char *value = m->value;
    if (!value) {
        if (*i + 1 >= argc)
            return qb_fail(p->err, QB_ERR_USAGE, "option '%s' needs a value (%s)", m->shown,
                           o->value_name ? o->value_name : "VALUE");
        value = argv[++*i];
    }
    return store(o, m->shown, value, p->target, p->err);
}

static enum qb_status parse_option(const struct parse *p, int *i, int argc, char **argv)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    struct match m;
    if (!(is_long ? match_long(p, arg, &m) : match_short(p, arg, &m)))
        return unknown_option(p, arg);
    char shown[64]; /* what was typed, without an attached value */
    size_t len = strlen(arg) - (m.value ? strlen(m.value) + (is_long ? 1 : 0) : 0);
    snprintf(shown, sizeof shown, "%.*s", (int)len, arg);
    m.shown = shown;
    return apply(p, &m, i, argc, argv);
}

static bool asks_for_help(const struct parse *p, const char *arg)
{
    return strcmp(arg, "--help") == 0 || (strcmp(arg, "-h") == 0 && !find_short(p, "h", 1));
}

static enum qb_status add_operand(const struct parse *p, const char *arg)
{
    if (!p->operands)
        return qb_fail(p->err, QB_ERR_USAGE, "unexpected argument '%s'", arg);
    return qb_str_list_add(p->operands, arg, p->err);
}

enum qb_status qb_options_parse(const struct qb_option *options, size_t n, void *target, int argc,
                                char **argv, struct qb_str_list *operands, bool *help, struct qb_err *err)
{
    struct parse p = {options, n, target, operands, help, err};
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            QB_TRY(add_operand(&p, arg));
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (help && asks_for_help(&p, arg)) {
            *help = true;
            return QB_OK;
        } else {
            QB_TRY(parse_option(&p, &i, argc, argv));
        }
    }
    return default_lists(&p);
}

void qb_options_release(const struct qb_option *options, size_t n, void *target)
{
    for (size_t i = 0; i < n; i++) {
        if (options[i].kind == QB_OPT_LIST)
            qb_str_list_release(field(&options[i], target));
        else if (options[i].kind == QB_OPT_INTS)
            qb_int_list_release(field(&options[i], target));
    }
}

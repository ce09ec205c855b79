/*
 * CSV (RFC 4180) with every value quoted, as llama-bench does; absent values are empty. Lists are left out.
 */
#include "reports/table.h"
#include <inttypes.h>

static void quoted(FILE *f, const char *s)
{
    putc('"', f);
    for (; *s; s++) {
        if (*s == '"')
            putc('"', f);
        putc(*s, f);
    }
    putc('"', f);
}

static void cell(FILE *f, const struct qb_value *v)
{
    switch (v->kind) {
    case QB_VALUE_TEXT:
        quoted(f, v->text);
        break;
    case QB_VALUE_INT:
        fprintf(f, "\"%" PRId64 "\"", v->i);
        break;
    case QB_VALUE_BOOL:
        fprintf(f, "\"%d\"", v->i != 0);
        break;
    case QB_VALUE_REAL:
        fprintf(f, "\"%.9g\"", v->real);
        break;
    default:
        fputs("\"\"", f);
    }
}

static enum qb_status begin(struct qb_writer *w, struct qb_err *err)
{
    (void)err;
    const char *sep = "";
    for (size_t i = 0; i < w->n_columns; i++) {
        if (w->columns[i].kind == QB_VALUE_LIST)
            continue;
        fputs(sep, w->out);
        fputs(w->columns[i].name, w->out);
        sep = ",";
    }
    putc('\n', w->out);
    return QB_OK;
}

static enum qb_status row(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    const char *sep = "";
    for (size_t i = 0; i < w->n_columns; i++) {
        if (w->columns[i].kind == QB_VALUE_LIST)
            continue;
        fputs(sep, w->out);
        cell(w->out, &values[i]);
        sep = ",";
    }
    putc('\n', w->out);
    return qb_stream_check(w->out, "the output", err);
}

extern const struct qb_writer_ops qb_writer_csv;
const struct qb_writer_ops qb_writer_csv = {.name = "csv", .begin = begin, .row = row};

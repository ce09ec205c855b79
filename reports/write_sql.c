/*
 * SQL for SQLite: create-if-absent and one insert a row, as llama-bench writes them, with quotes doubled and
 * absent values NULL. Lists are left out.
 */
#include "reports/table.h"
#include <inttypes.h>

static const char *type_name(enum qb_value_kind kind)
{
    switch (kind) {
    case QB_VALUE_INT:
    case QB_VALUE_BOOL:
        return "INTEGER";
    case QB_VALUE_REAL:
        return "REAL";
    default:
        return "TEXT";
    }
}

static void literal(FILE *f, const struct qb_value *v)
{
    switch (v->kind) {
    case QB_VALUE_TEXT:
        putc('\'', f);
        for (const char *s = v->text; *s; s++) {
            if (*s == '\'')
                putc('\'', f);
            putc(*s, f);
        }
        putc('\'', f);
        break;
    case QB_VALUE_INT:
        fprintf(f, "%" PRId64, v->i);
        break;
    case QB_VALUE_BOOL:
        fprintf(f, "%d", v->i != 0);
        break;
    case QB_VALUE_REAL:
        fprintf(f, "%.9g", v->real);
        break;
    default:
        fputs("NULL", f);
    }
}

static enum qb_status begin(struct qb_writer *w, struct qb_err *err)
{
    (void)err;
    fprintf(w->out, "CREATE TABLE IF NOT EXISTS %s (\n", w->table);
    const char *sep = "";
    for (size_t i = 0; i < w->n_columns; i++) {
        if (w->columns[i].kind == QB_VALUE_LIST)
            continue;
        fprintf(w->out, "%s  %s %s", sep, w->columns[i].name, type_name(w->columns[i].kind));
        sep = ",\n";
    }
    fputs("\n);\n", w->out);
    return QB_OK;
}

static enum qb_status row(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    fprintf(w->out, "INSERT INTO %s (", w->table);
    const char *sep = "";
    for (size_t i = 0; i < w->n_columns; i++) {
        if (w->columns[i].kind == QB_VALUE_LIST)
            continue;
        fprintf(w->out, "%s%s", sep, w->columns[i].name);
        sep = ", ";
    }
    fputs(") VALUES (", w->out);
    sep = "";
    for (size_t i = 0; i < w->n_columns; i++) {
        if (w->columns[i].kind == QB_VALUE_LIST)
            continue;
        fputs(sep, w->out);
        literal(w->out, &values[i]);
        sep = ", ";
    }
    fputs(");\n", w->out);
    return qb_stream_check(w->out, "the output", err);
}

extern const struct qb_writer_ops qb_writer_sql;
const struct qb_writer_ops qb_writer_sql = {.name = "sql", .begin = begin, .row = row};

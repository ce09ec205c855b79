/*
 * Values, columns and the writers of tables: what `-o md|csv|json|jsonl|sql` means. A writer streams rows;
 * the Markdown writer holds them back until the end, because its columns are as wide as their widest cell.
 */
#ifndef QB_REPORTS_TABLE_H
#define QB_REPORTS_TABLE_H

#include "base/err.h"
#include <stdio.h>

enum qb_value_kind {
    QB_VALUE_NULL,
    QB_VALUE_TEXT,
    QB_VALUE_INT,
    QB_VALUE_REAL,
    QB_VALUE_BOOL,
    QB_VALUE_LIST
};

/* Borrowed: text and list live until the row is written. A NaN real is written as absent. */
struct qb_value {
    enum qb_value_kind kind;
    int64_t i;
    double real;
    const char *text;
    const double *list; /* JSON and JSONL only */
    size_t n;
    bool whole; /* the list holds integers */
};

static inline struct qb_value qb_text(const char *s)
{
    return (struct qb_value){.kind = s ? QB_VALUE_TEXT : QB_VALUE_NULL, .text = s};
}
static inline struct qb_value qb_int(int64_t i)
{
    return (struct qb_value){.kind = QB_VALUE_INT, .i = i};
}
static inline struct qb_value qb_real(double x)
{
    return (struct qb_value){.kind = x == x ? QB_VALUE_REAL : QB_VALUE_NULL, .real = x};
}
static inline struct qb_value qb_bool(bool b)
{
    return (struct qb_value){.kind = QB_VALUE_BOOL, .i = b};
}

struct qb_column {
    const char *name;
    enum qb_value_kind kind;
    int decimals; /* of reals in Markdown */
    int width;    /* least width in Markdown */
};

enum qb_writer_id {
#define QB_WRITER(id, ...) QB_WRITER_##id,
#include "reports/writers.def"
#undef QB_WRITER
    QB_WRITER_COUNT
};

struct qb_writer {
    const struct qb_writer_ops *ops;
    FILE *out;
    const char *table; /* name for SQL */
    const struct qb_column *columns;
    size_t n_columns, n_rows;
    void *state;
};

struct qb_writer_ops {
    const char *name;
    enum qb_status (*begin)(struct qb_writer *w, struct qb_err *err);
    enum qb_status (*row)(struct qb_writer *w, const struct qb_value *values, struct qb_err *err);
    enum qb_status (*end)(struct qb_writer *w,
                          struct qb_err *err); /* releases state; called also after a failure */
};

const struct qb_writer_ops *qb_writer_ops_get(enum qb_writer_id id);
/* Name to id; false when unknown. */
bool qb_writer_parse(const char *name, enum qb_writer_id *out);

/* begin -> row... -> end (always, also after a failure: it releases). Columns are borrowed until end. */
enum qb_status qb_writer_begin(struct qb_writer *w, enum qb_writer_id id, FILE *out, const char *table,
                               const struct qb_column *columns, size_t n_columns, struct qb_err *err);
enum qb_status qb_writer_row(struct qb_writer *w, const struct qb_value *values, struct qb_err *err);
enum qb_status qb_writer_end(struct qb_writer *w, struct qb_err *err);
/* Did everything reach the file? QB_ERR_IO with errno's text when not. Flushes. */
enum qb_status qb_stream_check(FILE *out, const char *name, struct qb_err *err);

#endif

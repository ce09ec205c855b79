/*
 * The list of writers and what they share.
 */
#include "reports/table.h"
#include <errno.h>
#include <strings.h>

#define QB_WRITER(id, name) extern const struct qb_writer_ops qb_writer_##name;
#include "reports/writers.def"
#undef QB_WRITER

static const struct qb_writer_ops *const writers[] = {
#define QB_WRITER(id, name) &qb_writer_##name,
#include "reports/writers.def"
#undef QB_WRITER
};

const struct qb_writer_ops *qb_writer_ops_get(enum qb_writer_id id)
{
    return (unsigned)id < QB_WRITER_COUNT ? writers[id] : NULL;
}

bool qb_writer_parse(const char *name, enum qb_writer_id *out)
{
    for (int i = 0; i < QB_WRITER_COUNT; i++)
        if (!strcasecmp(writers[i]->name, name)) {
            *out = (enum qb_writer_id)i;
            return true;
        }
    return false;
}

enum qb_status qb_writer_begin(struct qb_writer *w, enum qb_writer_id id, FILE *out, const char *table,
                               const struct qb_column *columns, size_t n_columns, struct qb_err *err)
{
    *w = (struct qb_writer){
        .ops = writers[id], .out = out, .table = table, .columns = columns, .n_columns = n_columns};
    return w->ops->begin ? w->ops->begin(w, err) : QB_OK;
}

enum qb_status qb_writer_row(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    enum qb_status st = w->ops->row(w, values, err);
    w->n_rows += st == QB_OK;
    return st;
}

enum qb_status qb_writer_end(struct qb_writer *w, struct qb_err *err)
{
    return w->ops->end ? w->ops->end(w, err) : QB_OK;
}

enum qb_status qb_stream_check(FILE *out, const char *name, struct qb_err *err)
{
    if (fflush(out) != 0)
        return qb_fail_errno(err, QB_ERR_IO, "cannot write to %s", name);
    if (ferror(out))
        return qb_fail(err, QB_ERR_IO, "cannot write to %s", name);
    return QB_OK;
}

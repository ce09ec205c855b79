/*
 * JSON (an array of flat objects, one a row) and JSON Lines. Absent values are null, so every object has
 * every key.
 */
#include "reports/table.h"
#include <jansson.h>

static json_t *list_value(const struct qb_value *v)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < v->n; i++)
        json_array_append_new(a, v->whole ? json_integer((json_int_t)v->list[i]) : json_real(v->list[i]));
    return a;
}

static json_t *to_json(const struct qb_value *v)
{
    switch (v->kind) {
    case QB_VALUE_TEXT: {
        json_t *s = json_string(v->text);
        return s ? s : json_string("(not UTF-8)");
    }
    case QB_VALUE_INT:
        return json_integer(v->i);
    case QB_VALUE_BOOL:
        return json_boolean(v->i);
    case QB_VALUE_REAL: {
        json_t *x = json_real(v->real);
        return x ? x : json_null(); /* infinite */
    }
    case QB_VALUE_LIST:
        return list_value(v);
    default:
        return json_null();
    }
}

static enum qb_status object(struct qb_writer *w, const struct qb_value *values, size_t flags,
                             struct qb_err *err)
{
    json_t *o = json_object();
    for (size_t i = 0; o && i < w->n_columns; i++)
        if (json_object_set_new(o, w->columns[i].name, to_json(&values[i])) != 0) {
            json_decref(o);
            o = NULL;
        }
    if (!o)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for a row of JSON");
    int bad = json_dumpf(o, w->out, flags | JSON_REAL_PRECISION(9));
    json_decref(o);
    return bad ? qb_fail(err, QB_ERR_IO, "cannot write to the output") : QB_OK;
}

static enum qb_status begin_array(struct qb_writer *w, struct qb_err *err)
{
    (void)err;
    fputs("[", w->out);
    return QB_OK;
}

static enum qb_status row_array(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    fputs(w->n_rows ? ",\n" : "\n", w->out);
    return object(w, values, JSON_INDENT(2), err);
}

static enum qb_status end_array(struct qb_writer *w, struct qb_err *err)
{
    fputs(w->n_rows ? "\n]\n" : "]\n", w->out);
    return qb_stream_check(w->out, "the output", err);
}

static enum qb_status row_line(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    enum qb_status st = object(w, values, JSON_COMPACT, err);
    putc('\n', w->out);
    return st ? st : qb_stream_check(w->out, "the output", err);
}

extern const struct qb_writer_ops qb_writer_json, qb_writer_jsonl;
const struct qb_writer_ops qb_writer_json = {
    .name = "json", .begin = begin_array, .row = row_array, .end = end_array};
const struct qb_writer_ops qb_writer_jsonl = {.name = "jsonl", .row = row_line};

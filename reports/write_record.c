/*
 * Records as tables. The Markdown form follows llama-bench: model, size, params, backend and threads always,
 * then only those parameters that vary or are not default, test and t/s, and last the percentage of Q4_0.
 */
#include "base/mem.h"
#include "reports/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 24
#define CELL        160

/* Columns that appear only when they say something: field, heading, llama-bench's default. */
static const struct optional_column {
    int field;
    const char *title;
    const char *normal; /* the text that needs no column */
} optional_columns[] = {
    {QB_FIELD_cpu_mask, "cpu_mask", "0x0"},
    {QB_FIELD_n_batch, "n_batch", "2048"},
    {QB_FIELD_n_ubatch, "n_ubatch", "512"},
    {QB_FIELD_threads_batch, "threads_batch", NULL},
    {QB_FIELD_type_k, "type_k", "f16"},
    {QB_FIELD_type_v, "type_v", "f16"},
    {QB_FIELD_isa, "isa", NULL},
    {QB_FIELD_status, "status", "ok"},
};

static void field_text(const struct qb_record *r, int field, char *out)
{
    struct qb_value values[QB_FIELD_COUNT];
    qb_record_values(r, values);
    const struct qb_value *v = &values[field];
    out[0] = 0;
    if (v->kind == QB_VALUE_TEXT)
        snprintf(out, CELL, "%s", v->text);
    else if (v->kind == QB_VALUE_INT)
        snprintf(out, CELL, "%lld", (long long)v->i);
}

/* Threads for prompts matter only where they differ from the others. */
static bool is_normal(const struct qb_record *r, const struct optional_column *c, const char *text)
{
    if (c->field == QB_FIELD_threads_batch)
        return r->threads_batch == r->n_threads || r->threads_batch == QB_ABSENT_INT;
    return !c->normal || !strcmp(text, c->normal) || !text[0];
}

static bool is_shown(const struct qb_record_writer *w, const struct optional_column *c)
{
    char first[CELL] = "", text[CELL];
    for (size_t i = 0; i < w->n_kept; i++) {
        field_text(&w->kept[i], c->field, text);
        if (!is_normal(&w->kept[i], c, text))
            return true;
        if (c->field == QB_FIELD_threads_batch || !text[0])
            continue;
        if (first[0] && strcmp(text, first))
            return true;
        memcpy(first, text, sizeof first);
    }
    return false;
}

struct layout {
    struct qb_column columns[MAX_COLUMNS];
    const struct optional_column *optional[QB_ARRAY_LEN(optional_columns)];
    size_t n, n_optional;
};

static void choose_columns(const struct qb_record_writer *w, struct layout *l)
{
    static const struct qb_column head[] = {{"model", QB_VALUE_TEXT, 0, 30},
                                            {"size", QB_VALUE_REAL, 0, 10},
                                            {"params", QB_VALUE_REAL, 0, 10},
                                            {"backend", QB_VALUE_TEXT, 0, 10},
                                            {"threads", QB_VALUE_INT, 0, 7}};
    static const struct qb_column tail[] = {
        {"test", QB_VALUE_REAL, 0, 15}, {"t/s", QB_VALUE_REAL, 0, 20}, {"% (vs Q4_0)", QB_VALUE_REAL, 0, 0}};
    memset(l, 0, sizeof *l);
    memcpy(l->columns, head, sizeof head);
    l->n = QB_ARRAY_LEN(head);
    for (size_t i = 0; i < QB_ARRAY_LEN(optional_columns); i++) {
        const struct optional_column *c = &optional_columns[i];
        if (!is_shown(w, c))
            continue;
        enum qb_value_kind kind = qb_record_fields[c->field].kind;
        l->columns[l->n++] = (struct qb_column){c->title, kind, 0, 0};
        l->optional[l->n_optional++] = c;
    }
    memcpy(&l->columns[l->n], tail, sizeof tail);
    l->n += QB_ARRAY_LEN(tail);
}

static void speed_text(const struct qb_record *r, char *out)
{
    if (r->avg_ts == r->avg_ts)
        snprintf(out, CELL, "%.2f ± %.2f", r->avg_ts, r->stddev_ts == r->stddev_ts ? r->stddev_ts : 0.0);
    else
        snprintf(out, CELL, "-");
}

static enum qb_status print_row(struct qb_writer *w, const struct layout *l, const struct qb_record *r,
                                struct qb_err *err)
{
    char cell[MAX_COLUMNS][CELL];
    struct qb_value values[MAX_COLUMNS];
    size_t n = 0;
    qb_record_model_text(r, cell[n++], CELL);
    snprintf(cell[n], CELL, "-");
    if (r->model_size != QB_ABSENT_INT)
        qb_size_text((uint64_t)r->model_size, cell[n], CELL);
    snprintf(cell[++n], CELL, "-");
    if (r->model_n_params != QB_ABSENT_INT)
        qb_params_text((uint64_t)r->model_n_params, cell[n], CELL);
    snprintf(cell[++n], CELL, "%s", r->backends ? r->backends : "CPU");
    field_text(r, QB_FIELD_n_threads, cell[++n]);
    for (size_t i = 0; i < l->n_optional; i++)
        field_text(r, l->optional[i]->field, cell[++n]);
    snprintf(cell[++n], CELL, "%s", r->test ? r->test : "-");
    speed_text(r, cell[++n]);
    snprintf(cell[++n], CELL, "-");
    if (r->vs_baseline == r->vs_baseline)
        snprintf(cell[n], CELL, "%.0f", r->vs_baseline);
    for (size_t i = 0; i < l->n; i++)
        values[i] = qb_text(cell[i]);
    return qb_writer_row(w, values, err);
}

/* The same reason for all tests of a model is said once. */
static bool said_before(const struct qb_record_writer *w, size_t i)
{
    char mine[CELL], other[CELL];
    qb_record_model_text(&w->kept[i], mine, sizeof mine);
    for (size_t k = 0; k < i; k++) {
        qb_record_model_text(&w->kept[k], other, sizeof other);
        if (w->kept[k].reason && !strcmp(w->kept[k].reason, w->kept[i].reason) && !strcmp(mine, other))
            return true;
    }
    return false;
}

static void print_footer(const struct qb_record_writer *w)
{
    FILE *f = w->writer.out;
    bool blank = false;
    for (size_t i = 0; i < w->n_kept; i++) {
        const struct qb_record *r = &w->kept[i];
        if (!r->reason || said_before(w, i))
            continue;
        if (!blank)
            putc('\n', f);
        blank = true;
        char model[CELL];
        qb_record_model_text(r, model, sizeof model);
        fprintf(f, "%s: %s: %s\n", model, r->status ? r->status : "?", r->reason);
    }
    if (w->n_kept && w->kept[0].build_commit)
        fprintf(f, "\nbuild: %s (%lld)\n", w->kept[0].build_commit, (long long)w->kept[0].build_number);
}

static enum qb_status print_markdown(struct qb_record_writer *w, struct qb_err *err)
{
    struct layout l;
    choose_columns(w, &l);
    struct qb_writer *md = &w->writer;
    enum qb_status st = qb_writer_begin(md, QB_WRITER_MD, md->out, "llama_bench", l.columns, l.n, err);
    for (size_t i = 0; i < w->n_kept && !st; i++)
        st = print_row(md, &l, &w->kept[i], err);
    enum qb_status end = qb_writer_end(md, st ? NULL : err);
    st = st ? st : end;
    if (!st)
        st = qb_record_print_profile(md->out, w->kept, w->n_kept, err);
    if (!st)
        print_footer(w);
    return st ? st : qb_stream_check(md->out, "the output", err);
}

enum qb_status qb_record_writer_begin(struct qb_record_writer *w, enum qb_writer_id id, FILE *out,
                                      struct qb_err *err)
{
    memset(w, 0, sizeof *w);
    w->id = id;
    w->writer.out = out;
    if (id == QB_WRITER_MD)
        return QB_OK;
    return qb_writer_begin(&w->writer, id, out, "llama_bench", qb_record_columns(), QB_FIELD_COUNT, err);
}

enum qb_status qb_record_writer_row(struct qb_record_writer *w, const struct qb_record *r, struct qb_err *err)
{
    if (w->id != QB_WRITER_MD) {
        struct qb_value values[QB_FIELD_COUNT];
        qb_record_values(r, values);
        return qb_writer_row(&w->writer, values, err);
    }
    struct qb_record *kept = realloc(w->kept, (w->n_kept + 1) * sizeof *kept);
    if (!kept)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the table");
    w->kept = kept;
    QB_TRY(qb_record_copy(&kept[w->n_kept], r, err));
    w->n_kept++;
    return QB_OK;
}

enum qb_status qb_record_writer_end(struct qb_record_writer *w, struct qb_err *err)
{
    if (w->id != QB_WRITER_MD)
        return qb_writer_end(&w->writer, err);
    enum qb_status st = w->n_kept ? print_markdown(w, err) : QB_OK;
    for (size_t i = 0; i < w->n_kept; i++)
        qb_record_release(&w->kept[i]);
    free(w->kept);
    w->kept = NULL;
    w->n_kept = 0;
    return st;
}

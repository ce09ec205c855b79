/*
 * The tables of `qbench quantize`: file types, and tensors.
 */
#include "bench/cmd_quantize.h"
#include <string.h>

static const char *const state_names[] = {"ok", "skipped", "refused", "failed"};

/* Markdown leaves out what other forms have in bytes, and columns without a value. */
enum show { SHOW_ALWAYS, SHOW_NOT_MD, SHOW_MD_IF_ANY };

static const struct {
    struct qb_column column;
    enum show show;
} file_columns[] = {{{"ftype", QB_VALUE_TEXT, 0, 0}, SHOW_ALWAYS},
                    {{"size_gb", QB_VALUE_REAL, 2, 0}, SHOW_ALWAYS},
                    {{"bits_per_weight", QB_VALUE_REAL, 4, 0}, SHOW_ALWAYS},
                    {{"size_bytes", QB_VALUE_INT, 0, 0}, SHOW_NOT_MD},
                    {{"model_size", QB_VALUE_INT, 0, 0}, SHOW_NOT_MD},
                    {{"n_params", QB_VALUE_INT, 0, 0}, SHOW_NOT_MD},
                    {{"n_tensors", QB_VALUE_INT, 0, 0}, SHOW_NOT_MD},
                    {{"fallbacks", QB_VALUE_INT, 0, 0}, SHOW_MD_IF_ANY},
                    {{"status", QB_VALUE_TEXT, 0, 0}, SHOW_ALWAYS},
                    {{"file", QB_VALUE_TEXT, 0, 0}, SHOW_MD_IF_ANY},
                    {{"reason", QB_VALUE_TEXT, 0, 0}, SHOW_MD_IF_ANY}};
#define COLUMN_SIZE_GB 1
#define SMALL_BYTES    100000000 /* two decimals of a GB say nothing of such a file */
#define N_FILE_COLUMNS QB_ARRAY_LEN(file_columns)

static void file_values(const struct qb_quantize_row *r, struct qb_value *v)
{
    const struct qb_quant_plan *p = &r->plan;
    struct qb_value none = qb_text(NULL);
    bool planned = p->n > 0;
    const struct qb_value values[] = {
        qb_text(r->ftype->name),
        r->size_bytes ? qb_real((double)r->size_bytes / 1e9) : none,
        planned ? qb_real(8.0 * (double)p->tensor_bytes / (double)p->n_params) : none,
        r->size_bytes ? qb_int((int64_t)r->size_bytes) : none,
        planned ? qb_int((int64_t)p->tensor_bytes) : none,
        planned ? qb_int((int64_t)p->n_params) : none,
        planned ? qb_int((int64_t)p->n) : none,
        planned ? qb_int((int64_t)p->n_fallbacks) : none,
        qb_text(state_names[r->state]),
        r->path ? qb_text(r->path) : none,
        r->why.message[0] ? qb_text(r->why.message) : none,
    };
    _Static_assert(QB_ARRAY_LEN(values) == N_FILE_COLUMNS, "one value a column");
    memcpy(v, values, sizeof values);
}

static bool has_value(const struct qb_quantize_row *rows, size_t n, size_t column)
{
    struct qb_value v[N_FILE_COLUMNS];
    for (size_t i = 0; i < n; i++) {
        file_values(&rows[i], v);
        if (v[column].kind != QB_VALUE_NULL && !(v[column].kind == QB_VALUE_INT && v[column].i == 0))
            return true;
    }
    return false;
}

static bool is_shown(const struct qb_quantize_row *rows, size_t n, size_t column, enum qb_writer_id id)
{
    enum show show = file_columns[column].show;
    if (id != QB_WRITER_MD || show == SHOW_ALWAYS)
        return true;
    return show == SHOW_MD_IF_ANY && has_value(rows, n, column);
}

enum qb_status qb_quantize_print(const struct qb_quantize_row *rows, size_t n, enum qb_writer_id id,
                                 FILE *out, struct qb_err *err)
{
    struct qb_column columns[N_FILE_COLUMNS];
    size_t index[N_FILE_COLUMNS], n_columns = 0;
    uint64_t largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = rows[i].size_bytes > largest ? rows[i].size_bytes : largest;
    for (size_t c = 0; c < N_FILE_COLUMNS; c++)
        if (is_shown(rows, n, c, id)) {
            columns[n_columns] = file_columns[c].column;
            if (c == COLUMN_SIZE_GB && largest < SMALL_BYTES)
                columns[n_columns].decimals = 4;
            index[n_columns++] = c;
        }
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, id, out, "files", columns, n_columns, err);
    for (size_t i = 0; i < n && !st; i++) {
        struct qb_value all[N_FILE_COLUMNS], shown[N_FILE_COLUMNS];
        file_values(&rows[i], all);
        for (size_t c = 0; c < n_columns; c++)
            shown[c] = all[index[c]];
        st = qb_writer_row(&w, shown, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status print_tensor(struct qb_writer *w, const struct qb_ftype *ftype,
                                   const struct qb_quant_tensor *t, struct qb_err *err)
{
    double weights = (double)t->ne[0] * (double)t->ne[1] * (double)t->ne[2] * (double)t->ne[3];
    bool fallback = t->chosen_id != t->type_id && ftype->layout == QB_LAYOUT_PLAIN;
    struct qb_value row[] = {qb_text(ftype->name),
                             qb_text(t->name),
                             t->source ? qb_text(qb_gguf_type_name(t->source->type_id)) : qb_text(NULL),
                             qb_text(qb_gguf_type_name(t->type_id)),
                             qb_int(t->ne[0]),
                             qb_int(t->ne[1]),
                             qb_int(t->ne[2]),
                             qb_int(t->ne[3]),
                             qb_int((int64_t)t->bytes),
                             qb_real(8.0 * (double)t->bytes / weights),
                             fallback ? qb_text(qb_gguf_type_name(t->chosen_id)) : qb_text(NULL),
                             qb_bool(t->lacks_imatrix)};
    return qb_writer_row(w, row, err);
}

enum qb_status qb_quantize_print_tensors(const struct qb_quantize_row *rows, size_t n, enum qb_writer_id id,
                                         FILE *out, struct qb_err *err)
{
    static const struct qb_column columns[] = {{"ftype", QB_VALUE_TEXT, 0, 0},
                                               {"tensor", QB_VALUE_TEXT, 0, 0},
                                               {"source_type", QB_VALUE_TEXT, 0, 0},
                                               {"type", QB_VALUE_TEXT, 0, 0},
                                               {"ne0", QB_VALUE_INT, 0, 0},
                                               {"ne1", QB_VALUE_INT, 0, 0},
                                               {"ne2", QB_VALUE_INT, 0, 0},
                                               {"ne3", QB_VALUE_INT, 0, 0},
                                               {"size_bytes", QB_VALUE_INT, 0, 0},
                                               {"bits_per_weight", QB_VALUE_REAL, 4, 0},
                                               {"fallback_from", QB_VALUE_TEXT, 0, 0},
                                               {"lacks_imatrix", QB_VALUE_BOOL, 0, 0}};
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, id, out, "tensors", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < n && !st; i++)
        for (size_t k = 0; k < rows[i].plan.n && !st; k++)
            st = print_tensor(&w, rows[i].ftype, &rows[i].plan.tensors[k], err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

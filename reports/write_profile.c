/*
 * The second table of a profiled benchmark: shares of the time by kind of operation.
 */
#include "reports/record.h"
#include <math.h>

#define FIRST    QB_FIELD_pct_time_embed
#define LAST     QB_FIELD_pct_time_head
#define N_PHASES (LAST - FIRST + 1)
#define PREFIX   (sizeof "pct_time_" - 1)
#define CELL     160

static bool is_profiled(const struct qb_record *r)
{
    return !isnan(r->pct_time_head);
}

static enum qb_status print_row(struct qb_writer *w, const struct qb_record *r, struct qb_err *err)
{
    char model[CELL];
    struct qb_value all[QB_FIELD_COUNT], values[2 + N_PHASES];
    qb_record_model_text(r, model, sizeof model);
    qb_record_values(r, all);
    values[0] = qb_text(model);
    values[1] = qb_text(r->test);
    for (int i = 0; i < N_PHASES; i++)
        values[2 + i] = all[FIRST + i];
    return qb_writer_row(w, values, err);
}

enum qb_status qb_record_print_profile(FILE *out, const struct qb_record *rows, size_t n, struct qb_err *err)
{
    struct qb_column columns[2 + N_PHASES] = {{"time (%)", QB_VALUE_TEXT, 0, 30},
                                              {"test", QB_VALUE_TEXT, 0, 15}};
    struct qb_writer w;
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any = any || is_profiled(&rows[i]);
    if (!any)
        return QB_OK;
    for (int i = 0; i < N_PHASES; i++)
        columns[2 + i] = (struct qb_column){qb_record_fields[FIRST + i].name + PREFIX, QB_VALUE_REAL, 1, 0};
    putc('\n', out);
    enum qb_status st = qb_writer_begin(&w, QB_WRITER_MD, out, "profile", columns, 2 + N_PHASES, err);
    for (size_t i = 0; i < n && !st; i++)
        if (is_profiled(&rows[i]))
            st = print_row(&w, &rows[i], err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

/*
 * Statistics of importance matrices, a row a tensor.
 */
#include "bench/imatrix_table.h"
#include "base/log.h"
#include "engine/imatrix_stats.h"
#include <inttypes.h>
#include <stdlib.h>

#define MAX_WARNINGS 10

static const struct qb_column columns[] = {
    {"layer", QB_VALUE_INT, 0, 0},        {"tensor", QB_VALUE_TEXT, 0, 0},
    {"tokens", QB_VALUE_INT, 0, 0},       {"columns", QB_VALUE_INT, 0, 0},
    {"experts", QB_VALUE_INT, 0, 0},      {"experts_unseen", QB_VALUE_INT, 0, 0},
    {"columns_zero", QB_VALUE_INT, 0, 0}, {"sum_sq", QB_VALUE_REAL, 4, 0},
    {"min", QB_VALUE_REAL, 4, 0},         {"max", QB_VALUE_REAL, 4, 0},
    {"mean", QB_VALUE_REAL, 4, 0},        {"std_dev", QB_VALUE_REAL, 4, 0},
    {"entropy", QB_VALUE_REAL, 4, 0},     {"entropy_pct", QB_VALUE_REAL, 2, 0},
    {"gain", QB_VALUE_REAL, 2, 0},        {"cos_sim", QB_VALUE_REAL, 4, 0},
};

static enum qb_status row(struct qb_writer *w, const struct qb_imatrix *im, const struct qb_imatrix_entry *e,
                          struct qb_err *err)
{
    struct qb_imatrix_stats s;
    QB_TRY(qb_imatrix_stats_of(&s, im, e, err));
    struct qb_value values[] = {
        s.layer < 0 ? (struct qb_value){0} : qb_int(s.layer),
        qb_text(e->name),
        qb_int((int64_t)s.tokens),
        qb_int(s.n_in),
        qb_int(s.n_mat),
        qb_int(s.n_unseen),
        qb_int(s.n_zero),
        qb_real(s.sum2),
        qb_real(s.min),
        qb_real(s.max),
        qb_real(s.mean),
        qb_real(s.stddev),
        qb_real(s.entropy),
        qb_real(s.entropy_pct),
        qb_real(s.gain),
        qb_real(s.cosine),
    };
    _Static_assert(QB_ARRAY_LEN(values) == QB_ARRAY_LEN(columns), "a value for every column");
    return qb_writer_row(w, values, err);
}

enum qb_status qb_imatrix_table(const struct qb_imatrix *im, enum qb_writer_id form, FILE *out,
                                struct qb_err *err)
{
    struct qb_writer w;
    const struct qb_imatrix_entry **list;
    QB_TRY(qb_imatrix_by_layer(&list, im, err));
    enum qb_status st = qb_writer_begin(&w, form, out, "imatrix", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < im->n && !st; i++)
        st = row(&w, im, list[i], err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    free(list);
    return st ? st : end;
}

enum qb_status qb_imatrix_notes(const struct qb_imatrix *im, struct qb_err *err)
{
    size_t n_partial = 0, n_zero_tensors = 0;
    int64_t n_zero = 0;
    for (size_t i = 0; i < im->n; i++) {
        struct qb_imatrix_stats s;
        QB_TRY(qb_imatrix_stats_of(&s, im, &im->entries[i], err));
        n_zero += s.n_zero;
        n_zero_tensors += s.n_zero > 0;
        if (s.n_unseen == 0 || ++n_partial > MAX_WARNINGS)
            continue;
        qb_warn("no token reached %" PRId64 " of the %" PRId64 " experts of '%s'", s.n_unseen, s.n_mat,
                im->entries[i].name);
    }
    if (n_partial > MAX_WARNINGS)
        qb_warn("the same of %zu more tensors", n_partial - MAX_WARNINGS);
    if (n_zero > 0)
        qb_info("%" PRId64 " columns of %zu tensors were always 0", n_zero, n_zero_tensors);
    return QB_OK;
}

/*
 * Rows of quality as data and as tables.
 */
#include "reports/quality_record.h"
#include "base/file.h"
#include "base/log.h"
#include "reports/record.h"
#include <stdio.h>
#include <string.h>

#define CELL      64
#define PATH_SIZE 4096

const struct qb_field qb_quality_fields[QB_QUALITY_FIELD_COUNT] = {
#define QB_FIELD(kind, name, unit, help)                                                                     \
    {#name, unit, help, QB_VALUE_##kind, offsetof(struct qb_quality_record, name)},
#include "reports/quality_record.def"
#undef QB_FIELD
};

static const struct qb_column all_columns[QB_QUALITY_FIELD_COUNT] = {
#define QB_FIELD(type, id, unit, help) {.name = #id, .kind = QB_VALUE_##type, .decimals = 6},
#include "reports/quality_record.def"
#undef QB_FIELD
};

void qb_quality_record_init(struct qb_quality_record *r)
{
    memset(r, 0, sizeof *r);
    qb_fields_init(qb_quality_fields, QB_QUALITY_FIELD_COUNT, r);
    r->schema = QB_QUALITY_SCHEMA;
}

void qb_quality_record_release(struct qb_quality_record *r)
{
    qb_fields_release(qb_quality_fields, QB_QUALITY_FIELD_COUNT, r);
    memset(r, 0, sizeof *r);
}

/* ---- the table for people ---- */

enum { VARIANT, SIZE, BPW, PPL, KLD, P99, DP, TOP, REASON, N_COLUMNS };

static const struct qb_column columns[N_COLUMNS] = {
    [VARIANT] = {"variant", QB_VALUE_TEXT, 0, 0}, [SIZE] = {"size", QB_VALUE_REAL, 0, 0},
    [BPW] = {"bits/weight", QB_VALUE_REAL, 3, 0}, [PPL] = {"PPL", QB_VALUE_REAL, 0, 0},
    [KLD] = {"mean KLD", QB_VALUE_REAL, 0, 0},    [P99] = {"99 % KLD", QB_VALUE_REAL, 6, 0},
    [DP] = {"RMS Δp %", QB_VALUE_REAL, 3, 0},     [TOP] = {"same top %", QB_VALUE_REAL, 2, 0},
    [REASON] = {"failed", QB_VALUE_TEXT, 0, 0},
};

static struct qb_value with_error(double x, double err, int decimals, char *cell)
{
    if (!(x == x))
        return qb_text("-");
    if (err == err)
        snprintf(cell, CELL, "%.*f ± %.*f", decimals, x, decimals, err);
    else
        snprintf(cell, CELL, "%.*f", decimals, x);
    return qb_text(cell);
}

/* Which columns say something: those against a base, and why rows failed. */
static size_t choose(const struct qb_quality_record *rows, size_t n, int *chosen)
{
    bool base = false, failed = false;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        base = base || rows[i].kld_mean == rows[i].kld_mean;
        failed = failed || rows[i].reason;
    }
    for (int c = 0; c < N_COLUMNS; c++)
        if ((c < KLD || c > TOP || base) && (c != REASON || failed))
            chosen[count++] = c;
    return count;
}

static enum qb_status md_row(struct qb_writer *w, const struct qb_quality_record *r, const int *chosen,
                             size_t n_chosen, struct qb_err *err)
{
    char size[CELL] = "-", ppl[CELL], kld[CELL];
    struct qb_value all[N_COLUMNS], values[N_COLUMNS];
    if (r->size_bytes != QB_ABSENT_INT)
        qb_size_text((uint64_t)r->size_bytes, size, sizeof size);
    all[VARIANT] = qb_text(r->variant ? r->variant : "?");
    all[SIZE] = qb_text(size);
    all[BPW] = qb_real(r->bits_per_weight);
    all[PPL] = with_error(r->ppl, r->ppl_err, 4, ppl);
    all[KLD] = with_error(r->kld_mean, r->kld_err, 6, kld);
    all[P99] = qb_real(r->kld_p99);
    all[DP] = qb_real(r->rms_dp_pct);
    all[TOP] = qb_real(r->same_top_pct);
    all[REASON] = qb_text(r->reason ? r->reason : "");
    for (size_t i = 0; i < n_chosen; i++)
        values[i] = all[chosen[i]];
    return qb_writer_row(w, values, err);
}

static enum qb_status write_md(FILE *out, const struct qb_quality_record *rows, size_t n, struct qb_err *err)
{
    struct qb_column shown[N_COLUMNS];
    int chosen[N_COLUMNS];
    size_t n_chosen = choose(rows, n, chosen);
    for (size_t i = 0; i < n_chosen; i++)
        shown[i] = columns[chosen[i]];
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, QB_WRITER_MD, out, "quality", shown, n_chosen, err);
    for (size_t i = 0; i < n && !st; i++)
        st = md_row(&w, &rows[i], chosen, n_chosen, err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

enum qb_status qb_quality_write(enum qb_writer_id id, FILE *out, const struct qb_quality_record *rows,
                                size_t n, struct qb_err *err)
{
    struct qb_value values[QB_QUALITY_FIELD_COUNT];
    struct qb_writer w;
    if (id == QB_WRITER_MD)
        return write_md(out, rows, n, err);
    enum qb_status st = qb_writer_begin(&w, id, out, "quality", all_columns, QB_QUALITY_FIELD_COUNT, err);
    for (size_t i = 0; i < n && !st; i++) {
        for (size_t f = 0; f < QB_QUALITY_FIELD_COUNT; f++)
            values[f] = qb_field_value(&qb_quality_fields[f], &rows[i]);
        st = qb_writer_row(&w, values, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

/* ---- the folder ---- */

static enum qb_status write_form(const char *dir, enum qb_writer_id id, const struct qb_quality_record *rows,
                                 size_t n, struct qb_err *err)
{
    char path[PATH_SIZE];
    struct qb_atomic file;
    snprintf(path, sizeof path, "%s/quality.%s", dir, qb_writer_ops_get(id)->name);
    QB_TRY(qb_atomic_open(&file, path, err));
    enum qb_status st = qb_quality_write(id, file.file, rows, n, err);
    if (!st)
        return qb_atomic_commit(&file, err);
    qb_atomic_abort(&file);
    return st;
}

enum qb_status qb_quality_write_dir(const char *dir, const struct qb_quality_record *rows, size_t n,
                                    struct qb_err *err)
{
    static const enum qb_writer_id forms[] = {QB_WRITER_MD, QB_WRITER_CSV, QB_WRITER_JSON};
    for (size_t i = 0; i < QB_ARRAY_LEN(forms); i++)
        QB_TRY(write_form(dir, forms[i], rows, n, err));
    struct qb_err plot_err = {0};
    enum qb_status st = qb_plot_quality(dir, rows, n, &plot_err);
    if (st == QB_ERR_NOT_FOUND || st == QB_ERR_UNSUPPORTED) {
        qb_warn("no chart: %s", plot_err.message); /* the tables are there all the same */
        return QB_OK;
    }
    if (st && err)
        *err = plot_err;
    return st;
}

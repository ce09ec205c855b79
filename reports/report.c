/*
 * The report folder.
 */
#include "reports/report.h"
#include "base/file.h"
#include "base/log.h"
#include "reports/plot.h"
#include <stdio.h>
#include <unistd.h>

#define PATH_SIZE 4096

enum qb_status qb_report_check_dir(const char *dir, struct qb_err *err)
{
    QB_TRY(qb_mkdirs(dir, err));
    if (access(dir, W_OK | X_OK) != 0)
        return qb_fail_errno(err, QB_ERR_IO, "cannot write into folder '%s'", dir);
    return QB_OK;
}

static enum qb_status write_form(const char *dir, enum qb_writer_id id, const struct qb_record *rows,
                                 size_t n, struct qb_err *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/results.%s", dir, qb_writer_ops_get(id)->name);
    struct qb_atomic file;
    QB_TRY(qb_atomic_open(&file, path, err));
    struct qb_record_writer w;
    enum qb_status st = qb_record_writer_begin(&w, id, file.file, err);
    for (size_t i = 0; i < n && !st; i++)
        st = qb_record_writer_row(&w, &rows[i], err);
    enum qb_status end = qb_record_writer_end(&w, st ? NULL : err);
    st = st ? st : end;
    if (!st)
        return qb_atomic_commit(&file, err);
    qb_atomic_abort(&file);
    return st;
}

enum qb_status qb_report_write_dir(const char *dir, const struct qb_record *rows, size_t n,
                                   struct qb_err *err)
{
    static const enum qb_writer_id forms[] = {QB_WRITER_MD, QB_WRITER_CSV, QB_WRITER_JSON};
    for (size_t i = 0; i < QB_ARRAY_LEN(forms); i++)
        QB_TRY(write_form(dir, forms[i], rows, n, err));
    struct qb_err plot_err = {0};
    enum qb_status st = qb_plot_speed(dir, rows, n, &plot_err);
    if (st == QB_ERR_NOT_FOUND || st == QB_ERR_UNSUPPORTED) {
        qb_warn("no charts: %s", plot_err.message); /* the tables are there all the same */
        return QB_OK;
    }
    if (st && err)
        *err = plot_err;
    return st;
}

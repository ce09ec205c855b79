/*
 * A folder with everything about a run: results.md, .csv, .json, and the charts.
 */
#ifndef QB_REPORTS_REPORT_H
#define QB_REPORTS_REPORT_H

#include "reports/record.h"

/* Make the folder and see that files can be made in it, before anything is measured. */
enum qb_status qb_report_check_dir(const char *dir, struct qb_err *err);
enum qb_status qb_report_write_dir(const char *dir, const struct qb_record *rows, size_t n,
                                   struct qb_err *err);

#endif

/*
 * The table of statistics of an importance matrix, and notes on what it lacks.
 */
#ifndef QB_BENCH_IMATRIX_TABLE_H
#define QB_BENCH_IMATRIX_TABLE_H

#include "engine/imatrix.h"
#include "reports/table.h"

enum qb_status qb_imatrix_table(const struct qb_imatrix *im, enum qb_writer_id form, FILE *out,
                                struct qb_err *err);
/* Warn of experts that no token reached; tell of columns that were always 0. */
enum qb_status qb_imatrix_notes(const struct qb_imatrix *im, struct qb_err *err);

#endif

/*
 * One row of `qbench quality`: a struct generated from quality_record.def, its view as table values, its
 * tables and its chart.
 */
#ifndef QB_REPORTS_QUALITY_RECORD_H
#define QB_REPORTS_QUALITY_RECORD_H

#include "reports/fields.h"

#define QB_QUALITY_SCHEMA 1

struct qb_quality_record {
#define QB_FIELD(kind, name, unit, help) QB_RECORD_TYPE_##kind name;
#include "reports/quality_record.def"
#undef QB_FIELD
};

enum {
#define QB_FIELD(kind, name, unit, help) QB_QUALITY_FIELD_##name,
#include "reports/quality_record.def"
#undef QB_FIELD
    QB_QUALITY_FIELD_COUNT
};

extern const struct qb_field qb_quality_fields[QB_QUALITY_FIELD_COUNT];

void qb_quality_record_init(struct qb_quality_record *r); /* all absent */
void qb_quality_record_release(struct qb_quality_record *r);

/* All rows: QB_WRITER_MD as a table for people, the other forms with every field. */
enum qb_status qb_quality_write(enum qb_writer_id id, FILE *out, const struct qb_quality_record *rows,
                                size_t n, struct qb_err *err);
/*
 * DIR/quality.{dat,gp,png,svg}: KL divergence (on a logarithmic scale) against bits per weight; without a
 * base, perplexity. Errors: QB_ERR_NOT_FOUND without gnuplot, QB_ERR_UNSUPPORTED when fewer than two rows
 * have a figure.
 */
enum qb_status qb_plot_quality(const char *dir, const struct qb_quality_record *rows, size_t n,
                               struct qb_err *err);
/* DIR/quality.{md,csv,json} and the chart, which may be left out with a warning. */
enum qb_status qb_quality_write_dir(const char *dir, const struct qb_quality_record *rows, size_t n,
                                    struct qb_err *err);

#endif

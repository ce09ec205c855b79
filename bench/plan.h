/*
 * --dry-run: what would be timed, what it takes, and about how long.
 */
#ifndef QB_BENCH_PLAN_H
#define QB_BENCH_PLAN_H

#include "bench/measure.h"
#include "reports/table.h"

/* One row a case to out; the totals to stderr. */
enum qb_status qb_plan_print(struct qb_lab *l, enum qb_writer_id id, FILE *out, struct qb_err *err);
/* The shapes that -m shape:NAME takes. */
enum qb_status qb_plan_shapes(enum qb_writer_id id, FILE *out, struct qb_err *err);

#endif

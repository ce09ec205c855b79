/*
 * The measurement: groups of variants that fit in memory together, a correctness check and warm-up for each,
 * then rounds that run every case once in a random, seeded order.
 */
#ifndef QB_BENCH_MEASURE_H
#define QB_BENCH_MEASURE_H

#include "bench/lab.h"
#include "reports/record.h"

struct qb_measure_sink {
    enum qb_status (*row)(void *arg, const struct qb_record *r, struct qb_err *err);
    void *arg;
};

/*
 * Measure a suite and hand every row to the sink, group by group in the order of the table.
 * @param n_failed  rows whose status is failed
 * Errors: QB_ERR_INTERRUPTED after the rows measured so far went to the sink; what the sink returns.
 */
enum qb_status qb_measure(struct qb_lab *l, const struct qb_measure_sink *sink, size_t *n_failed,
                          struct qb_err *err);

/* Cut the variants into groups that fit in memory: end of the group that starts at `from`. */
size_t qb_measure_group_end(const struct qb_lab *l, size_t from);

/* The row of a case, all but the comparison with the baseline; its variant is still loaded (bench/fill.c). */
enum qb_status qb_fill_record(struct qb_record *r, const struct qb_lab *l, size_t c, struct qb_err *err);
/* The case of plain Q4_0 that a case is compared with; SIZE_MAX when the suite has none. */
size_t qb_baseline_case(const struct qb_lab *l, size_t c);
/* The comparison, once the baseline is measured. */
enum qb_status qb_fill_baseline(struct qb_record *r, const struct qb_lab *l, size_t c, struct qb_err *err);

#endif

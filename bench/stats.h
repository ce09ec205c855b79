/*
 * Summaries of samples: two-pass deviation, bootstrap intervals, ratios of paired rounds.
 */
#ifndef QB_BENCH_STATS_H
#define QB_BENCH_STATS_H

#include "base/err.h"

/* NaN where n is too small: std below 2 samples, intervals below 2. */
struct qb_summary {
    double mean, std, median, ci_low, ci_high;
};

double qb_stats_mean(const double *x, size_t n);
double qb_stats_std(const double *x, size_t n); /* sample (n - 1), two passes */
double qb_stats_median(const double *x, size_t n);

/* Everything, with a 95 % percentile bootstrap interval of the mean (Efron, 1979). Same seed, same interval.
 */
enum qb_status qb_stats_summary(struct qb_summary *s, const double *x, size_t n, uint64_t seed,
                                struct qb_err *err);

struct qb_ratio {
    double ratio, low, high;
};
/*
 * mean(a) / mean(b) with a 95 % bootstrap interval. paired: a[i] and b[i] were measured in the same round and
 * are drawn together (na == nb); else both are drawn on their own.
 */
enum qb_status qb_stats_ratio(struct qb_ratio *r, const double *a, size_t na, const double *b, size_t nb,
                              bool paired, uint64_t seed, struct qb_err *err);

#endif

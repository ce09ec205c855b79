/*
 * Statistics of a handful of samples. Percentile bootstrap: B. Efron, "Bootstrap methods", Annals of
 * Statistics 7 (1979).
 */
#include "bench/stats.h"
#include "base/mem.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 4000

double qb_stats_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : NAN;
}

double qb_stats_std(const double *x, size_t n)
{
    if (n < 2)
        return NAN;
    double mean = qb_stats_mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear interpolation at q of sorted values. */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    double low = sorted[i], high = sorted[i + 1 < n ? i + 1 : i];
    return low + (at - (double)i) * (high - low);
}

double qb_stats_median(const double *x, size_t n)
{
    if (n == 0)
        return NAN;
    double few[64], *copy = n <= QB_ARRAY_LEN(few) ? few : malloc(n * sizeof *copy);
    if (!copy)
        return NAN;
    memcpy(copy, x, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, compare);
    double median = quantile(copy, n, 0.5);
    if (copy != few)
        free(copy);
    return median;
}

static void interval(double *draws, double *low, double *high)
{
    qsort(draws, RESAMPLES, sizeof *draws, compare);
    *low = quantile(draws, RESAMPLES, 0.025);
    *high = quantile(draws, RESAMPLES, 0.975);
}

static double draw_mean(const double *x, size_t n, struct qb_rng *rng)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[qb_rng_below(rng, (uint32_t)n)];
    return sum / (double)n;
}

enum qb_status qb_stats_summary(struct qb_summary *s, const double *x, size_t n, uint64_t seed,
                                struct qb_err *err)
{
    *s = (struct qb_summary){qb_stats_mean(x, n), qb_stats_std(x, n), qb_stats_median(x, n), NAN, NAN};
    if (n < 2)
        return QB_OK;
    void *draws;
    QB_TRY(qb_calloc(&draws, RESAMPLES, sizeof(double), "the bootstrap", err));
    struct qb_rng rng;
    qb_rng_init(&rng, seed, 1);
    for (size_t i = 0; i < RESAMPLES; i++)
        ((double *)draws)[i] = draw_mean(x, n, &rng);
    interval(draws, &s->ci_low, &s->ci_high);
    free(draws);
    return QB_OK;
}

static double draw_paired(const double *a, const double *b, size_t n, struct qb_rng *rng)
{
    double sum_a = 0, sum_b = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = qb_rng_below(rng, (uint32_t)n);
        sum_a += a[k];
        sum_b += b[k];
    }
    return sum_a / sum_b;
}

enum qb_status qb_stats_ratio(struct qb_ratio *r, const double *a, size_t na, const double *b, size_t nb,
                              bool paired, uint64_t seed, struct qb_err *err)
{
    *r = (struct qb_ratio){qb_stats_mean(a, na) / qb_stats_mean(b, nb), NAN, NAN};
    if (na < 2 || nb < 2)
        return QB_OK;
    if (paired && na != nb)
        QB_BUG("paired samples of different length");
    void *draws;
    QB_TRY(qb_calloc(&draws, RESAMPLES, sizeof(double), "the bootstrap", err));
    struct qb_rng rng;
    qb_rng_init(&rng, seed, 2);
    for (size_t i = 0; i < RESAMPLES; i++)
        ((double *)draws)[i] =
            paired ? draw_paired(a, b, na, &rng) : draw_mean(a, na, &rng) / draw_mean(b, nb, &rng);
    interval(draws, &r->low, &r->high);
    free(draws);
    return QB_OK;
}

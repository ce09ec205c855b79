/*
 * The summary of scores: means, their errors, quantiles.
 */
#include "base/mem.h"
#include "engine/score.h"

#include <math.h>
#include <stdlib.h>

/* Means of two columns, their squares and their product. */
struct moments {
    double x, y, xx, yy, xy;
    size_t n;
};

static void add(struct moments *m, double x, double y)
{
    m->x += x;
    m->y += y;
    m->xx += x * x;
    m->yy += y * y;
    m->xy += x * y;
    m->n++;
}

static void divide(struct moments *m)
{
    double n = (double)m->n;
    m->x /= n;
    m->y /= n;
    m->xx /= n;
    m->yy /= n;
    m->xy /= n;
}

/* Of a mean of n values whose variance (divided by n) is v. */
static double error_of_mean(double v, size_t n)
{
    return n > 1 ? sqrt(fmax(0, v) / (double)(n - 1)) : NAN;
}

struct qb_estimate qb_estimate_of(const double *x, size_t n)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    return (struct qb_estimate){mean, error_of_mean(square / (double)n, n)};
}

double qb_sorted_quantile(const double *sorted, size_t n, double f)
{
    double at = f * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void perplexities(struct qb_quality *q, const struct qb_score *s, size_t n, bool has_base)
{
    struct moments m = {0};
    for (size_t i = 0; i < n; i++)
        add(&m, s[i].nll, has_base ? s[i].base_nll : 0);
    divide(&m);
    double vx = m.xx - m.x * m.x, vy = m.yy - m.y * m.y, cov = m.xy - m.x * m.y;
    q->ppl.mean = exp(m.x);
    q->ppl.err = q->ppl.mean * error_of_mean(vx, n);
    if (!has_base)
        return;
    q->base_ppl.mean = exp(m.y);
    q->base_ppl.err = q->base_ppl.mean * error_of_mean(vy, n);
    q->ln_ppl_ratio.mean = m.x - m.y;
    q->ln_ppl_ratio.err = error_of_mean(vx + vy - 2 * cov, n);
    q->correlation = vx > 0 && vy > 0 ? cov / sqrt(vx * vy) : NAN;
}

static void divergences(struct qb_quality *q, double *x, const struct qb_score *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = s[i].divergence;
    q->kld = qb_estimate_of(x, n);
    qsort(x, n, sizeof *x, ascending);
    q->kld_min = x[0];
    q->kld_median = qb_sorted_quantile(x, n, 0.5);
    q->kld_p90 = qb_sorted_quantile(x, n, 0.9);
    q->kld_p95 = qb_sorted_quantile(x, n, 0.95);
    q->kld_p99 = qb_sorted_quantile(x, n, 0.99);
    q->kld_p999 = qb_sorted_quantile(x, n, 0.999);
    q->kld_max = x[n - 1];
}

/* The error of a root is that of the mean of squares times its derivative. */
static void agreement(struct qb_quality *q, double *x, const struct qb_score *s, size_t n)
{
    double same = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = s[i].dp;
        same += s[i].same_top;
    }
    q->dp = qb_estimate_of(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= x[i];
    struct qb_estimate square = qb_estimate_of(x, n);
    q->rms_dp.mean = sqrt(square.mean);
    q->rms_dp.err = q->rms_dp.mean > 0 ? 0.5 * square.err / q->rms_dp.mean : 0;
    q->same_top.mean = same / (double)n;
    q->same_top.err = error_of_mean(q->same_top.mean * (1 - q->same_top.mean), n);
}

static enum qb_status check_finite(const struct qb_score *s, size_t n, bool has_base, struct qb_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(s[i].nll) || (has_base && !isfinite(s[i].divergence)))
            return qb_fail(err, QB_ERR_CHECK, "the logits of scored position %zu are not finite", i);
    return QB_OK;
}

static const struct qb_estimate none = {NAN, NAN};

enum qb_status qb_quality_summarize(struct qb_quality *q, const struct qb_score *scores, size_t n,
                                    bool has_base, struct qb_err *err)
{
    *q =
        (struct qb_quality){none, none, none, NAN, none, NAN, NAN, NAN, NAN, NAN, NAN, NAN, none, none, none};
    QB_TRY(check_finite(scores, n, has_base, err));
    perplexities(q, scores, n, has_base);
    if (!has_base)
        return QB_OK;
    double *x = NULL;
    QB_TRY(qb_calloc((void **)&x, n, sizeof *x, "the summary", err));
    divergences(q, x, scores, n);
    agreement(q, x, scores, n);
    free(x);
    return QB_OK;
}

/*
 * How well a model predicts a text: scores of single positions from logits, and their summary. The
 * definitions are those of llama-perplexity, so that figures can be compared (docs/quality.md).
 */
#ifndef QB_ENGINE_SCORE_H
#define QB_ENGINE_SCORE_H

#include "base/err.h"
#include "engine/pool.h"

/* A distribution over the vocabulary: ln p[i] = x[i] - ln_sum, p[i] = exp(x[i] - shift) * scale. */
struct qb_distribution {
    const float *x; /* logits, or natural logarithms of probabilities; borrowed */
    float shift;
    double ln_sum, scale;
    int32_t top; /* the most probable token, the first one of equals */
};
/* Of n logits (softmax); the sums are in double. What is not finite gives a ln_sum that is not. */
void qb_distribution_of_logits(struct qb_distribution *d, const float *x, int n);
/* Of n logarithms as they are: their probabilities need not add up to 1 (rounded ones do not). */
void qb_distribution_of_logs(struct qb_distribution *d, const float *x, int n);
/* Sum of p_base ln(p_base / p), in nats: what is lost when `d` stands in for `base`. */
double qb_distribution_divergence(const struct qb_distribution *d, const struct qb_distribution *base, int n);

/* One position of the text. The last four are NaN and false without a base. */
struct qb_score {
    double nll, base_nll; /* -ln p of the token that follows */
    double divergence;    /* from the base, in nats */
    double dp;            /* p - p_base of the token that follows */
    bool same_top;        /* is the most probable token the same? */
};
/* @param base  the distribution of the base at this position, or NULL */
void qb_score_position(struct qb_score *s, const float *logits, int n_vocab, int32_t next,
                       const struct qb_distribution *base);

/* Positions [0, n) on the pool. */
struct qb_score_job {
    const float *logits;                /* [n][n_vocab] */
    const int32_t *next;                /* the token that follows each position */
    struct qb_distribution *to;         /* [n]: distributions of logits, or NULL; for making a base */
    const struct qb_distribution *base; /* [n], or NULL */
    struct qb_score *out;               /* [n], or NULL */
    int n, n_vocab;
};
void qb_score_run(struct qb_pool *pool, const struct qb_score_job *job);

/* Mean and its standard error: sqrt((E[x^2] - E[x]^2) / (n - 1)), NaN for n < 2. */
struct qb_estimate {
    double mean, err;
};
struct qb_estimate qb_estimate_of(const double *x, size_t n);
/* Quantile f in [0, 1] of ascending values: linear between the two nearest to f (n - 1). */
double qb_sorted_quantile(const double *sorted, size_t n, double f);

/* Everything about a model over all positions; what needs a base is NaN without one. */
struct qb_quality {
    struct qb_estimate ppl, base_ppl;
    struct qb_estimate ln_ppl_ratio; /* ln(ppl / base_ppl); its error knows that the positions are paired */
    double correlation;              /* of the two nll, -1 to 1 */
    struct qb_estimate kld;
    double kld_min, kld_median, kld_p90, kld_p95, kld_p99, kld_p999, kld_max;
    struct qb_estimate dp, rms_dp, same_top; /* shares of 1 */
};
/* Errors: QB_ERR_CHECK when a score is not finite (the model does not work), QB_ERR_MEMORY. n > 0. */
enum qb_status qb_quality_summarize(struct qb_quality *q, const struct qb_score *scores, size_t n,
                                    bool has_base, struct qb_err *err);

#endif

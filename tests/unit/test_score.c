/*
 * Scores against hand-computed values and against the definitions in double; summaries against hand-computed
 * values.
 */
#include "engine/score.h"

#include "base/rng.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdlib.h>

#define MAX_VOCAB 5000

static void near(double got, double want, double slack)
{
    if (!(fabs(got - want) <= slack))
        fail_msg("%.12g, expected %.12g within %g", got, want, slack);
}

/* Probabilities 0.1, 0.2, 0.3, 0.4 against 0.25 each. */
static void four_tokens_by_hand(void **state)
{
    (void)state;
    const float logits[] = {5, 5 + logf(2), 5 + logf(3), 5 + logf(4)}, flat[] = {-3, -3, -3, -3};
    struct qb_distribution base;
    struct qb_score s;
    qb_distribution_of_logits(&base, flat, 4);
    near(base.ln_sum, -3 + log(4), 1e-7);
    assert_int_equal(base.top, 0);
    qb_score_position(&s, logits, 4, 1, &base);
    near(s.nll, -log(0.2), 1e-6);
    near(s.base_nll, log(4), 1e-6);
    near(s.divergence, 0.25 * log(1 / (4 * 0.1 * 4 * 0.2 * 4 * 0.3 * 4 * 0.4)), 1e-6);
    near(s.dp, -0.05, 1e-6);
    assert_false(s.same_top);
    qb_score_position(&s, logits, 4, 3, NULL);
    near(s.nll, -log(0.4), 1e-6);
    assert_true(isnan(s.base_nll) && isnan(s.divergence) && isnan(s.dp));
}

static void fill(float *x, int n, float spread, uint64_t stream)
{
    struct qb_rng rng;
    qb_rng_init(&rng, 3, stream);
    for (int i = 0; i < n; i++)
        x[i] = spread * qb_rng_normal(&rng) + 4;
}

static double ln_sum_exp(const float *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp(x[i]);
    return log(sum);
}

/* Any length, sharp and flat, near and far apart. */
static void as_the_definitions_say(void **state)
{
    (void)state;
    static float b[MAX_VOCAB], q[MAX_VOCAB];
    const int sizes[] = {1, 2, 15, 16, 17, 511, 512, 513, 1030, MAX_VOCAB};
    const float spreads[] = {0.01f, 1, 8};
    for (size_t i = 0; i < QB_ARRAY_LEN(sizes); i++) {
        for (size_t k = 0; k < QB_ARRAY_LEN(spreads); k++) {
            int n = sizes[i];
            struct qb_distribution base, d;
            double want = 0;
            fill(b, n, spreads[k], 1);
            fill(q, n, spreads[k] / 4, 2);
            for (int j = 0; j < n; j++)
                q[j] += b[j];
            double lb = ln_sum_exp(b, n), lq = ln_sum_exp(q, n);
            for (int j = 0; j < n; j++)
                want += exp(b[j] - lb) * (b[j] - lb - (q[j] - lq));
            qb_distribution_of_logits(&base, b, n);
            qb_distribution_of_logits(&d, q, n);
            near(base.ln_sum, lb, 1e-6);
            near(d.ln_sum, lq, 1e-6);
            near(qb_distribution_divergence(&d, &base, n), want, 2e-6 + 1e-6 * want);
            assert_true(qb_distribution_divergence(&base, &base, n) == 0);
        }
    }
}

/* Logarithms of probabilities that do not add up to 1 are taken as they are. */
static void logarithms_are_not_normalized(void **state)
{
    (void)state;
    const float logs[] = {logf(0.5f), logf(0.25f), -1000}, logits[] = {0, 0, 0};
    struct qb_distribution base, d;
    qb_distribution_of_logs(&base, logs, 3);
    qb_distribution_of_logits(&d, logits, 3);
    near(base.ln_sum, 0, 0);
    assert_int_equal(base.top, 0);
    near(qb_distribution_divergence(&d, &base, 3), 0.5 * log(0.5 * 3) + 0.25 * log(0.25 * 3), 1e-6);
}

static void what_is_not_finite_shows(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < QB_ARRAY_LEN(bad); i++) {
        float x[40];
        struct qb_score s[2];
        struct qb_quality q;
        struct qb_err err;
        fill(x, 40, 1, 3);
        qb_score_position(&s[0], x, 40, 7, NULL);
        x[7] = bad[i];
        qb_score_position(&s[1], x, 40, 7, NULL);
        assert_int_equal(qb_quality_summarize(&q, s, 2, false, &err), QB_ERR_CHECK);
        assert_string_equal(err.message, "the logits of scored position 1 are not finite");
    }
}

/* The pool gives what single positions give, and can keep the distributions for a base. */
static void jobs_equal_single_positions(void **state)
{
    (void)state;
    enum { N = 7, VOCAB = 300 };
    static float b[N * VOCAB], q[N * VOCAB];
    struct qb_distribution base[N];
    struct qb_score got[N], want;
    int32_t next[N];
    fill(b, N * VOCAB, 2, 4);
    fill(q, N * VOCAB, 2, 5);
    for (int i = 0; i < N; i++)
        next[i] = i * 40;
    int pu[] = {-1, -1, -1};
    struct qb_placement p = {.n_threads = 3, .pu = pu, .oversubscribed = true};
    struct qb_pool *pool;
    assert_int_equal(qb_pool_create(&pool, &p, NULL), QB_OK);
    struct qb_score_job make = {.logits = b, .to = base, .n = N, .n_vocab = VOCAB};
    qb_score_run(pool, &make);
    struct qb_score_job job = {.logits = q, .next = next, .base = base, .out = got, .n = N, .n_vocab = VOCAB};
    qb_score_run(pool, &job);
    for (int i = 0; i < N; i++) {
        struct qb_distribution d;
        qb_distribution_of_logits(&d, b + i * VOCAB, VOCAB);
        assert_true(d.ln_sum == base[i].ln_sum && d.top == base[i].top);
        qb_score_position(&want, q + i * VOCAB, VOCAB, next[i], &d);
        assert_true(got[i].nll == want.nll && got[i].divergence == want.divergence && got[i].dp == want.dp);
        assert_int_equal(got[i].same_top, want.same_top);
    }
    qb_pool_free(pool);
}

static void summary_by_hand(void **state)
{
    (void)state;
    const struct qb_score s[] = {{1, 1, 0.3, 0.1, true}, {2, 1, 0.1, -0.1, false}, {3, 2, 0.2, 0.2, true}};
    struct qb_quality q;
    assert_int_equal(qb_quality_summarize(&q, s, 3, true, NULL), QB_OK);
    near(q.ppl.mean, exp(2), 1e-12);
    near(q.ppl.err, exp(2) * sqrt(1.0 / 3), 1e-12);
    near(q.base_ppl.mean, exp(4.0 / 3), 1e-12);
    near(q.base_ppl.err, exp(4.0 / 3) / 3, 1e-12);
    near(q.ln_ppl_ratio.mean, 2.0 / 3, 1e-12);
    near(q.ln_ppl_ratio.err, 1.0 / 3, 1e-12);
    near(q.correlation, sqrt(3) / 2, 1e-12);
    near(q.kld.mean, 0.2, 1e-12);
    near(q.kld.err, sqrt(0.02 / 6), 1e-12);
    near(q.kld_min, 0.1, 0);
    near(q.kld_median, 0.2, 1e-12);
    near(q.kld_p90, 0.28, 1e-12);
    near(q.kld_p99, 0.298, 1e-12);
    near(q.kld_max, 0.3, 0);
    near(q.dp.mean, 0.2 / 3, 1e-12);
    near(q.rms_dp.mean, sqrt(0.02), 1e-12);
    near(q.rms_dp.err, 0.5 * 0.01 / sqrt(0.02), 1e-12);
    near(q.same_top.mean, 2.0 / 3, 1e-12);
    near(q.same_top.err, 1.0 / 3, 1e-12);
}

static void quantiles_lie_between_values(void **state)
{
    (void)state;
    const double x[] = {1, 2, 4, 8};
    near(qb_sorted_quantile(x, 4, 0), 1, 0);
    near(qb_sorted_quantile(x, 4, 0.5), 3, 1e-12);
    near(qb_sorted_quantile(x, 4, 0.9), 6.8, 1e-12);
    near(qb_sorted_quantile(x, 4, 1), 8, 0);
    near(qb_sorted_quantile(x, 1, 0.3), 1, 0);
}

/* Without a base there is a perplexity and nothing else; one position has no error. */
static void without_a_base(void **state)
{
    (void)state;
    const struct qb_score s = {2, NAN, NAN, NAN, false};
    struct qb_quality q;
    assert_int_equal(qb_quality_summarize(&q, &s, 1, false, NULL), QB_OK);
    near(q.ppl.mean, exp(2), 1e-12);
    assert_true(isnan(q.ppl.err) && isnan(q.base_ppl.mean) && isnan(q.kld.mean) && isnan(q.kld_p99) &&
                isnan(q.rms_dp.mean) && isnan(q.same_top.mean) && isnan(q.correlation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_tokens_by_hand),           cmocka_unit_test(as_the_definitions_say),
        cmocka_unit_test(logarithms_are_not_normalized), cmocka_unit_test(what_is_not_finite_shows),
        cmocka_unit_test(jobs_equal_single_positions),   cmocka_unit_test(summary_by_hand),
        cmocka_unit_test(quantiles_lie_between_values),  cmocka_unit_test(without_a_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

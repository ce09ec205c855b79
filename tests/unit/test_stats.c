/*
 * Statistics: against figures worked out by hand, and properties of the intervals.
 */
#include "bench/stats.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>

static void test_moments(void **state)
{
    (void)state;
    const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    assert_true(qb_stats_mean(x, 8) == 5);
    assert_true(fabs(qb_stats_std(x, 8) - sqrt(32.0 / 7)) < 1e-12);
    assert_true(qb_stats_median(x, 8) == 4.5);
    assert_true(qb_stats_median(x, 7) == 4);
    assert_true(isnan(qb_stats_std(x, 1)));
    assert_true(isnan(qb_stats_mean(x, 0)));
    assert_true(isnan(qb_stats_median(x, 0)));
}

/* A one-pass sum of squares loses this spread to rounding (llama.cpp issue 22300). */
static void test_std_is_two_pass(void **state)
{
    (void)state;
    const double x[] = {3e15 + 1, 3e15 + 2, 3e15 + 3};
    assert_true(qb_stats_std(x, 3) == 1);
}

static void test_interval(void **state)
{
    (void)state;
    const double x[] = {10, 11, 12, 13, 14};
    struct qb_summary a, b;
    assert_int_equal(qb_stats_summary(&a, x, 5, 42, NULL), QB_OK);
    assert_int_equal(qb_stats_summary(&b, x, 5, 42, NULL), QB_OK);
    assert_true(a.ci_low == b.ci_low && a.ci_high == b.ci_high);
    assert_true(a.ci_low >= 10 && a.ci_low < 12 && a.ci_high > 12 && a.ci_high <= 14);
    /* the mean of 5 draws has a standard error of sqrt(2 / 5) = 0.63; 1.96 of them on either side */
    assert_true(fabs(a.ci_high - a.ci_low - 2 * 1.96 * sqrt(2.0 / 5)) < 0.35);
    assert_int_equal(qb_stats_summary(&a, x, 1, 42, NULL), QB_OK);
    assert_true(isnan(a.ci_low) && isnan(a.std) && a.mean == 10);
}

/* Drift that hits both alike cancels in pairs, and only there. */
static void test_paired_ratio(void **state)
{
    (void)state;
    const double base[] = {100, 80, 60, 120, 90}, twice[] = {200, 160, 120, 240, 180};
    struct qb_ratio r;
    assert_int_equal(qb_stats_ratio(&r, twice, 5, base, 5, true, 1, NULL), QB_OK);
    assert_true(r.ratio == 2 && fabs(r.low - 2) < 1e-12 && fabs(r.high - 2) < 1e-12);
    assert_int_equal(qb_stats_ratio(&r, twice, 5, base, 5, false, 1, NULL), QB_OK);
    assert_true(r.ratio == 2 && r.low < 1.8 && r.high > 2.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments), cmocka_unit_test(test_std_is_two_pass),
                                       cmocka_unit_test(test_interval), cmocka_unit_test(test_paired_ratio)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

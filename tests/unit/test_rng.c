/*
 * Random numbers: the published generator, fixed sequences, independent streams, distributions.
 */
#include "base/rng.h"

#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <string.h>

/* First outputs from the state {1, 2, 3, 4}; the first is rotl(2 * 5, 7) * 9. */
static void generator_is_xoshiro256starstar(void **state)
{
    (void)state;
    struct qb_rng r = {{1, 2, 3, 4}};
    assert_int_equal(qb_rng_u64(&r), 11520);
    /* s becomes {7, 0, 0x40002, rotl(6, 45)} */
    assert_int_equal(qb_rng_u64(&r), 0);
    assert_int_equal(qb_rng_u64(&r), 1509978240);
    assert_int_equal(qb_rng_u64(&r), 1215971899390074240);
}

/* splitmix64 seeded with 0 starts with these published values: mix64 of multiples of the golden gamma. */
static void mix_is_splitmix64(void **state)
{
    (void)state;
    assert_int_equal(qb_mix64(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
    assert_int_equal(qb_mix64(2 * 0x9e3779b97f4a7c15u), 0x6e789e6aa1b965f4u);
    assert_int_equal(qb_mix64(3 * 0x9e3779b97f4a7c15u), 0x06c45d188009454fu);
}

static void same_seed_same_sequence(void **state)
{
    (void)state;
    struct qb_rng a, b;
    qb_rng_init(&a, 42, 7);
    qb_rng_init(&b, 42, 7);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(qb_rng_u64(&a), qb_rng_u64(&b));
}

static void streams_and_seeds_differ(void **state)
{
    (void)state;
    uint64_t first[64 * 4];
    size_t n = 0;
    for (uint64_t seed = 0; seed < 16; seed++) {
        for (uint64_t stream = 0; stream < 16; stream++) {
            struct qb_rng r;
            qb_rng_init(&r, seed, stream);
            first[n++] = qb_rng_u64(&r);
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
}

static void below_is_in_range_and_even(void **state)
{
    (void)state;
    struct qb_rng r;
    qb_rng_init(&r, 1, 0);
    int count[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint32_t v = qb_rng_below(&r, 6);
        assert_true(v < 6);
        count[v]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(count[i], 9500, 10500); /* 5 sigma is 456 */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(qb_rng_below(&r, 1), 0);
        assert_true(qb_rng_below(&r, UINT32_MAX) < UINT32_MAX);
    }
}

static void moments_are_right(void **state)
{
    (void)state;
    struct qb_rng r;
    qb_rng_init(&r, 2, 0);
    enum { N = 200000 };
    double sum = 0, sum2 = 0, uniform = 0;
    for (int i = 0; i < N; i++) {
        double x = qb_rng_normal(&r), u = qb_rng_double(&r);
        assert_true(u >= 0 && u < 1);
        sum += x;
        sum2 += x * x;
        uniform += u;
    }
    assert_true(fabs(sum / N) < 0.012); /* 5 / sqrt(N) */
    assert_true(fabs(sum2 / N - 1) < 0.016);
    assert_true(fabs(uniform / N - 0.5) < 0.0033);
}

static void fill_writes_exactly_n(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        struct qb_rng r;
        uint8_t a[48], b[48];
        memset(a, 0xaa, sizeof a);
        qb_rng_init(&r, 3, n);
        qb_rng_fill(&r, a, n);
        for (size_t i = n; i < sizeof a; i++)
            assert_int_equal(a[i], 0xaa);
        qb_rng_init(&r, 3, n);
        qb_rng_fill(&r, b, n);
        assert_memory_equal(a, b, n);
    }
}

static void shuffle_is_a_fair_permutation(void **state)
{
    (void)state;
    struct qb_rng r;
    qb_rng_init(&r, 4, 0);
    int first[5] = {0};
    for (int round = 0; round < 10000; round++) {
        uint16_t items[5] = {0, 1, 2, 3, 4};
        qb_rng_shuffle(&r, items, 5, sizeof items[0]);
        unsigned seen = 0;
        for (int i = 0; i < 5; i++)
            seen |= 1u << items[i];
        assert_int_equal(seen, 31);
        first[items[0]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(first[i], 1800, 2200); /* 5 sigma is 200 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_is_xoshiro256starstar), cmocka_unit_test(mix_is_splitmix64),
        cmocka_unit_test(same_seed_same_sequence),         cmocka_unit_test(streams_and_seeds_differ),
        cmocka_unit_test(below_is_in_range_and_even),      cmocka_unit_test(moments_are_right),
        cmocka_unit_test(fill_writes_exactly_n),           cmocka_unit_test(shuffle_is_a_fair_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

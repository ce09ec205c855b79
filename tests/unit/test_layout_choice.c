/*
 * engine/layout_choice: the rule, and trials of all formats under all levels, whose outcome only extreme
 * bandwidths make certain.
 */
#include "engine/layout_choice.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>

static void operations_and_bytes_add(void **state)
{
    (void)state;
    assert_true(fabs(qb_weight_ns(0.03, 0.4, 10) - 0.05) < 1e-12);
    /* nothing but operations, nothing but bytes */
    assert_true(fabs(qb_weight_ns(0.03, 0.4, 1e9) - 0.03) < 1e-9);
    assert_true(fabs(qb_weight_ns(0, 0.4, 10) - 0.04) < 1e-12);
    /* IQ3_S on a Xeon: 31 and 65 GMAC/s, 110 and 134 bytes for 256: more bytes pay from 11 GB/s on */
    assert_true(qb_weight_ns(1 / 31.0, 110 / 256.0, 9) < qb_weight_ns(1 / 65.0, 134 / 256.0, 9));
    assert_true(qb_weight_ns(1 / 31.0, 110 / 256.0, 13) > qb_weight_ns(1 / 65.0, 134 / 256.0, 13));
}

static void bytes_decide_without_bandwidth(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)qb_cpu_isa(); isa++) {
        struct qb_kernel_set set;
        if (!qb_cpu_runs((enum qb_isa)isa))
            continue;
        assert_int_equal(qb_kernel_set_select(&set, (enum qb_isa)isa, NULL), QB_OK);
        for (int f = 0; f < QB_FORMAT_COUNT; f++) {
            const struct qb_format *format = qb_format_get((enum qb_format_id)f);
            assert_false(qb_x16_is_faster(&set, format, 0));
            assert_false(qb_x16_is_faster(&set, format, 1e-4));
            if (!qb_expansion_of(format))
                assert_false(qb_x16_is_faster(&set, format, 1e9));
        }
    }
}

static void the_reference_path_has_no_trial(void **state)
{
    struct qb_kernel_set set;
    (void)state;
    assert_int_equal(qb_kernel_set_select_reference(&set, QB_ISA_AUTO, NULL), QB_OK);
    assert_false(qb_x16_is_faster(&set, qb_format_get(QB_FORMAT_IQ3_S), 1e9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_and_bytes_add),
        cmocka_unit_test(bytes_decide_without_bandwidth),
        cmocka_unit_test(the_reference_path_has_no_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * binary16 and bfloat16 against arithmetic in double: every bit pattern, every midpoint between neighbours.
 */
#include "base/f16.h"

#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdbool.h>

/* The value of a finite binary16, by its definition. */
static double f16_value(uint16_t h)
{
    int exp = (h >> 10) & 31, man = h & 1023;
    double v = exp ? ldexp(1024 + man, exp - 25) : ldexp(man, -24);
    return h & 0x8000 ? -v : v;
}

static bool f16_is_nan(uint16_t h)
{
    return (h & 0x7c00) == 0x7c00 && (h & 0x3ff);
}

static void every_f16_decodes_and_encodes_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        float f = qb_f16_to_f32(h);
        if (f16_is_nan(h)) {
            assert_true(isnan(f));
            assert_true(f16_is_nan(qb_f32_to_f16(f)));
            continue;
        }
        if ((h & 0x7fff) == 0x7c00)
            assert_true(isinf(f) && (f < 0) == (h >> 15));
        else
            assert_true((double)f == f16_value(h) && (signbit(f) != 0) == (h >> 15));
        assert_int_equal(qb_f32_to_f16(f), h);
    }
}

/* Around the midpoint of each pair of neighbours: below goes down, above goes up, the midpoint goes to even.
 */
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x7bff; i++) {
        uint16_t low = (uint16_t)i, high = (uint16_t)(i + 1);
        float mid = (float)((f16_value(low) + f16_value(high)) / 2); /* exact: one bit more */
        assert_int_equal(qb_f32_to_f16(mid), low & 1 ? high : low);
        assert_int_equal(qb_f32_to_f16(nextafterf(mid, 0)), low);
        assert_int_equal(qb_f32_to_f16(nextafterf(mid, INFINITY)), high);
        assert_int_equal(qb_f32_to_f16(-mid), 0x8000 | (low & 1 ? high : low));
    }
}

static void f16_limits(void **state)
{
    (void)state;
    assert_int_equal(qb_f32_to_f16(65504.0f), 0x7bff);
    assert_int_equal(qb_f32_to_f16(nextafterf(65520.0f, 0)), 0x7bff);
    assert_int_equal(qb_f32_to_f16(65520.0f),
                     0x7c00); /* the midpoint to 65536 goes to even, that is infinity */
    assert_int_equal(qb_f32_to_f16(3e38f), 0x7c00);
    assert_int_equal(qb_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(qb_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(qb_f32_to_f16(nextafterf(0x1p-25f, 1)), 1);
    assert_int_equal(qb_f32_to_f16(0x1p-149f), 0);
    assert_int_equal(qb_f32_to_f16(-0.0f), 0x8000);
    assert_true(f16_is_nan(qb_f32_to_f16(qb_f32_from_bits(0x7f800001)))); /* payload is all in the cut bits */
}

static void bf16_decodes_rounds_and_keeps_nan(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t b = (uint16_t)i;
        float f = qb_bf16_to_f32(b);
        if (isnan(f)) {
            assert_true(isnan(qb_bf16_to_f32(qb_f32_to_bf16(f))));
            continue;
        }
        assert_int_equal(qb_f32_to_bf16(f), b);
        uint32_t mid = i << 16 | 0x8000;
        if (isnan(qb_f32_from_bits(mid)))
            continue;
        assert_int_equal(qb_f32_to_bf16(qb_f32_from_bits(mid - 1)), b);
        assert_int_equal(qb_f32_to_bf16(qb_f32_from_bits(mid)), (uint16_t)(b + (b & 1)));
        assert_int_equal(qb_f32_to_bf16(qb_f32_from_bits(mid + 1)), (uint16_t)(b + 1));
    }
    assert_true(isnan(qb_bf16_to_f32(qb_f32_to_bf16(qb_f32_from_bits(0x7f800001)))));
    assert_true(isnan(qb_bf16_to_f32(qb_f32_to_bf16(qb_f32_from_bits(0xffffffff)))));
}

static void loads_need_no_alignment(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xff, 0x00, 0x3c, 0x78, 0x56};
    assert_int_equal(qb_load_u16(bytes + 1), 0x3c00);
    assert_int_equal(qb_load_u32(bytes + 1), 0x56783c00);
    assert_true(qb_load_f16(bytes + 1) == 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_decodes_and_encodes_back),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(f16_limits),
        cmocka_unit_test(bf16_decodes_rounds_and_keeps_nan),
        cmocka_unit_test(loads_need_no_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The growable byte string: NUL invariant, cap, sticky failure.
 */
#include "base/buf.h"

#include "tests/unit/cmocka_all.h"
#include <string.h>

static void empty_buffer_is_a_string(void **state)
{
    (void)state;
    struct qb_buf b;
    qb_buf_init(&b, 0);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    assert_true(qb_buf_puts(&b, ""));
    assert_string_equal(b.data, "");
    qb_buf_release(&b);
    assert_string_equal(b.data, "");
}

static void appends_add_up(void **state)
{
    (void)state;
    struct qb_buf b;
    qb_buf_init(&b, 0);
    qb_buf_puts(&b, "ab");
    qb_buf_putc(&b, 'c');
    qb_buf_printf(&b, "%d-%s", 42, "x");
    qb_buf_append(&b, "\0y", 2);
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "abc42-x\0y", 10);
    assert_int_equal(qb_buf_status(&b, "text", NULL), QB_OK);
    qb_buf_clear(&b);
    assert_string_equal(b.data, "");
    qb_buf_release(&b);
}

static void grows_over_many_sizes(void **state)
{
    (void)state;
    struct qb_buf b;
    qb_buf_init(&b, 0);
    for (int i = 0; i < 10000; i++)
        assert_true(qb_buf_putc(&b, (char)('a' + i % 26)));
    assert_int_equal(b.len, 10000);
    assert_int_equal(strlen(b.data), 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    qb_buf_release(&b);
}

static void cap_is_exact_and_sticks(void **state)
{
    (void)state;
    struct qb_buf b;
    struct qb_err err = {0};
    qb_buf_init(&b, 8);
    assert_true(qb_buf_puts(&b, "12345678"));
    assert_false(qb_buf_putc(&b, '9'));
    assert_string_equal(b.data, "12345678");
    assert_false(qb_buf_puts(&b, "")); /* failed stays */
    assert_int_equal(qb_buf_status(&b, "the table", &err), QB_ERR_MEMORY);
    assert_non_null(strstr(err.message, "the table"));
    qb_buf_clear(&b);
    assert_false(b.failed);
    assert_false(qb_buf_printf(&b, "%s", "123456789"));
    assert_string_equal(b.data, "");
    qb_buf_release(&b);
}

static void huge_length_does_not_wrap(void **state)
{
    (void)state;
    struct qb_buf b;
    qb_buf_init(&b, SIZE_MAX);
    qb_buf_puts(&b, "abc");
    assert_false(qb_buf_append(&b, "x", SIZE_MAX - 1));
    assert_string_equal(b.data, "abc");
    qb_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_is_a_string),  cmocka_unit_test(appends_add_up),
        cmocka_unit_test(grows_over_many_sizes),     cmocka_unit_test(cap_is_exact_and_sticks),
        cmocka_unit_test(huge_length_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

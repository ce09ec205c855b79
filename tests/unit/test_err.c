/*
 * Error values: message building, truncation, prefixes, NULL.
 */
#include "base/err.h"

#include "tests/unit/cmocka_all.h"
#include <errno.h>
#include <string.h>

static void fail_fills_code_and_message(void **state)
{
    (void)state;
    struct qb_err err = {0};
    assert_int_equal(qb_fail(&err, QB_ERR_FORMAT, "bad %s at %d", "magic", 4), QB_ERR_FORMAT);
    assert_int_equal(err.code, QB_ERR_FORMAT);
    assert_string_equal(err.message, "bad magic at 4");
}

static void null_error_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(qb_fail(NULL, QB_ERR_IO, "x"), QB_ERR_IO);
    assert_int_equal(qb_fail_errno(NULL, QB_ERR_IO, "x"), QB_ERR_IO);
    assert_int_equal(qb_err_prefix(NULL, QB_ERR_CHECK, "x"), QB_ERR_CHECK);
}

static void errno_text_is_appended(void **state)
{
    (void)state;
    struct qb_err err = {0};
    errno = ENOENT;
    qb_fail_errno(&err, QB_ERR_NOT_FOUND, "cannot open '%s'", "f");
    assert_string_equal(err.message, "cannot open 'f': No such file or directory");
}

static void prefix_keeps_code_and_tail(void **state)
{
    (void)state;
    struct qb_err err = {0};
    qb_fail(&err, QB_ERR_FORMAT, "inner");
    assert_int_equal(qb_err_prefix(&err, QB_ERR_IO, "outer %d", 1), QB_ERR_FORMAT);
    assert_string_equal(err.message, "outer 1: inner");
}

static void message_may_quote_itself(void **state)
{
    (void)state;
    struct qb_err err = {0};
    qb_fail(&err, QB_ERR_FORMAT, "inner");
    qb_fail(&err, QB_ERR_CHECK, "again: %s", err.message);
    assert_string_equal(err.message, "again: inner");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct qb_err err = {0};
    qb_fail(&err, QB_ERR_FORMAT, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    qb_err_prefix(&err, QB_ERR_FORMAT, "p");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, "p: xxx", 6);
    errno = EIO;
    qb_fail_errno(&err, QB_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static enum qb_status try_twice(int *reached)
{
    QB_TRY(QB_OK);
    *reached = 1;
    QB_TRY(QB_ERR_USAGE);
    *reached = 2;
    return QB_OK;
}

static void try_returns_the_status(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(try_twice(&reached), QB_ERR_USAGE);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_code_and_message), cmocka_unit_test(null_error_is_allowed),
        cmocka_unit_test(errno_text_is_appended),      cmocka_unit_test(prefix_keeps_code_and_tail),
        cmocka_unit_test(message_may_quote_itself),    cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(try_returns_the_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

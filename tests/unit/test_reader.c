/*
 * The bounds-checked cursor: values, every truncation point, sticky errors, sizes that would wrap.
 */
#include "base/reader.h"

#include "tests/unit/cmocka_all.h"
#include <string.h>

/* u8 1, u16 0x0302, u32 0x07060504, u64 ..., f32 1.5, f64 -2.25 */
static const uint8_t sample[] = {1,  2, 3, 4,    5,    6, 7, 8, 9, 10, 11, 12, 13,  14,
                                 15, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0,  0,  2,  0xc0};

static void read_sample(struct qb_reader *r)
{
    assert_int_equal(qb_read_u8(r, "a"), 1);
    assert_int_equal(qb_read_u16(r, "b"), 0x0302);
    assert_int_equal(qb_read_u32(r, "c"), 0x07060504);
    assert_int_equal(qb_read_u64(r, "d"), 0x0f0e0d0c0b0a0908u);
    assert_true(qb_read_f32(r, "e") == 1.5f);
    assert_true(qb_read_f64(r, "f") == -2.25);
}

static void values_are_little_endian(void **state)
{
    (void)state;
    struct qb_reader r;
    qb_reader_init(&r, sample, sizeof sample);
    read_sample(&r);
    assert_int_equal(qb_reader_left(&r), 0);
    assert_int_equal(qb_reader_status(&r, "f", NULL), QB_OK);
}

/* Cut the data everywhere: the first field that does not fit is named, and nothing moves afterwards. */
static void every_truncation_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t start, end;
    } fields[] = {{"a", 0, 1}, {"b", 1, 3}, {"c", 3, 7}, {"d", 7, 15}, {"e", 15, 19}, {"f", 19, 27}};
    assert_int_equal(sizeof sample, 27);
    for (size_t size = 0; size < sizeof sample; size++) {
        struct qb_reader r;
        qb_reader_init(&r, sample, size);
        qb_read_u8(&r, "a");
        qb_read_u16(&r, "b");
        qb_read_u32(&r, "c");
        qb_read_u64(&r, "d");
        qb_read_f32(&r, "e");
        qb_read_f64(&r, "f");
        size_t i = 0;
        while (fields[i].end <= size)
            i++;
        assert_true(r.failed);
        assert_string_equal(r.fail_what, fields[i].name);
        assert_int_equal(r.fail_pos, fields[i].start);
        assert_int_equal(qb_reader_left(&r), 0);
    }
}

static void errors_stick(void **state)
{
    (void)state;
    struct qb_reader r;
    struct qb_err err = {0};
    qb_reader_init(&r, sample, 3);
    assert_int_equal(qb_read_u64(&r, "first"), 0);
    assert_int_equal(qb_read_u8(&r, "second"), 0);
    assert_null(qb_read_bytes(&r, 0, "third"));
    qb_reader_seek(&r, 0, "fourth");
    assert_int_equal(qb_read_u8(&r, "fifth"), 0);
    assert_int_equal(qb_reader_status(&r, "m.gguf", &err), QB_ERR_FORMAT);
    assert_string_equal(err.message, "'m.gguf': truncated at offset 0 while reading first");
}

static void lengths_do_not_wrap(void **state)
{
    (void)state;
    struct qb_reader r;
    qb_reader_init(&r, sample, sizeof sample);
    qb_read_u8(&r, "a");
    assert_null(qb_read_bytes(&r, SIZE_MAX, "huge"));
    assert_true(r.failed);
    qb_reader_init(&r, sample, sizeof sample);
    qb_reader_seek(&r, sizeof sample + 1, "far");
    assert_true(r.failed);
    assert_int_equal(r.fail_pos, sizeof sample + 1);
}

static void views_and_seeks_stay_inside(void **state)
{
    (void)state;
    struct qb_reader r;
    qb_reader_init(&r, sample, sizeof sample);
    qb_reader_seek(&r, 20, "p");
    assert_ptr_equal(qb_read_bytes(&r, 7, "rest"), sample + 20);
    assert_non_null(qb_read_bytes(&r, 0, "nothing"));
    assert_false(r.failed);
    qb_reader_seek(&r, sizeof sample, "end");
    assert_false(r.failed);
    qb_reader_init(&r, NULL, 0);
    assert_non_null(qb_read_bytes(&r, 0, "nothing of an empty file"));
    assert_int_equal(qb_read_u8(&r, "x"), 0);
    assert_true(r.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_little_endian),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(errors_stick),
        cmocka_unit_test(lengths_do_not_wrap),
        cmocka_unit_test(views_and_seeks_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Checked sizes, heap helpers and blocks.
 */
#include "base/mem.h"

#include "tests/unit/cmocka_all.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(qb_size_mul(SIZE_MAX / 2, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    out = 7;
    assert_false(qb_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_int_equal(out, 7);
    assert_true(qb_size_mul(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
    assert_true(qb_size_add(SIZE_MAX, 0, &out));
    assert_int_equal(out, SIZE_MAX);
    out = 7;
    assert_false(qb_size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 7);
    assert_int_equal(qb_align_up(0, 64), 0);
    assert_int_equal(qb_align_up(1, 64), 64);
    assert_int_equal(qb_align_up(64, 64), 64);
}

static void calloc_zeroes_and_refuses_overflow(void **state)
{
    (void)state;
    void *p = NULL;
    struct qb_err err = {0};
    assert_int_equal(qb_calloc(&p, 100, 8, "things", &err), QB_OK);
    for (int i = 0; i < 800; i++)
        assert_int_equal(((uint8_t *)p)[i], 0);
    free(p);
    p = NULL;
    assert_int_equal(qb_calloc(&p, SIZE_MAX / 4, 8, "tensor table", &err), QB_ERR_MEMORY);
    assert_null(p);
    assert_non_null(strstr(err.message, "tensor table"));
    assert_int_equal(qb_calloc(&p, 0, 8, "nothing", &err), QB_OK);
    assert_non_null(p);
    free(p);
}

static void blocks_are_aligned_zero_and_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, ((size_t)2 << 20) - 1, (size_t)2 << 20, ((size_t)5 << 20) + 3};
    for (size_t i = 0; i < QB_ARRAY_LEN(sizes); i++) {
        for (int huge = 0; huge < 2; huge++) {
            struct qb_block b;
            assert_int_equal(qb_block_init(&b, sizes[i], huge, "test", NULL), QB_OK);
            assert_int_equal((uintptr_t)b.data % ((size_t)2 << 20), 0);
            assert_int_equal(b.bytes, sizes[i]);
            assert_true(b.mapped >= sizes[i] && b.mapped > 0);
            uint8_t *p = b.data;
            assert_int_equal(p[0] | p[b.mapped - 1], 0);
            memset(p, 0xff, b.mapped);
            qb_block_release(&b);
            assert_null(b.data);
            qb_block_release(&b);
        }
    }
}

static void impossible_block_is_refused(void **state)
{
    (void)state;
    struct qb_block b;
    struct qb_err err = {0};
    assert_int_equal(qb_block_init(&b, (size_t)1 << 60, true, "the KV cache", &err), QB_ERR_MEMORY);
    assert_non_null(strstr(err.message, "the KV cache"));
    assert_non_null(strstr(err.message, "1152921504606846976"));
    assert_null(b.data);
    assert_int_equal(qb_block_init(&b, SIZE_MAX, false, "x", &err), QB_ERR_MEMORY);
}

static void memory_figures_move_with_use(void **state)
{
    (void)state;
    uint64_t before = qb_mem_rss(), available = qb_mem_available();
    assert_true(before > 100000);
    assert_true(available > 1000000 && available != UINT64_MAX);
    struct qb_block b;
    size_t bytes = (size_t)32 << 20;
    assert_int_equal(qb_block_init(&b, bytes, false, "test", NULL), QB_OK);
    memset(b.data, 1, bytes);
    assert_true(qb_mem_rss() >= before + bytes / 2);
    qb_block_release(&b);
    assert_true(qb_mem_peak_rss() >= before + bytes / 2);
    assert_true(qb_mem_rss() < before + bytes / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(blocks_are_aligned_zero_and_whole),
        cmocka_unit_test(impossible_block_is_refused),
        cmocka_unit_test(memory_figures_move_with_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

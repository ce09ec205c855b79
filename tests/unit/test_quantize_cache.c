/*
 * The cache of encoded tensors: found by what they are made of, never damaged, never larger than allowed; and
 * a bank of tensors that is the same with and without it.
 */
#include "base/file.h"
#include "base/rng.h"
#include "engine/quantize_bank.h"
#include "tests/unit/cmocka_all.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODEL QB_SOURCE_DIR "/datasets/models/qbench-tiny-7m-F16.gguf"
#define SMALL 1000

static char folder[] = "/tmp/qb_test_cache_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Files in the folder; bytes of all; optionally removed. */
static int count(uint64_t *bytes, bool remove_them)
{
    char path[512];
    int n = 0;
    struct stat st;
    DIR *d = opendir(folder);
    if (bytes)
        *bytes = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        n++;
        if (bytes)
            *bytes += (uint64_t)st.st_size;
        if (remove_them)
            unlink(path);
    }
    if (d)
        closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    count(NULL, true);
    return rmdir(folder);
}

static struct qb_quant_cache *open_cache(const char *salt, uint64_t max)
{
    struct qb_quant_cache *c;
    assert_int_equal(qb_quant_cache_open(&c, folder, salt, max, NULL), QB_OK);
    return c;
}

static struct qb_quant_origin origin(uint64_t i)
{
    return (struct qb_quant_origin){{i, ~i}};
}

static bool has(struct qb_quant_cache *c, uint64_t i)
{
    struct qb_quant_origin o = origin(i);
    struct qb_mapping map;
    const uint8_t *data;
    if (!qb_quant_cache_find(c, &o, 2, SMALL, &map, &data))
        return false;
    for (int k = 0; k < SMALL; k++)
        assert_int_equal(data[k], (uint8_t)i);
    assert_int_equal((uintptr_t)data % 64, 0);
    qb_mapping_close(&map);
    return true;
}

static void put(struct qb_quant_cache *c, uint64_t i)
{
    uint8_t data[SMALL];
    struct qb_quant_origin o = origin(i);
    memset(data, (int)i, sizeof data);
    assert_int_equal(qb_quant_cache_put(c, &o, 2, data, SMALL, NULL), QB_OK);
}

static void entries_come_back_by_origin_type_and_size(void **state)
{
    (void)state;
    struct qb_quant_cache *c = open_cache("a", 1 << 20);
    struct qb_quant_origin o = origin(1);
    struct qb_mapping map;
    const uint8_t *data;
    put(c, 1);
    assert_true(has(c, 1));
    assert_false(has(c, 2));
    assert_false(qb_quant_cache_find(c, &o, 3, SMALL, &map, &data));
    qb_quant_cache_close(c);
    c = open_cache("a", 1 << 20); /* of another run */
    assert_true(has(c, 1));
    qb_quant_cache_close(c);
    count(NULL, true);
}

static void least_recently_used_make_room(void **state)
{
    (void)state;
    struct qb_quant_cache *c = open_cache("a", 4 * (SMALL + 64));
    uint64_t bytes;
    struct timespec tick = {0, 20000000}; /* times of files are coarse */
    for (uint64_t i = 1; i <= 4; i++) {
        put(c, i);
        nanosleep(&tick, NULL);
    }
    assert_true(has(c, 1)); /* now 2 is the oldest */
    nanosleep(&tick, NULL);
    put(c, 5);
    assert_true(has(c, 1) && has(c, 3) && has(c, 4) && has(c, 5));
    assert_false(has(c, 2));
    assert_int_equal(count(&bytes, false), 4);
    assert_true(bytes <= 4 * (SMALL + 64));
    qb_quant_cache_close(c);
    c = open_cache("a", 2 * (SMALL + 64)); /* a smaller cache removes at once */
    assert_int_equal(count(NULL, false), 2);
    qb_quant_cache_close(c);
    c = open_cache("a", SMALL); /* nothing fits: nothing is written */
    put(c, 9);
    assert_int_equal(count(NULL, false), 0);
    qb_quant_cache_close(c);
}

static void damaged_entries_are_no_entries(void **state)
{
    (void)state;
    struct qb_quant_cache *c = open_cache("a", 1 << 20);
    char path[512] = "";
    for (int kind = 0; kind < 3; kind++) {
        put(c, 7);
        DIR *d = opendir(folder);
        for (struct dirent *e; (e = readdir(d));)
            if (e->d_name[0] != '.')
                snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        closedir(d);
        int fd = open(path, O_RDWR);
        if (kind == 0)
            assert_int_equal(pwrite(fd, "x", 1, 64 + 500), 1);
        else if (kind == 1)
            assert_int_equal(ftruncate(fd, 600), 0);
        else
            assert_int_equal(pwrite(fd, "x", 1, 0), 1);
        close(fd);
        assert_false(has(c, 7));
        assert_int_equal(count(NULL, false), 0); /* and gone */
    }
    qb_quant_cache_close(c);
}

static void old_temporaries_are_removed(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/x.tmp", folder);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    close(open(path, O_CREAT | O_WRONLY, 0666));
    qb_quant_cache_close(open_cache("a", 1 << 20));
    assert_int_equal(count(NULL, false), 1); /* perhaps another process writes it */
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    qb_quant_cache_close(open_cache("a", 1 << 20));
    assert_int_equal(count(NULL, false), 0);
}

static void a_folder_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct qb_quant_cache *c;
    struct qb_err err = {0};
    assert_int_equal(qb_quant_cache_open(&c, "/dev/null/x", "a", 1, &err), QB_ERR_IO);
    assert_null(c);
}

/* ---- a bank ---- */

static struct qb_quant_bank *make_bank(const struct qb_gguf *g, const struct qb_quant_plan *const *plans,
                                       size_t n, struct qb_quant_cache *cache, struct qb_pool *pool)
{
    struct qb_quant_bank *b;
    struct qb_quant_bank_job job = {.source = g, .plans = plans, .n_plans = n, .pool = pool, .cache = cache};
    assert_int_equal(qb_quant_bank_create(&b, &job, NULL), QB_OK);
    return b;
}

static void banks_are_the_same_with_a_cache(void **state)
{
    (void)state;
    static int pu[] = {-1, -1};
    struct qb_placement placement = {.n_threads = 2, .pu = pu, .oversubscribed = true};
    struct qb_pool *pool;
    struct qb_gguf *g;
    struct qb_quant_plan plans[3];
    const struct qb_quant_plan *list[3] = {&plans[0], &plans[1], &plans[2]};
    static const char *const ftypes[] = {"Q4_0", "Q4_K_M", "Q4_K_L"};
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    assert_int_equal(qb_pool_create(&pool, &placement, NULL), QB_OK);
    assert_int_equal(qb_gguf_open(&g, MODEL, NULL), QB_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(qb_quant_plan_file(&plans[i], g, qb_ftype_by_name(ftypes[i]), &o, NULL), QB_OK);
    struct qb_quant_bank *plain = make_bank(g, list, 3, NULL, pool);
    for (int turn = 0; turn < 3; turn++) { /* made, found, and made by another build */
        struct qb_quant_cache *c = open_cache(turn < 2 ? "a" : "b", 1 << 28);
        int before = count(NULL, false);
        struct qb_quant_bank *b = make_bank(g, list, 3, c, pool);
        assert_true((count(NULL, false) > before) == (turn != 1));
        for (size_t p = 0; p < 3; p++) {
            const struct qb_gguf_tensor *x, *y;
            assert_int_equal(qb_quant_bank_tensors(plain, p, &x, NULL), QB_OK);
            assert_int_equal(qb_quant_bank_tensors(b, p, &y, NULL), QB_OK);
            for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
                assert_int_equal(x[i].type_id, y[i].type_id);
                assert_int_equal(x[i].bytes, y[i].bytes);
                assert_memory_equal(x[i].data, y[i].data, x[i].bytes);
            }
        }
        /* what two types share lies there once */
        const struct qb_gguf_tensor *m, *l;
        qb_quant_bank_tensors(b, 1, &m, NULL);
        qb_quant_bank_tensors(b, 2, &l, NULL);
        size_t shared = 0;
        for (size_t i = 0; i < qb_gguf_n_tensors(g); i++)
            shared += m[i].data == l[i].data;
        assert_int_equal(shared, qb_gguf_n_tensors(g) - 1); /* all but the embedding */
        qb_quant_bank_free(b);
        qb_quant_cache_close(c);
    }
    qb_quant_bank_free(plain);
    for (int i = 0; i < 3; i++)
        qb_quant_plan_release(&plans[i]);
    qb_gguf_close(g);
    qb_pool_free(pool);
    count(NULL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back_by_origin_type_and_size),
        cmocka_unit_test(least_recently_used_make_room),
        cmocka_unit_test(damaged_entries_are_no_entries),
        cmocka_unit_test(old_temporaries_are_removed),
        cmocka_unit_test(a_folder_that_cannot_be_is_refused),
        cmocka_unit_test(banks_are_the_same_with_a_cache),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

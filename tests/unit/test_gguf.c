/*
 * The GGUF reader and writer: round trips, split sets, and files that lie in every way the reader must
 * notice.
 */
#include "tests/unit/cmocka_all.h"
#include "tests/unit/gguf_build.h"
#include <stdio.h>
#include <unistd.h>

#define GOOD_TENSOR_BYTES (64 * 4 * 4) /* "a", F32 */

/* Two tensors, five records: what the hostile tests change. */
static void build_good(struct qb_buf *b)
{
    qb_buf_init(b, 0);
    put_header(b, 2, 5);
    put_kv_str(b, "general.architecture", "llama");
    put_kv_u32(b, "some.number", 7);
    put_kv_f32(b, "some.real", 0.5f);
    put_str(b, "some.strings");
    put_u32(b, QB_GGUF_ARRAY);
    put_u32(b, QB_GGUF_STRING);
    put_u64(b, 2);
    put_str(b, "one");
    put_str(b, "");
    put_str(b, "some.flags");
    put_u32(b, QB_GGUF_ARRAY);
    put_u32(b, QB_GGUF_BOOL);
    put_u64(b, 3);
    qb_buf_append(b, "\1\0\1", 3);
    put_tensor(b, "a", 64, 4, QB_GGML_F32, 0);
    put_tensor(b, "b", 64, 8, QB_GGML_Q4_0_8_8, GOOD_TENSOR_BYTES);
    put_data(b, GOOD_TENSOR_BYTES + 64 * 8 / 32 * 18);
}

static void reads_values_and_tensors(void **state)
{
    (void)state;
    struct qb_buf b;
    struct qb_gguf *g;
    struct qb_err err;
    build_good(&b);
    assert_int_equal(open_buf(&g, &b, &err), QB_OK);
    uint64_t u = 0;
    double f = 0;
    bool flag = true;
    struct qb_gguf_str s;
    assert_true(qb_gguf_get_u64(g, "some.number", &u) && u == 7);
    assert_true(qb_gguf_get_f64(g, "some.real", &f) && f == 0.5);
    assert_false(qb_gguf_get_u64(g, "some.real", &u));
    assert_false(qb_gguf_get_bool(g, "some.number", &flag));
    assert_false(qb_gguf_get_u64(g, "some.numbe", &u));
    const struct qb_gguf_kv *strings = qb_gguf_find(g, "some.strings");
    size_t pos = 0;
    assert_true(qb_gguf_array_next_str(strings, &pos, &s) && s.len == 3 && memcmp(s.s, "one", 3) == 0);
    assert_true(qb_gguf_array_next_str(strings, &pos, &s) && s.len == 0);
    assert_false(qb_gguf_array_next_str(strings, &pos, &s));
    assert_int_equal(qb_gguf_n_tensors(g), 2);
    const struct qb_gguf_tensor *t = qb_gguf_tensor_find(g, "b");
    assert_non_null(t);
    assert_int_equal(t->layout, QB_LAYOUT_8X8);
    assert_string_equal(t->format->name, "Q4_0");
    assert_int_equal(t->bytes, 288);
    assert_int_equal(t->data - (const uint8_t *)b.data, (long)(b.len - 288));
    assert_null(qb_gguf_tensor_find(g, "c"));
    qb_gguf_close(g);
    qb_buf_release(&b);
}

static void every_truncation_fails(void **state)
{
    (void)state;
    struct qb_buf b;
    build_good(&b);
    for (size_t n = 0; n < b.len; n++) {
        struct qb_gguf *g;
        struct qb_err err = {0};
        uint8_t *copy = malloc(n ? n : 1); /* the exact size: a read past the end is seen by the sanitizers */
        memcpy(copy, b.data, n);
        assert_int_not_equal(qb_gguf_open_memory(&g, copy, n, "test.gguf", &err), QB_OK);
        assert_null(g);
        assert_non_null(strstr(err.message, "'test.gguf'"));
        free(copy);
    }
    qb_buf_release(&b);
}

/* A changed bit may leave a valid file; it must never do harm. */
static void every_bit_flip_is_harmless(void **state)
{
    (void)state;
    struct qb_buf b;
    build_good(&b);
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * (b.len - GOOD_TENSOR_BYTES - 288); bit++) {
        struct qb_gguf *g;
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        if (open_buf(&g, &b, NULL) == QB_OK) {
            int64_t bad;
            for (size_t i = 0; i < qb_gguf_n_tensors(g); i++)
                if (qb_gguf_tensor_at(g, i)->format)
                    assert_int_equal(qb_gguf_tensor_check(qb_gguf_tensor_at(g, i), &bad, NULL), QB_OK);
            qb_gguf_close(g);
        } else {
            refused++;
        }
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(refused > 1000);
    qb_buf_release(&b);
}

/* Open b, which must fail like this, and release it. */
static void expect_failure(struct qb_buf *b, enum qb_status status, const char *text)
{
    struct qb_gguf *g;
    struct qb_err err = {0};
    enum qb_status got = open_buf(&g, b, &err);
    if (got != status || !strstr(err.message, text))
        fail_msg("expected %d with '%s', got %d '%s'", status, text, got, err.message);
    qb_buf_release(b);
}

static struct qb_buf start(uint64_t n_tensors, uint64_t n_kv)
{
    struct qb_buf b;
    qb_buf_init(&b, 0);
    put_header(&b, n_tensors, n_kv);
    return b;
}

static void foreign_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        enum qb_status status;
        const char *text;
    } cases[] = {
        {"", 0, QB_ERR_FORMAT, "is empty"},
        {"GGU", 3, QB_ERR_FORMAT, "wrong magic"},
        {"nonsense", 8, QB_ERR_FORMAT, "wrong magic"},
        {"lmgg0000", 8, QB_ERR_UNSUPPORTED, "ggml"},
        {"tjgg0000", 8, QB_ERR_UNSUPPORTED, "ggjt"},
        {"ggla0000", 8, QB_ERR_UNSUPPORTED, "LoRA"},
        {"PK\3\4....", 8, QB_ERR_UNSUPPORTED, "zip"},
        {"\2\0\0\0\0\0\0\0{}", 10, QB_ERR_UNSUPPORTED, "safetensors"},
        {"version https://git-lfs.github.com", 34, QB_ERR_UNSUPPORTED, "LFS"},
        {"GGUF\0\0\0\3________________", 24, QB_ERR_UNSUPPORTED, "big-endian"},
        {"GGUF\1\0\0\0________________", 24, QB_ERR_UNSUPPORTED, "version 1"},
        {"GGUF\4\0\0\0________________", 24, QB_ERR_UNSUPPORTED, "version 4"},
        {"GGUF\0\0\0\0________________", 24, QB_ERR_FORMAT, "version 0"},
        {"GGUF\3\0\0\0_______", 15, QB_ERR_FORMAT, "truncated"},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_buf b;
        qb_buf_init(&b, 0);
        qb_buf_append(&b, cases[i].bytes, cases[i].n);
        expect_failure(&b, cases[i].status, cases[i].text);
    }
}

static void hostile_counts_allocate_nothing(void **state)
{
    (void)state;
    struct qb_buf b = start(0, UINT64_MAX);
    put_data(&b, 4096);
    expect_failure(&b, QB_ERR_FORMAT, "metadata records");
    b = start(UINT64_C(1) << 40, 0);
    put_data(&b, 4096);
    expect_failure(&b, QB_ERR_FORMAT, "tensors at offset 8");
    b = start(INT64_MAX, INT64_MAX);
    put_data(&b, 4096);
    expect_failure(&b, QB_ERR_FORMAT, "do not fit");
    b = start(0, 1);
    put_u64(&b, UINT64_MAX); /* key length */
    put_data(&b, 64);
    expect_failure(&b, QB_ERR_FORMAT, "truncated");
    b = start(0, 1);
    put_str(&b, "k");
    put_u32(&b, QB_GGUF_ARRAY);
    put_u32(&b, QB_GGUF_U64);
    put_u64(&b, UINT64_C(1) << 61); /* times 8 is 0 */
    put_data(&b, 64);
    expect_failure(&b, QB_ERR_FORMAT, "array does not fit");
}

static void bad_records_are_refused(void **state)
{
    (void)state;
    struct qb_buf b = start(0, 2);
    put_kv_u32(&b, "same", 1);
    put_kv_u32(&b, "same", 2);
    expect_failure(&b, QB_ERR_FORMAT, "duplicate key 'same'");
    b = start(0, 1);
    put_kv_u32(&b, "", 1);
    put_data(&b, 32);
    expect_failure(&b, QB_ERR_FORMAT, "empty key");
    b = start(0, 1);
    put_str(&b, "k");
    put_u32(&b, QB_GGUF_TYPE_COUNT);
    put_u64(&b, 0);
    expect_failure(&b, QB_ERR_FORMAT, "unknown value type");
    b = start(0, 1);
    put_str(&b, "k");
    put_u32(&b, QB_GGUF_ARRAY);
    put_u32(&b, QB_GGUF_ARRAY);
    put_u64(&b, 0);
    expect_failure(&b, QB_ERR_FORMAT, "array of arrays");
    b = start(0, 1);
    put_str(&b, "k");
    put_u32(&b, QB_GGUF_BOOL);
    qb_buf_putc(&b, 2);
    put_data(&b, 32);
    expect_failure(&b, QB_ERR_FORMAT, "neither 0 nor 1");
}

static void bad_alignments_are_refused(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 4, 3, 48, 0x80000000u};
    for (size_t i = 0; i < QB_ARRAY_LEN(bad); i++) {
        struct qb_buf b = start(0, 1);
        put_kv_u32(&b, "general.alignment", bad[i]);
        expect_failure(&b, QB_ERR_FORMAT, "general.alignment");
    }
    struct qb_buf b = start(1, 1);
    put_kv_u32(&b, "general.alignment", 64);
    put_tensor(&b, "t", 32, 1, QB_GGML_F32, 32);
    put_data(&b, 512);
    expect_failure(&b, QB_ERR_FORMAT, "not aligned");
}

static void bad_tensor(uint64_t ne0, uint64_t ne1, uint32_t type, uint64_t offset, enum qb_status status,
                       const char *text)
{
    struct qb_buf b = start(1, 0);
    put_tensor(&b, "t", ne0, ne1, type, offset);
    put_data(&b, 4096);
    expect_failure(&b, status, text);
}

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    bad_tensor(32, 0, QB_GGML_F32, 0, QB_ERR_FORMAT, "not positive");
    bad_tensor(UINT64_C(1) << 63, 1, QB_GGML_F32, 0, QB_ERR_FORMAT, "not positive");
    bad_tensor(UINT64_C(1) << 40, UINT64_C(1) << 40, QB_GGML_F32, 0, QB_ERR_FORMAT, "overflows");
    bad_tensor(UINT64_C(1) << 61, 2, QB_GGML_F64, 0, QB_ERR_FORMAT, "overflows");
    bad_tensor(32, 1, QB_GGML_Q4_2, 0, QB_ERR_UNSUPPORTED, "type Q4_2 was removed");
    bad_tensor(32, 1, QB_GGML_IQ4_NL_4_8, 0, QB_ERR_UNSUPPORTED, "was removed");
    bad_tensor(32, 1, QB_GGML_ID_END, 0, QB_ERR_FORMAT, "unknown type");
    bad_tensor(32, 1, UINT32_MAX, 0, QB_ERR_FORMAT, "unknown type");
    bad_tensor(48, 1, QB_GGML_Q4_0, 0, QB_ERR_FORMAT, "block size");
    bad_tensor(128, 1, QB_GGML_Q4_K, 0, QB_ERR_FORMAT, "block size");
    bad_tensor(32, 12, QB_GGML_Q4_0_8_8, 0, QB_ERR_FORMAT, "interleaved");
    bad_tensor(32, 1, QB_GGML_F32, 16, QB_ERR_FORMAT, "not aligned");
    bad_tensor(32, 1, QB_GGML_F32, UINT64_MAX - 31, QB_ERR_FORMAT, "truncated");
    bad_tensor(2048, 1, QB_GGML_F32, 0, QB_ERR_FORMAT, "truncated");
}

static void bad_tensor_tables_are_refused(void **state)
{
    (void)state;
    struct qb_buf b = start(2, 0);
    put_tensor(&b, "a", 32, 2, QB_GGML_F32, 0);
    put_tensor(&b, "b", 32, 2, QB_GGML_F32, 128); /* 256 is the first free byte */
    put_data(&b, 1024);
    expect_failure(&b, QB_ERR_FORMAT, "overlaps");
    b = start(3, 0); /* the small one lies inside the large one, a third between them in the table */
    put_tensor(&b, "a", 256, 2, QB_GGML_F32, 0);
    put_tensor(&b, "c", 32, 1, QB_GGML_F32, 2048);
    put_tensor(&b, "b", 32, 1, QB_GGML_F32, 1024);
    put_data(&b, 4096);
    expect_failure(&b, QB_ERR_FORMAT, "overlaps");
    b = start(2, 0);
    put_tensor(&b, "a", 32, 1, QB_GGML_F32, 0);
    put_tensor(&b, "a", 32, 1, QB_GGML_F32, 128);
    put_data(&b, 1024);
    expect_failure(&b, QB_ERR_FORMAT, "duplicate tensor 'a'");
    b = start(1, 0);
    put_tensor(&b, "0123456789012345678901234567890123456789012345678901234567890123", 32, 1, QB_GGML_F32, 0);
    put_data(&b, 1024);
    expect_failure(&b, QB_ERR_FORMAT, "63 are allowed");
    b = start(1, 0);
    put_str(&b, "t");
    put_u32(&b, 5); /* dimensions */
    put_data(&b, 256);
    expect_failure(&b, QB_ERR_FORMAT, "number of dimensions");
    b = start(1, 0);
    put_u64(&b, 3);
    qb_buf_append(&b, "a\0b", 3);
    put_u32(&b, 1);
    put_data(&b, 256);
    expect_failure(&b, QB_ERR_FORMAT, "NUL");
}

/* Also what this build cannot decode, with the right size. */
static void all_known_types_parse(void **state)
{
    (void)state;
    int seen = 0;
    for (int id = 0; id < QB_GGML_ID_END; id++) {
        int elems, bytes;
        if (!qb_ggml_block(id, &elems, &bytes))
            continue;
        struct qb_buf b = start(1, 0);
        put_tensor(&b, "t", 256, 8, (uint32_t)id, 0);
        put_data(&b, (size_t)(256 / elems * bytes * 8));
        struct qb_gguf *g;
        struct qb_err err;
        assert_int_equal(open_buf(&g, &b, &err), QB_OK);
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(g, 0);
        assert_int_equal(t->bytes, 256 / elems * bytes * 8);
        if (t->format) {
            assert_int_equal(t->format->block_elems, elems);
            assert_int_equal(t->format->block_bytes, bytes);
        }
        assert_int_equal(qb_ggml_id_by_name(qb_gguf_type_name(id)), id);
        qb_gguf_close(g);
        qb_buf_release(&b);
        seen++;
    }
    assert_int_equal(seen, 40);
}

static void bad_scales_are_found(void **state)
{
    (void)state;
    struct qb_buf b = start(2, 0);
    put_tensor(&b, "plain", 64, 8, QB_GGML_Q4_0, 0);
    put_tensor(&b, "packed", 64, 8, QB_GGML_Q4_0_8_8, 288);
    put_data(&b, 288 + 288);
    struct qb_gguf *g;
    int64_t bad;
    uint16_t nan = 0x7e00, inf = 0x7c00;
    assert_int_equal(open_buf(&g, &b, NULL), QB_OK);
    const struct qb_gguf_tensor *plain = qb_gguf_tensor_find(g, "plain"),
                                *packed = qb_gguf_tensor_find(g, "packed");
    assert_int_equal(qb_gguf_tensor_check(plain, &bad, NULL), QB_OK);
    assert_int_equal(bad, -1);
    memcpy(b.data + (plain->data - (const uint8_t *)b.data) + 5 * 18, &nan, 2);
    assert_int_equal(qb_gguf_tensor_check(plain, &bad, NULL), QB_OK);
    assert_int_equal(bad, 5);
    /* the second unit of a group of 8 rows: scale of row 3 is block 1 of row 3 */
    memcpy(b.data + (packed->data - (const uint8_t *)b.data) + 8 * 18 + 3 * 2, &inf, 2);
    assert_int_equal(qb_gguf_tensor_check(packed, &bad, NULL), QB_OK);
    assert_int_equal(bad, 2 * 3 + 1);
    qb_gguf_close(g);
    qb_buf_release(&b);
}

/* ---- files ---- */

static char folder[] = "/tmp/qb_test_gguf_XXXXXX";

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", folder, name);
}

static void save(const char *name, const struct qb_buf *b)
{
    char path[128];
    path_of(path, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    fclose(f);
}

static void written_files_read_back(void **state)
{
    (void)state;
    char path[128];
    path_of(path, "written.gguf");
    struct qb_err err = {0};
    struct qb_gguf_writer *w;
    const uint32_t numbers[] = {3, 1, 2};
    const int64_t ne[] = {32, 3}, ne1[] = {5};
    uint8_t rows[32 * 3 / 32 * 18];
    float vector[5] = {1, 2, 3, 4, 5};
    memset(rows, 1, sizeof rows);
    assert_int_equal(qb_gguf_writer_create(&w, path, &err), QB_OK);
    assert_int_equal(qb_gguf_put_str(w, "general.architecture", "llama", &err), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "n", 9, &err), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "n", 9, &err), QB_ERR_FORMAT);
    assert_int_equal(qb_gguf_put_bool(w, "flag", true, &err), QB_OK);
    assert_int_equal(qb_gguf_put_f32(w, "real", 1.25f, &err), QB_OK);
    assert_int_equal(qb_gguf_put_u32_array(w, "list", numbers, 3, &err), QB_OK);
    assert_int_equal(qb_gguf_add_tensor(w, "v", 1, ne1, QB_GGML_F32, sizeof vector, &err), QB_OK);
    assert_int_equal(qb_gguf_add_tensor(w, "m", 2, ne, QB_GGML_Q4_0, sizeof rows, &err), QB_OK);
    assert_int_equal(qb_gguf_add_tensor(w, "m", 2, ne, QB_GGML_Q4_0, sizeof rows, &err), QB_ERR_FORMAT);
    assert_int_equal(qb_gguf_add_tensor(w, "x", 2, ne, QB_GGML_Q4_0, sizeof rows + 1, &err), QB_ERR_FORMAT);
    assert_int_equal(qb_gguf_begin_data(w, &err), QB_OK);
    assert_int_equal(qb_gguf_write(w, vector, sizeof vector, &err), QB_OK);
    assert_int_equal(qb_gguf_write(w, rows, 20, &err), QB_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing shows before it is complete */
    assert_int_equal(qb_gguf_write(w, rows, sizeof rows, &err), QB_ERR_FORMAT);
    assert_int_equal(qb_gguf_write(w, rows + 20, sizeof rows - 20, &err), QB_OK);
    assert_int_equal(qb_gguf_writer_finish(w, &err), QB_OK);
    qb_gguf_writer_free(w);

    struct qb_gguf *g;
    int64_t item;
    bool flag = false;
    assert_int_equal(qb_gguf_open(&g, path, &err), QB_OK);
    assert_int_equal(qb_gguf_file_bytes(g) % 32, 0);
    assert_true(qb_gguf_get_bool(g, "flag", &flag) && flag);
    assert_true(qb_gguf_array_i64(qb_gguf_find(g, "list"), 2, &item) && item == 2);
    assert_false(qb_gguf_array_i64(qb_gguf_find(g, "list"), 3, &item));
    assert_memory_equal(qb_gguf_tensor_find(g, "v")->data, vector, sizeof vector);
    assert_memory_equal(qb_gguf_tensor_find(g, "m")->data, rows, sizeof rows);

    /* copy the records of one file into another */
    char copy[128];
    path_of(copy, "copy.gguf");
    assert_int_equal(qb_gguf_writer_create(&w, copy, &err), QB_OK);
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++)
        assert_int_equal(qb_gguf_put_kv(w, qb_gguf_kv_at(g, i), &err), QB_OK);
    assert_int_equal(qb_gguf_begin_data(w, &err), QB_OK);
    assert_int_equal(qb_gguf_writer_finish(w, &err), QB_OK);
    qb_gguf_writer_free(w);
    struct qb_gguf *h;
    assert_int_equal(qb_gguf_open(&h, copy, &err), QB_OK);
    assert_int_equal(qb_gguf_n_kv(h), qb_gguf_n_kv(g));
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++) {
        const struct qb_gguf_kv *a = qb_gguf_kv_at(g, i), *b = qb_gguf_kv_at(h, i);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    qb_gguf_close(h);
    qb_gguf_close(g);
    unlink(path);
    unlink(copy);
}

static void abandoned_files_leave_nothing(void **state)
{
    (void)state;
    char path[128];
    path_of(path, "abandoned.gguf");
    struct qb_gguf_writer *w;
    const int64_t ne[] = {32};
    assert_int_equal(qb_gguf_writer_create(&w, path, NULL), QB_OK);
    assert_int_equal(qb_gguf_add_tensor(w, "t", 1, ne, QB_GGML_F32, 128, NULL), QB_OK);
    assert_int_equal(qb_gguf_begin_data(w, NULL), QB_OK);
    assert_int_equal(qb_gguf_writer_finish(w, NULL), QB_ERR_FORMAT); /* data is missing */
    qb_gguf_writer_free(w);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Part `no` of `count` with one tensor called name. */
static void save_part(const char *file, uint32_t no, uint32_t count, uint32_t n_tensors, const char *name)
{
    struct qb_buf b = start(1, 4);
    put_kv_u32(&b, "split.no", no);
    put_kv_u32(&b, "split.count", count);
    put_kv_u32(&b, "split.tensors.count", n_tensors);
    put_kv_str(&b, "note", file);
    put_tensor(&b, name, 32, 1, QB_GGML_F32, 0);
    put_data(&b, 128);
    save(file, &b);
    qb_buf_release(&b);
}

static enum qb_status open_file(const char *name, struct qb_gguf **g, struct qb_err *err)
{
    char path[128];
    path_of(path, name);
    return qb_gguf_open(g, path, err);
}

static void any_part_opens_the_set(void **state)
{
    (void)state;
    static const char *const files[] = {"s-00001-of-00003.gguf", "s-00002-of-00003.gguf",
                                        "s-00003-of-00003.gguf"};
    static const char *const tensors[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++)
        save_part(files[i], i, 3, 3, tensors[i]);
    for (int i = 0; i < 3; i++) {
        struct qb_gguf *g;
        struct qb_err err;
        struct qb_gguf_str note;
        assert_int_equal(open_file(files[i], &g, &err), QB_OK);
        assert_int_equal(qb_gguf_n_files(g), 3);
        assert_int_equal(qb_gguf_n_tensors(g), 3);
        for (int k = 0; k < 3; k++)
            assert_int_equal(qb_gguf_tensor_find(g, tensors[k])->file, k);
        /* metadata is that of the first part, whichever was named */
        assert_true(qb_gguf_get_str(g, "note", &note) && memcmp(note.s, files[0], note.len) == 0);
        qb_gguf_close(g);
    }
}

static void expect_split_failure(const char *name, enum qb_status status, const char *text)
{
    struct qb_gguf *g;
    struct qb_err err = {0};
    enum qb_status got = open_file(name, &g, &err);
    if (got != status || !strstr(err.message, text))
        fail_msg("expected %d with '%s', got %d '%s'", status, text, got, err.message);
}

static void broken_sets_are_refused(void **state)
{
    (void)state;
    save_part("m-00001-of-00002.gguf", 0, 2, 2, "a"); /* missing */
    expect_split_failure("m-00001-of-00002.gguf", QB_ERR_NOT_FOUND, "part 2 of 2");
    save_part("d-00001-of-00002.gguf", 0, 2, 2, "a"); /* a tensor twice */
    save_part("d-00002-of-00002.gguf", 1, 2, 2, "a");
    expect_split_failure("d-00001-of-00002.gguf", QB_ERR_FORMAT, "duplicate tensor 'a'");
    save_part("c-00001-of-00002.gguf", 0, 2, 2, "a"); /* the second part is the first again */
    save_part("c-00002-of-00002.gguf", 0, 2, 2, "a");
    expect_split_failure("c-00001-of-00002.gguf", QB_ERR_FORMAT, "says it is part 1 of 2");
    expect_split_failure("c-00002-of-00002.gguf", QB_ERR_FORMAT, "does not end in '-00001-of-00002.gguf'");
    save_part("f-00001-of-00002.gguf", 0, 2, 2, "a"); /* foreign: of another set */
    save_part("f-00002-of-00002.gguf", 1, 3, 2, "b");
    expect_split_failure("f-00001-of-00002.gguf", QB_ERR_FORMAT, "says it is part 2 of 3");
    save_part("t-00001-of-00002.gguf", 0, 2, 5, "a"); /* tensors are missing */
    save_part("t-00002-of-00002.gguf", 1, 2, 5, "b");
    expect_split_failure("t-00002-of-00002.gguf", QB_ERR_FORMAT, "holds 2 tensors");
    save_part("o-00001-of-00002.gguf", 2, 2, 1, "a"); /* beyond the set */
    expect_split_failure("o-00001-of-00002.gguf", QB_ERR_FORMAT, "split.no 2");
    save_part("renamed.gguf", 0, 2, 2, "a");
    expect_split_failure("renamed.gguf", QB_ERR_FORMAT, "does not end in");
    save_part("huge.gguf", 0, 70000, 2, "a");
    expect_split_failure("huge.gguf", QB_ERR_FORMAT, "split.count");
    expect_split_failure("absent.gguf", QB_ERR_NOT_FOUND, "cannot open");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values_and_tensors),
        cmocka_unit_test(every_truncation_fails),
        cmocka_unit_test(every_bit_flip_is_harmless),
        cmocka_unit_test(foreign_files_are_named),
        cmocka_unit_test(hostile_counts_allocate_nothing),
        cmocka_unit_test(bad_records_are_refused),
        cmocka_unit_test(bad_alignments_are_refused),
        cmocka_unit_test(bad_tensors_are_refused),
        cmocka_unit_test(bad_tensor_tables_are_refused),
        cmocka_unit_test(all_known_types_parse),
        cmocka_unit_test(bad_scales_are_found),
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(abandoned_files_leave_nothing),
        cmocka_unit_test(any_part_opens_the_set),
        cmocka_unit_test(broken_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

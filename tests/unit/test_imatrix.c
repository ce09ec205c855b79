/*
 * Importance matrices: files of both forms there and back, merging, what is refused and how, statistics.
 */
#include "engine/imatrix.h"

#include "engine/imatrix_stats.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/gguf_build.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/qbench-imatrix-XXXXXX", path[64], other_path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(other_path, sizeof other_path, "%s/b", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(folder);
}

static void ok(enum qb_status st, const struct qb_err *err)
{
    if (st != QB_OK)
        fail_msg("%s", err->message);
}

static struct qb_imatrix_entry *add(struct qb_imatrix *im, const char *name, int64_t n_in, int64_t n_mat,
                                    float count)
{
    struct qb_imatrix_entry *e = NULL;
    struct qb_err err = {0};
    ok(qb_imatrix_add(im, name, n_in, n_mat, true, &e, &err), &err);
    for (int64_t i = 0; i < n_in * n_mat; i++) {
        e->sum2[i] = count * (0.5f + (float)i);
        e->sum[i] = count * (1 - (float)i);
    }
    for (int64_t m = 0; m < n_mat; m++)
        e->counts[m] = count;
    return e;
}

/* Two plain tensors and one of three experts, the second of which no token reached. */
static struct qb_imatrix *sample(void)
{
    struct qb_imatrix *im = NULL;
    struct qb_err err = {0};
    ok(qb_imatrix_create(&im, 512, &err), &err);
    add(im, "blk.10.attn_q.weight", 8, 1, 1024);
    add(im, "blk.2.attn_q.weight", 8, 1, 1024);
    struct qb_imatrix_entry *e = add(im, "blk.2.ffn_up_exps.weight", 4, 3, 256);
    e->counts[1] = 0;
    memset(e->sum2 + 4, 0, 4 * sizeof(float));
    memset(e->sum + 4, 0, 4 * sizeof(float));
    im->n_chunks = 2;
    ok(qb_imatrix_add_dataset(im, "some text.txt", &err), &err);
    return im;
}

static struct qb_imatrix *open(const char *file)
{
    struct qb_imatrix *im = NULL;
    struct qb_err err = {0};
    ok(qb_imatrix_open(&im, file, &err), &err);
    return im;
}

static struct qb_imatrix *write_and_open(const struct qb_imatrix *im, enum qb_imatrix_form form)
{
    struct qb_err err = {0};
    ok(qb_imatrix_write(im, path, form, NULL, 0, &err), &err);
    return open(path);
}

/* ---- files ---- */

static void gguf_keeps_every_bit(void **state)
{
    (void)state;
    struct qb_imatrix *im = sample(), *got = write_and_open(im, QB_IMATRIX_GGUF);
    assert_int_equal(got->form, QB_IMATRIX_GGUF);
    assert_int_equal(got->n, im->n);
    assert_int_equal(got->n_chunks, 2);
    assert_int_equal(got->chunk_size, 512);
    assert_string_equal(qb_imatrix_dataset(got), "some text.txt");
    for (size_t i = 0; i < im->n; i++) {
        const struct qb_imatrix_entry *a = &im->entries[i], *b = &got->entries[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_in, b->n_in);
        assert_int_equal(a->n_mat, b->n_mat);
        assert_memory_equal(a->sum2, b->sum2, qb_imatrix_n_values(a) * sizeof(float));
        assert_memory_equal(a->sum, b->sum, qb_imatrix_n_values(a) * sizeof(float));
        assert_memory_equal(a->counts, b->counts, (size_t)a->n_mat * sizeof(float));
    }
    qb_imatrix_close(got);
    qb_imatrix_close(im);
}

/* The old form has no counts of experts, but the same importance. */
static void the_old_form_keeps_the_importance(void **state)
{
    (void)state;
    struct qb_imatrix *im = sample(), *got = write_and_open(im, QB_IMATRIX_DAT);
    assert_int_equal(got->form, QB_IMATRIX_DAT);
    assert_int_equal(got->chunk_size, 0);
    assert_int_equal(got->n_chunks, 2);
    assert_string_equal(qb_imatrix_dataset(got), "some text.txt");
    assert_int_equal(got->n, im->n);
    for (size_t i = 0; i < im->n; i++) {
        float a[12], b[12];
        size_t n = qb_imatrix_n_values(&im->entries[i]);
        const struct qb_imatrix_entry *e = qb_imatrix_find(got, im->entries[i].name);
        assert_non_null(e);
        assert_int_equal(e->n_mat, 1);
        assert_int_equal(qb_imatrix_n_values(e), n);
        qb_imatrix_importance(&im->entries[i], 0, n, a);
        qb_imatrix_importance(e, 0, n, b);
        for (size_t k = 0; k < n; k++)
            assert_float_equal(a[k], b[k], 1e-6f * a[k]);
    }
    assert_float_equal(qb_imatrix_find(got, "blk.2.attn_q.weight")->counts[0], 2, 0);
    qb_imatrix_close(got);
    qb_imatrix_close(im);
}

static void the_importance_of_what_was_not_seen_is_one(void **state)
{
    (void)state;
    struct qb_imatrix *im = sample();
    float v[6];
    qb_imatrix_importance(qb_imatrix_find(im, "blk.2.ffn_up_exps.weight"), 2, 6, v);
    const float want[] = {2.5f, 3.5f, 1, 1, 1, 1};
    for (size_t i = 0; i < 6; i++)
        assert_float_equal(v[i], want[i], 1e-6);
    assert_null(qb_imatrix_find(im, "blk.3.attn_q.weight"));
    qb_imatrix_close(im);
}

static void tensors_without_data_are_left_out(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = sample();
    add(im, "blk.0.attn_q.weight", 8, 1, 0);
    for (int form = QB_IMATRIX_GGUF; form <= QB_IMATRIX_DAT; form++) {
        struct qb_imatrix *got = write_and_open(im, (enum qb_imatrix_form)form);
        assert_int_equal(got->n, 3);
        assert_null(qb_imatrix_find(got, "blk.0.attn_q.weight"));
        qb_imatrix_close(got);
    }
    qb_imatrix_close(im);
    ok(qb_imatrix_create(&im, 512, &err), &err);
    assert_int_equal(qb_imatrix_write(im, path, QB_IMATRIX_DAT, NULL, 0, &err), QB_ERR_CHECK);
    assert_non_null(strstr(err.message, "no tensor has data"));
    qb_imatrix_close(im);
}

static bool same_bytes(const char *a, const char *b)
{
    char *x, *y;
    size_t n_x, n_y;
    assert_int_equal(qb_read_file(&x, &n_x, a, 1 << 20, NULL), QB_OK);
    assert_int_equal(qb_read_file(&y, &n_y, b, 1 << 20, NULL), QB_OK);
    bool same = n_x == n_y && memcmp(x, y, n_x) == 0;
    free(x);
    free(y);
    return same;
}

/*
 * Both forms as llama-imatrix (build 11434) wrote them for a model of 8 experts, of which a short text left
 * one a layer out. From one form we make the other, bit for bit.
 */
static void files_of_llama_imatrix(void **state)
{
    (void)state;
    const char *dat = QB_SOURCE_DIR "/tests/unit/data/imatrix-moe.dat";
    struct qb_err err = {0};
    struct qb_imatrix *im = open(QB_SOURCE_DIR "/tests/unit/data/imatrix-moe.gguf");
    assert_int_equal(im->n, 16);
    assert_int_equal(im->chunk_size, 16);
    assert_int_equal(im->n_chunks, 1);
    assert_string_equal(qb_imatrix_dataset(im), "eval.txt");
    const struct qb_imatrix_entry *e = qb_imatrix_find(im, "blk.1.ffn_down_exps.weight");
    assert_int_equal(e->n_in, 48);
    assert_int_equal(e->n_mat, 8);
    assert_non_null(e->sum);
    struct qb_imatrix_stats s;
    ok(qb_imatrix_stats_of(&s, im, e, &err), &err);
    assert_float_equal(s.tokens, 10, 0);
    assert_int_equal(s.n_unseen, 1);
    ok(qb_imatrix_write(im, path, QB_IMATRIX_DAT, NULL, 0, &err), &err);
    assert_true(same_bytes(path, dat));
    qb_imatrix_close(im);
}

/* ---- merging ---- */

static void merging_adds_up(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = NULL, *a = sample(), *b = sample();
    add(b, "blk.3.attn_q.weight", 8, 1, 64);
    ok(qb_imatrix_create(&im, 512, &err), &err);
    ok(qb_imatrix_merge(im, a, &err), &err);
    ok(qb_imatrix_merge(im, b, &err), &err);
    ok(qb_imatrix_add_dataset(b, "another.txt", &err), &err);
    ok(qb_imatrix_merge(im, b, &err), &err);
    assert_int_equal(im->n, 4);
    assert_int_equal(im->n_chunks, 6);
    assert_int_equal(im->datasets.n, 2);
    const struct qb_imatrix_entry *e = qb_imatrix_find(im, "blk.2.ffn_up_exps.weight");
    assert_float_equal(e->counts[0], 768, 0);
    assert_float_equal(e->counts[1], 0, 0);
    assert_float_equal(e->sum2[1], 768 * 1.5, 0);
    assert_float_equal(e->sum[2], -768, 0);
    assert_float_equal(qb_imatrix_find(im, "blk.3.attn_q.weight")->counts[0], 128, 0);
    qb_imatrix_close(a);
    qb_imatrix_close(b);
    qb_imatrix_close(im);
}

/* Either way round: counts of chunks become tokens, experts are told apart again, sums are unknown. */
static void merging_the_two_forms(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct qb_err err = {0};
        struct qb_imatrix *im = NULL, *gguf = sample(), *dat = write_and_open(gguf, QB_IMATRIX_DAT);
        qb_imatrix_set_chunk_size(dat, 512);
        ok(qb_imatrix_create(&im, 512, &err), &err);
        ok(qb_imatrix_merge(im, order ? dat : gguf, &err), &err);
        ok(qb_imatrix_merge(im, order ? gguf : dat, &err), &err);
        const struct qb_imatrix_entry *e = qb_imatrix_find(im, "blk.2.ffn_up_exps.weight");
        assert_int_equal(e->n_mat, 3);
        assert_int_equal(e->n_in, 4);
        assert_null(e->sum);
        assert_float_equal(e->counts[0], 256 + 512, 0);
        assert_float_equal(e->sum2[0], 0.5 * (256 + 512), 1e-3);
        e = qb_imatrix_find(im, "blk.2.attn_q.weight");
        assert_float_equal(e->counts[0], 2048, 0);
        assert_float_equal(e->sum2[3], 3.5 * 2048, 1e-2);
        qb_imatrix_close(im);
        qb_imatrix_close(gguf);
        qb_imatrix_close(dat);
    }
}

static void merging_refuses_other_sizes(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *a = sample(), *b = NULL;
    ok(qb_imatrix_create(&b, 512, &err), &err);
    add(b, "blk.2.attn_q.weight", 16, 1, 1);
    struct qb_imatrix *first = write_and_open(a, QB_IMATRIX_GGUF);
    assert_int_equal(qb_imatrix_merge(first, b, &err), QB_ERR_FORMAT);
    char want[256];
    snprintf(want, sizeof want, "'': 16 values for 'blk.2.attn_q.weight', where '%s' has 8", path);
    assert_string_equal(err.message, want);
    qb_imatrix_close(first);
    qb_imatrix_close(a);
    qb_imatrix_close(b);
}

/* ---- checks against a model ---- */

static void lengths_are_checked(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = sample();
    const int64_t plain[4] = {8, 100, 1, 1}, experts[4] = {4, 9, 3, 1}, short_one[4] = {7, 100, 1, 1};
    assert_int_equal(qb_imatrix_check_tensor(im, "blk.2.attn_q.weight", plain, &err), QB_OK);
    assert_int_equal(qb_imatrix_check_tensor(im, "blk.2.ffn_up_exps.weight", experts, &err), QB_OK);
    assert_int_equal(qb_imatrix_check_tensor(im, "blk.7.attn_q.weight", short_one, &err), QB_OK);
    assert_int_equal(qb_imatrix_check_tensor(im, "blk.2.attn_q.weight", short_one, &err), QB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "8 values for tensor 'blk.2.attn_q.weight', which has 7 x 1 inputs"));
    add(im, "token_embd.weight", 3, 1, 1);
    assert_int_equal(qb_imatrix_check_tensor(im, "token_embd.weight", plain, &err), QB_OK);
    qb_imatrix_close(im);
}

static void a_matrix_of_another_model_is_refused(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = sample();
    struct qb_gguf_writer *w;
    struct qb_gguf *g;
    const float zeros[8] = {0};
    ok(qb_gguf_writer_create(&w, other_path, &err), &err);
    ok(qb_gguf_add_tensor(w, "v.blk.0.weight", 1, (int64_t[]){8}, QB_GGML_F32, sizeof zeros, &err), &err);
    ok(qb_gguf_begin_data(w, &err), &err);
    ok(qb_gguf_write(w, zeros, sizeof zeros, &err), &err);
    ok(qb_gguf_writer_finish(w, &err), &err);
    qb_gguf_writer_free(w);
    ok(qb_gguf_open(&g, other_path, &err), &err);
    assert_int_equal(qb_imatrix_check_model(im, g, &err), QB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "no entry for any tensor of"));
    qb_gguf_close(g);
    qb_imatrix_close(im);
}

/* ---- bad files ---- */

static void put_i32(struct qb_buf *b, int32_t v)
{
    put_u32(b, (uint32_t)v);
}

static void put_old_entry(struct qb_buf *b, const char *name, int32_t chunks, int32_t n, const float *v)
{
    put_i32(b, (int32_t)strlen(name));
    qb_buf_puts(b, name);
    put_i32(b, chunks);
    put_i32(b, n);
    qb_buf_append(b, v, 2 * sizeof *v);
}

static void refused(const struct qb_buf *b, const char *why)
{
    struct qb_imatrix *im;
    struct qb_err err = {0};
    void *copy = malloc(b->len);
    memcpy(copy, b->data, b->len);
    assert_int_equal(qb_imatrix_open_memory(&im, copy, b->len, "m", &err), QB_ERR_FORMAT);
    if (!strstr(err.message, why) || !strstr(err.message, "'m'"))
        fail_msg("'%s' does not say '%s'", err.message, why);
    free(copy);
}

static void old_files_that_are_refused(void **state)
{
    (void)state;
    const float good[] = {1, 2}, nan_value[] = {1, NAN}, negative[] = {-1, 2}, infinite[] = {INFINITY, 2};
    const struct {
        int32_t n_entries;
        const char *name, *second;
        int32_t chunks, n;
        const float *v;
        const char *why;
    } cases[] = {
        {0, "a", "b", 1, 2, good, "no importance matrix"},
        {-1, "a", "b", 1, 2, good, "no importance matrix"},
        {1000000, "a", "b", 1, 2, good, "no importance matrix"},
        {2, "a", "a", 1, 2, good, "two entries for 'a'"},
        {2, "a", "b", -1, 2, good, "impossible count or length at offset 9"},
        {2, "a", "b", 1, 0, good, "impossible count or length at offset 13"},
        {2, "a", "b", 1, -2, good, "impossible count or length at offset 13"},
        {2, "a", "b", 1, INT32_MAX, good, "truncated at offset 17 while reading values"},
        {2, "a", "b", 1, 2, nan_value, "sum of squares 1 of 'a' is not finite"},
        {2, "a", "b", 1, 2, infinite, "sum of squares 0 of 'a' is not finite"},
        {2, "a", "b", 1, 2, negative, "sum of squares 0 of 'a' is negative"},
        {2, "a\n", "b", 1, 2, good, "the name at offset 8 is no name of a tensor"},
        {2, "", "b", 1, 2, good, "impossible count or length at offset 4"},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_buf b;
        qb_buf_init(&b, 0);
        put_i32(&b, cases[i].n_entries);
        put_old_entry(&b, cases[i].name, cases[i].chunks, cases[i].n, cases[i].v);
        put_old_entry(&b, cases[i].second, 1, 2, good);
        refused(&b, cases[i].why);
        qb_buf_release(&b);
    }
}

/* It may end after the entries or after the count of chunks, nowhere else, and nothing may follow. */
static void where_an_old_file_may_end(void **state)
{
    (void)state;
    const float good[] = {1, 2};
    struct qb_buf b;
    qb_buf_init(&b, 0);
    put_i32(&b, 1);
    put_old_entry(&b, "a", 4, 2, good);
    size_t entries = b.len;
    put_i32(&b, 4);
    put_i32(&b, 3);
    qb_buf_puts(&b, "x\033y");
    size_t all = b.len;
    qb_buf_puts(&b, "?");
    for (size_t n = 0; n <= b.len; n++) {
        struct qb_imatrix *im;
        struct qb_err err = {0};
        enum qb_status st = qb_imatrix_open_memory(&im, b.data, n, "m", &err);
        assert_int_equal(st, n == entries || n == entries + 4 || n == all ? QB_OK : QB_ERR_FORMAT);
        if (st)
            continue;
        assert_int_equal(im->n_chunks, n == entries ? 0 : 4);
        assert_string_equal(qb_imatrix_dataset(im), n == all ? "x?y" : "");
        qb_imatrix_close(im);
    }
    refused(&b, "1 bytes too many at offset");
    qb_buf_release(&b);
}

/* A GGUF file with the two tensors of one entry, as the case says. */
struct gguf_case {
    const char *type, *sums, *counts, *why;
    uint64_t n_in, n_mat, n_counts;
    float sum, count;
    bool no_size;
};

static void build(struct qb_buf *b, const struct gguf_case *c)
{
    qb_buf_init(b, 0);
    put_header(b, 2, c->no_size ? 3 : 4);
    put_kv_str(b, "general.type", c->type);
    put_str(b, "imatrix.datasets");
    put_u32(b, QB_GGUF_ARRAY);
    put_u32(b, QB_GGUF_STRING);
    put_u64(b, 0);
    put_kv_u32(b, "imatrix.chunk_count", 1);
    if (!c->no_size)
        put_kv_u32(b, "imatrix.chunk_size", 512);
    put_tensor(b, c->sums, c->n_in, c->n_mat, QB_GGML_F32, 0);
    put_tensor(b, c->counts, 1, c->n_counts, QB_GGML_F32, 32);
    while (b->len % 32)
        qb_buf_putc(b, 0);
    for (int i = 0; i < 16; i++) {
        float v = i == 0 ? c->sum : i == 8 ? c->count : 1;
        qb_buf_append(b, &v, sizeof v);
    }
}

static void gguf_files_that_are_refused(void **state)
{
    (void)state;
    const struct gguf_case cases[] = {
        {"model", "a.in_sum2", "a.counts", "is a GGUF file, but no importance matrix", 2, 2, 2, 1, 1, false},
        {"imatrix", "a.in_sum2", "b.counts", "'a' has sums but no counts", 2, 2, 2, 1, 1, false},
        {"imatrix", "a.sum2", "a.counts", "no entries", 2, 2, 2, 1, 1, false},
        {"imatrix", "a.in_sum2", "a.counts", "'a.counts' is 1 x 3 x 1, expected 1 x 2", 2, 2, 3, 1, 1, false},
        {"imatrix", "a.in_sum2", "a.counts", "sum of squares 0 of 'a' is not finite", 2, 2, 2, NAN, 1, false},
        {"imatrix", "a.in_sum2", "a.counts", "sum of squares 0 of 'a' is negative", 2, 2, 2, -1, 1, false},
        {"imatrix", "a.in_sum2", "a.counts", "count 0 of 'a' is not finite", 2, 2, 2, 1, INFINITY, false},
        {"imatrix", "a.in_sum2", "a.counts", "count 0 of 'a' is negative", 2, 2, 2, 1, -3, false},
        {"imatrix", "a.in_sum2", "a.counts", "count 0 of 'a' is impossible", 2, 2, 2, 1, 1e20f, false},
        {"imatrix", "a.in_sum2", "a.counts", "'imatrix.chunk_size' is missing", 2, 2, 2, 1, 1, true},
    };
    struct qb_buf b;
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        build(&b, &cases[i]);
        refused(&b, cases[i].why);
        qb_buf_release(&b);
    }
    /* and the same without a flaw */
    const struct gguf_case good = {"imatrix", "a.in_sum2", "a.counts", NULL, 2, 2, 2, 1, 1, false};
    struct qb_imatrix *im;
    struct qb_err err = {0};
    build(&b, &good);
    ok(qb_imatrix_open_memory(&im, b.data, b.len, "m", &err), &err);
    assert_string_equal(im->entries[0].name, "a");
    qb_imatrix_close(im);
    qb_buf_release(&b);
}

/* ---- statistics ---- */

static void statistics(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = NULL;
    struct qb_imatrix_stats s;
    ok(qb_imatrix_create(&im, 512, &err), &err);
    struct qb_imatrix_entry *e = add(im, "blk.0.ffn_up.weight", 4, 1, 10);
    for (int i = 0; i < 4; i++)
        e->sum2[i] = 20;
    e = add(im, "blk.1.ffn_up.weight", 4, 1, 10);
    const float v[] = {0, 10, 30, 0};
    memcpy(e->sum2, v, sizeof v);
    e = add(im, "output.weight", 2, 2, 7);
    e->counts[1] = 0;
    ok(qb_imatrix_stats_of(&s, im, qb_imatrix_find(im, "blk.1.ffn_up.weight"), &err), &err);
    assert_int_equal(s.layer, 1);
    assert_float_equal(s.tokens, 10, 0);
    assert_int_equal(s.n_zero, 2);
    assert_float_equal(s.sum2, 4, 1e-9);
    assert_float_equal(s.max, 3, 1e-9);
    assert_float_equal(s.stddev, sqrt(1.5), 1e-9);
    assert_float_equal(s.entropy, 0.25 * 2 + 0.75 * log2(4 / 3.0), 1e-9);
    assert_float_equal(s.entropy_pct, 50 * s.entropy, 1e-9);
    assert_float_equal(s.gain, 0.5, 1e-9);
    assert_float_equal(s.cosine, 8 / sqrt(10 * 16.0), 1e-9);
    ok(qb_imatrix_stats_of(&s, im, qb_imatrix_find(im, "blk.0.ffn_up.weight"), &err), &err);
    assert_float_equal(s.entropy_pct, 100, 1e-9);
    assert_true(isnan(s.gain) && isnan(s.cosine));
    ok(qb_imatrix_stats_of(&s, im, qb_imatrix_find(im, "output.weight"), &err), &err);
    assert_int_equal(s.layer, -1);
    assert_int_equal(s.n_unseen, 1);
    qb_imatrix_close(im);
}

static void layers_come_in_the_order_of_numbers(void **state)
{
    (void)state;
    struct qb_err err = {0};
    struct qb_imatrix *im = sample();
    const struct qb_imatrix_entry **list;
    add(im, "output.weight", 4, 1, 1);
    ok(qb_imatrix_by_layer(&list, im, &err), &err);
    assert_string_equal(list[0]->name, "blk.2.attn_q.weight");
    assert_string_equal(list[1]->name, "blk.2.ffn_up_exps.weight");
    assert_string_equal(list[2]->name, "blk.10.attn_q.weight");
    assert_string_equal(list[3]->name, "output.weight");
    free(list);
    qb_imatrix_close(im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_keeps_every_bit),
        cmocka_unit_test(the_old_form_keeps_the_importance),
        cmocka_unit_test(the_importance_of_what_was_not_seen_is_one),
        cmocka_unit_test(tensors_without_data_are_left_out),
        cmocka_unit_test(files_of_llama_imatrix),
        cmocka_unit_test(merging_adds_up),
        cmocka_unit_test(merging_the_two_forms),
        cmocka_unit_test(merging_refuses_other_sizes),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(a_matrix_of_another_model_is_refused),
        cmocka_unit_test(old_files_that_are_refused),
        cmocka_unit_test(where_an_old_file_may_end),
        cmocka_unit_test(gguf_files_that_are_refused),
        cmocka_unit_test(statistics),
        cmocka_unit_test(layers_come_in_the_order_of_numbers),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

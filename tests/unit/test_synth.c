/*
 * Synthetic weights: the same whoever fills which rows, the spread that keeps activations level, files that
 * read back.
 */
#include "bench/shape_model.h"
#include "engine/synth.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void shape(struct qb_hparams *hp, const char *name)
{
    assert_int_equal(qb_shape_hparams(hp, name, NULL), QB_OK);
}

static void row_groups_do_not_depend_on_each_other(void **state)
{
    (void)state;
    struct qb_hparams hp;
    shape(&hp, "llama-3.2-1b");
    for (int id = 0; id < QB_FORMAT_COUNT; id++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)id);
        size_t row = qb_format_bytes(f, 512);
        uint8_t *all = malloc(40 * row), *parts = malloc(40 * row), *other = malloc(40 * row);
        qb_synth_rows(&hp, "blk.0.attn_q.weight", 512, f, 7, 0, 40, all);
        qb_synth_rows(&hp, "blk.0.attn_q.weight", 512, f, 7, 32, 8, parts + 32 * row);
        qb_synth_rows(&hp, "blk.0.attn_q.weight", 512, f, 7, 0, 16, parts);
        qb_synth_rows(&hp, "blk.0.attn_q.weight", 512, f, 7, 16, 16, parts + 16 * row);
        assert_memory_equal(all, parts, 40 * row);
        assert_memory_not_equal(all, all + 16 * row, 16 * row);
        qb_synth_rows(&hp, "blk.1.attn_q.weight", 512, f, 7, 0, 40, other);
        assert_memory_not_equal(all, other, 40 * row);
        qb_synth_rows(&hp, "blk.0.attn_q.weight", 512, f, 8, 0, 40, other);
        assert_memory_not_equal(all, other, 40 * row);
        free(all);
        free(parts);
        free(other);
    }
}

static void moments(const float *x, size_t n, double *mean, double *std)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(x[i]));
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    *mean = sum / (double)n;
    *std = sqrt(squares / (double)n - *mean * *mean);
}

static void spread_fits_the_role(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        double factor;
    } cases[] = {{"blk.3.ffn_up.weight", 1},
                 {"token_embd.weight", 1},
                 {"blk.3.ffn_down.weight", 0.1767767 /* 1 / sqrt(2 * 16 layers) */}};
    struct qb_hparams hp;
    shape(&hp, "llama-3.2-1b");
    enum { COLS = 1024, ROWS = 64 };
    float *values = malloc(COLS * ROWS * sizeof *values);
    uint8_t *data = malloc(COLS * ROWS * sizeof *values);
    for (size_t c = 0; c < QB_ARRAY_LEN(cases); c++)
        for (int id = 0; id < QB_FORMAT_COUNT; id++) {
            const struct qb_format *f = qb_format_get((enum qb_format_id)id);
            double mean, std, expected = cases[c].factor / sqrt((double)COLS);
            qb_synth_rows(&hp, cases[c].tensor, COLS, f, 1, 0, ROWS, data);
            f->decode(data, values, COLS * ROWS);
            moments(values, COLS * ROWS, &mean, &std);
            if (fabs(mean) > 0.1 * expected || fabs(std / expected - 1) > 0.15)
                fail_msg("%s as %s: mean %g, std %g, expected %g", cases[c].tensor, f->name, mean, std,
                         expected);
        }
    free(values);
    free(data);
}

static void vectors_fit_the_role(void **state)
{
    (void)state;
    struct qb_hparams hp;
    float v[32];
    shape(&hp, "llama-3.2-1b");
    const struct qb_format *f32 = qb_format_get(QB_FORMAT_F32);
    qb_synth_rows(&hp, "blk.0.attn_norm.weight", 32, f32, 1, 0, 1, (uint8_t *)v);
    for (int i = 0; i < 32; i++)
        assert_true(v[i] >= 0.9f && v[i] <= 1.1f);
    qb_synth_rows(&hp, "blk.0.attn_q.bias", 32, f32, 1, 0, 1, (uint8_t *)v);
    for (int i = 0; i < 32; i++)
        assert_true(fabsf(v[i]) < 0.05f);
    /* Llama 3.2 stretches long waves 32 times and leaves short ones */
    qb_synth_rows(&hp, "rope_freqs.weight", 32, f32, 1, 0, 1, (uint8_t *)v);
    assert_true(v[0] == 1.0f && v[31] == 32.0f);
    for (int i = 1; i < 32; i++)
        assert_true(v[i] >= v[i - 1]);
}

static void count(void *arg, double share)
{
    double *last = arg;
    assert_true(share > *last && share <= 1);
    *last = share;
}

static void files_read_back(void **state)
{
    (void)state;
    static const char *const ftypes[] = {"F32",      "F16",    "BF16",   "Q4_0",       "Q4_0_4_4",
                                         "Q4_0_8_8", "Q4_K_M", "IQ4_XS", "IQ4_NL_4_4", "Q8_0"};
    struct qb_hparams hp;
    shape(&hp, "qbench-tiny-7m");
    char path[] = "/tmp/qb_test_synth_XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < QB_ARRAY_LEN(ftypes); i++) {
        struct qb_err err = {0};
        double last = 0;
        if (qb_synth_write(&hp, qb_ftype_by_name(ftypes[i]), true, 42, path, count, &last, &err) != QB_OK)
            fail_msg("%s", err.message);
        assert_true(last == 1);
        struct qb_gguf *g;
        struct qb_hparams back;
        assert_int_equal(qb_gguf_open(&g, path, &err), QB_OK);
        assert_int_equal(qb_hparams_read(&back, g, &err), QB_OK);
        assert_int_equal(back.n_vocab, hp.n_vocab);
        assert_int_equal(back.n_ff[7], hp.n_ff[7]);
        assert_int_equal(back.head_dim_k, 64);
        assert_true(back.rope_base == hp.rope_base && back.norm_eps == hp.norm_eps && back.tied_embeddings);
        assert_int_equal(qb_hparams_n_params(&back), 7348480);
        for (size_t t = 0; t < qb_gguf_n_tensors(g); t++) {
            int64_t bad;
            assert_int_equal(qb_gguf_tensor_check(qb_gguf_tensor_at(g, t), &bad, &err), QB_OK);
            assert_int_equal(bad, -1);
        }
        qb_gguf_close(g);
    }
    unlink(path);
}

/* An interleaved file holds the weights of the plain one. */
static void interleaved_files_hold_the_same_weights(void **state)
{
    (void)state;
    struct qb_hparams hp;
    struct qb_gguf *g;
    shape(&hp, "qbench-tiny-7m");
    char path[] = "/tmp/qb_test_synth_XXXXXX";
    close(mkstemp(path));
    assert_int_equal(qb_synth_write(&hp, qb_ftype_by_name("Q4_0_8_8"), true, 42, path, NULL, NULL, NULL),
                     QB_OK);
    assert_int_equal(qb_gguf_open(&g, path, NULL), QB_OK);
    const struct qb_gguf_tensor *t = qb_gguf_tensor_find(g, "blk.7.ffn_up.weight");
    assert_int_equal(t->layout, QB_LAYOUT_8X8);
    size_t row = qb_format_bytes(t->format, t->ne[0]);
    uint8_t *plain = malloc(t->bytes), *unpacked = malloc(t->bytes);
    qb_synth_rows(&hp, t->name, t->ne[0], t->format, 42, 0, t->ne[1], plain);
    for (int64_t r = 0; r < t->ne[1]; r += 8)
        qb_layout_unpack(QB_LAYOUT_8X8, t->format, t->ne[0], t->data + (size_t)r * row,
                         unpacked + (size_t)r * row, row);
    assert_memory_equal(plain, unpacked, t->bytes);
    free(plain);
    free(unpacked);
    qb_gguf_close(g);
    unlink(path);
}

static void what_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct qb_hparams hp;
    struct qb_err err = {0};
    shape(&hp, "qbench-tiny-7m");
    assert_int_equal(
        qb_synth_write(&hp, qb_ftype_by_name("Q8_0"), true, 42, "/no/such/folder/x.gguf", NULL, NULL, &err),
        QB_ERR_IO);
    assert_non_null(strstr(err.message, "/no/such/folder/x.gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_groups_do_not_depend_on_each_other),
        cmocka_unit_test(spread_fits_the_role),
        cmocka_unit_test(vectors_fit_the_role),
        cmocka_unit_test(files_read_back),
        cmocka_unit_test(interleaved_files_hold_the_same_weights),
        cmocka_unit_test(what_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

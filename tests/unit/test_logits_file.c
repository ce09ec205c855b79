/*
 * Log-probabilities in files: what is written is read back within the grid, and bad files are refused.
 */
#include "engine/logits_file.h"

#include "base/f16.h"
#include "base/rng.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_CTX = 8, N_CHUNKS = 2, SCORED = 3, N_VOCAB = 37, N_ROWS = N_CHUNKS * SCORED };

static char path[] = "/tmp/qbench-logits-XXXXXX";
static float logits[N_ROWS][N_VOCAB];
static struct qb_distribution rows[N_ROWS];
static int32_t tokens[N_CHUNKS * N_CTX];

static int start(void **state)
{
    (void)state;
    struct qb_rng rng;
    qb_rng_init(&rng, 8, 0);
    for (int r = 0; r < N_ROWS; r++) {
        for (int i = 0; i < N_VOCAB; i++)
            logits[r][i] = 4 * qb_rng_normal(&rng);
        logits[r][5] = -60; /* out of the range of the grid */
        qb_distribution_of_logits(&rows[r], logits[r], N_VOCAB);
    }
    for (int i = 0; i < N_CHUNKS * N_CTX; i++)
        tokens[i] = 2 * i;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int stop(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(void)
{
    struct qb_logits_writer *w = NULL;
    assert_int_equal(qb_logits_writer_create(&w, path, N_CTX, N_VOCAB, N_CHUNKS, tokens, NULL), QB_OK);
    for (int c = 0; c < N_CHUNKS; c++)
        assert_int_equal(qb_logits_writer_rows(w, rows + c * SCORED, SCORED, NULL), QB_OK);
    assert_int_equal(qb_logits_writer_finish(w, NULL), QB_OK);
    qb_logits_writer_free(w);
}

static void written_and_read_back(void **state)
{
    (void)state;
    struct qb_logits_file f;
    float got[N_VOCAB];
    int32_t ids[N_CTX];
    write_file();
    assert_true(qb_logits_file_detect(path));
    assert_int_equal(qb_logits_file_open(&f, path, NULL), QB_OK);
    assert_int_equal(f.n_ctx, N_CTX);
    assert_int_equal(f.n_vocab, N_VOCAB);
    assert_int_equal(f.n_chunks, N_CHUNKS);
    assert_int_equal(f.map.size, 20 + sizeof tokens + N_ROWS * (8 + 2 * (N_VOCAB + 1)));
    qb_logits_file_tokens(&f, 1, ids);
    assert_memory_equal(ids, tokens + N_CTX, sizeof ids);
    for (int r = 0; r < N_ROWS; r++) {
        qb_logits_file_row(&f, r / SCORED, r % SCORED, -1, got);
        for (int i = 0; i < N_VOCAB; i++) {
            double want = logits[r][i] - rows[r].ln_sum;
            if (want > -16)
                assert_true(fabs(got[i] - want) < 16 / 65535.0);
            else
                assert_true(got[i] == -1000);
        }
    }
    qb_logits_file_close(&f);
}

/* Its probability is needed, whatever it is: it lies 16 below the largest. */
static void the_next_token_keeps_its_value(void **state)
{
    (void)state;
    struct qb_logits_file f;
    float got[N_VOCAB];
    write_file();
    assert_int_equal(qb_logits_file_open(&f, path, NULL), QB_OK);
    qb_logits_file_row(&f, 1, 0, 5, got);
    double largest = rows[SCORED].shift - rows[SCORED].ln_sum;
    assert_true(fabs(got[5] - (largest - 16)) < 1e-5);
    qb_logits_file_close(&f);
}

/* The divergence of the model from its own file is noise of the grid. */
static void a_model_is_near_its_file(void **state)
{
    (void)state;
    struct qb_logits_file f;
    float got[N_VOCAB];
    write_file();
    assert_int_equal(qb_logits_file_open(&f, path, NULL), QB_OK);
    for (int r = 0; r < N_ROWS; r++) {
        struct qb_distribution base;
        struct qb_score s;
        qb_logits_file_row(&f, r / SCORED, r % SCORED, 3, got);
        qb_distribution_of_logs(&base, got, N_VOCAB);
        qb_score_position(&s, logits[r], N_VOCAB, 3, &base);
        assert_true(fabs(s.divergence) < 1e-4 && fabs(s.dp) < 1e-4 && s.same_top);
        assert_true(fabs(s.nll - s.base_nll) < 2e-4 || s.nll > 16);
    }
    qb_logits_file_close(&f);
}

static void put(const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void refused(const void *data, size_t n, const char *message)
{
    struct qb_logits_file f;
    struct qb_err err = {0};
    put(data, n);
    assert_int_equal(qb_logits_file_open(&f, path, &err), QB_ERR_FORMAT);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
}

/* Cut anywhere, or with sizes that do not fit. */
static void bad_files_are_refused(void **state)
{
    (void)state;
    struct qb_logits_file f;
    write_file();
    assert_int_equal(qb_logits_file_open(&f, path, NULL), QB_OK);
    size_t n = f.map.size;
    uint8_t *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, f.map.data, n);
    qb_logits_file_close(&f);
    for (size_t cut = 1; cut < n; cut += 7)
        refused(copy, cut, "truncated");
    const struct {
        int at;
        uint32_t value;
        const char *message;
    } changes[] = {{0, 7, "no file of log-probabilities"},
                   {8, 0, "tokens"},
                   {8, 0xffffffff, "tokens"},
                   {12, 0, "vocabulary of 0"},
                   {12, 0x80000000, "vocabulary"},
                   {16, 0, "0 chunks"},
                   {16, 0x7fffffff, "truncated"}};
    for (size_t i = 0; i < QB_ARRAY_LEN(changes); i++) {
        uint32_t kept = qb_load_u32(copy + changes[i].at);
        memcpy(copy + changes[i].at, &changes[i].value, 4);
        refused(copy, n, changes[i].message);
        memcpy(copy + changes[i].at, &kept, 4);
    }
    free(copy);
    put("", 0);
    assert_false(qb_logits_file_detect(path));
    assert_false(qb_logits_file_detect("/nonexistent/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_read_back),
        cmocka_unit_test(the_next_token_keeps_its_value),
        cmocka_unit_test(a_model_is_near_its_file),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/*
 * Observing a session and collecting importance matrices: every input of every matrix is shown once, the sums
 * are right, and the same whatever the number of threads, the micro-batches, and wherever a run was cut.
 */
#include "engine/imatrix_collect.h"

#include "base/rng.h"
#include "engine/synth.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_VOCAB  208
#define N_TOKENS 328
#define N_EMBD   256
#define N_FF     512

static struct qb_pool *pools[4]; /* by number of threads */
static struct qb_kernel_set kernels;
static int32_t tokens[2][N_TOKENS];

static int start(void **state)
{
    (void)state;
    struct qb_rng rng;
    qb_rng_init(&rng, 3, 0);
    for (int i = 0; i < 2 * N_TOKENS; i++)
        tokens[i / N_TOKENS][i % N_TOKENS] = (int32_t)qb_rng_below(&rng, N_VOCAB);
    for (int n = 1; n < 4; n++) {
        int pu[] = {-1, -1, -1};
        struct qb_placement p = {.n_threads = n, .pu = pu, .oversubscribed = true};
        if (qb_pool_create(&pools[n], &p, NULL) != QB_OK)
            return -1;
    }
    return qb_kernel_set_select(&kernels, QB_ISA_AUTO, NULL) == QB_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    for (int n = 1; n < 4; n++)
        qb_pool_free(pools[n]);
    return 0;
}

static struct qb_model *synthesize(const char *ftype)
{
    struct qb_hparams hp = {.n_layer = 2,
                            .n_embd = N_EMBD,
                            .n_vocab = N_VOCAB,
                            .n_ctx_train = 4096,
                            .head_dim_k = 64,
                            .head_dim_v = 64,
                            .n_rot = 64,
                            .norm_eps = 1e-5f,
                            .rope_base = 10000,
                            .rope_freq_scale = 1,
                            .rope_attn_factor = 1};
    snprintf(hp.arch, sizeof hp.arch, "llama");
    snprintf(hp.name, sizeof hp.name, "tiny");
    for (int i = 0; i < hp.n_layer; i++) {
        hp.n_head[i] = 4;
        hp.n_head_kv[i] = 1; /* few tasks of attention: with several threads its keys would be split */
        hp.n_ff[i] = N_FF;
    }
    struct qb_model_options o = {.layout = QB_LAYOUT_PLAIN, .set = &kernels, .pool = pools[2], .seed = 5};
    struct qb_model *m = NULL;
    struct qb_err err = {0};
    if (qb_model_synthesize(&m, &hp, qb_ftype_by_name(ftype), true, &o, &err) != QB_OK)
        fail_msg("%s", err.message);
    return m;
}

static struct qb_session *session(const struct qb_model *m, int n_threads, int n_ubatch)
{
    struct qb_session_options o = {.set = &kernels,
                                   .pool = pools[n_threads],
                                   .n_ctx = 512,
                                   .n_batch = 256,
                                   .n_ubatch = n_ubatch,
                                   .type_k = QB_KV_F32,
                                   .type_v = QB_KV_F32};
    struct qb_session *s = NULL;
    assert_int_equal(qb_session_create(&s, m, &o, NULL), QB_OK);
    return s;
}

/* ---- what is shown ---- */

/* Rows seen at every tensor, and the squares of those at one, summed up by worker 0. */
struct seen {
    const struct qb_model *model;
    int64_t rows[64];
    double down2[N_FF]; /* "blk.1.ffn_down.weight" */
    int unknown;
};

static void look(struct qb_worker *w, const struct qb_observation *o, void *arg)
{
    struct seen *seen = arg;
    for (int i = 0; w->index == 0 && i < o->n_to; i++) {
        int64_t mat = -1;
        const struct qb_model_tensor *t = qb_model_tensor_of(seen->model, o->to[i], &mat);
        if (!t || mat != 0 || t->ne[0] != o->to[i]->n_cols) {
            seen->unknown++;
            continue;
        }
        seen->rows[t - seen->model->tensors] += o->n;
        for (int c = 0; !strcmp(t->name, "blk.1.ffn_down.weight") && c < o->n; c++)
            for (int k = 0; k < N_FF; k++)
                seen->down2[k] += pow((double)o->x[(size_t)c * o->ldx + (size_t)k], 2);
    }
}

/* Whichever logits are wanted, down to single tokens. The embedding is looked up, not multiplied. */
static void every_token_is_shown_at_every_matrix(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("F16");
    float *logits = calloc((size_t)N_TOKENS * N_VOCAB, sizeof *logits);
    const int cuts[] = {512, 32, 1};
    for (size_t c = 0; c < QB_ARRAY_LEN(cuts); c++)
        for (int64_t n_outputs = 0; n_outputs <= N_TOKENS; n_outputs += N_TOKENS / 2) {
            struct seen seen = {.model = m};
            struct qb_session *s = session(m, 2, cuts[c]);
            qb_session_observe(s, look, &seen);
            assert_int_equal(qb_session_eval_last(s, tokens[0], N_TOKENS, n_outputs, logits, NULL), QB_OK);
            assert_int_equal(seen.unknown, 0);
            assert_int_equal(m->n_tensors, 16);
            for (size_t i = 0; i < m->n_tensors; i++)
                assert_int_equal(seen.rows[i],
                                 strcmp(m->tensors[i].name, "token_embd.weight") ? N_TOKENS : 0);
            qb_session_free(s);
        }
    free(logits);
    qb_model_close(m);
}

static void observing_does_not_change_logits(void **state)
{
    (void)state;
    /* a format whose fused and batched products take the same activations at all levels, and so differ by
     * roundings of floats only: one output is a fused one, observed ones are not */
    struct qb_model *m = synthesize("F16");
    float *plain = calloc(2 * N_TOKENS * N_VOCAB, sizeof *plain), *observed = plain + N_TOKENS * N_VOCAB;
    for (int64_t n_outputs = 1; n_outputs <= N_TOKENS; n_outputs += 163) {
        struct seen seen = {.model = m};
        struct qb_session *s = session(m, 1, 32);
        assert_int_equal(qb_session_eval_last(s, tokens[0], N_TOKENS, n_outputs, plain, NULL), QB_OK);
        qb_session_clear(s);
        qb_session_observe(s, look, &seen);
        assert_int_equal(qb_session_eval_last(s, tokens[0], N_TOKENS, n_outputs, observed, NULL), QB_OK);
        for (int64_t i = 0; i < n_outputs * N_VOCAB; i++)
            assert_float_equal(plain[i], observed[i], 1e-3);
        qb_session_free(s);
    }
    free(plain);
    qb_model_close(m);
}

/* ---- sums ---- */

static struct qb_imatrix *empty(void)
{
    struct qb_imatrix *im = NULL;
    assert_int_equal(qb_imatrix_create(&im, N_TOKENS, NULL), QB_OK);
    return im;
}

/* Add the chunks [from, to) to im. */
static void collect(struct qb_imatrix *im, const struct qb_model *m, int n_threads, bool with_output,
                    int from, int to)
{
    struct qb_collector *c = NULL;
    struct qb_err err = {0};
    struct qb_session *s = session(m, n_threads, 32);
    assert_int_equal(qb_collector_create(&c, m, with_output, &err), QB_OK);
    qb_session_observe(s, qb_collector_observe, c);
    for (int i = from; i < to; i++) {
        qb_session_clear(s);
        assert_int_equal(qb_session_eval(s, tokens[i], N_TOKENS, QB_LOGITS_NONE, NULL, &err), QB_OK);
        assert_int_equal(qb_collector_end_chunk(c, im, &err), QB_OK);
    }
    qb_session_free(s);
    qb_collector_free(c);
}

static void the_sums_are_those_of_the_inputs(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("F16");
    struct qb_imatrix *im = empty();
    struct seen seen = {.model = m};
    struct qb_session *s = session(m, 2, 32);
    qb_session_observe(s, look, &seen);
    assert_int_equal(qb_session_eval(s, tokens[0], N_TOKENS, QB_LOGITS_NONE, NULL, NULL), QB_OK);
    collect(im, m, 2, false, 0, 1);
    const struct qb_imatrix_entry *e = qb_imatrix_find(im, "blk.1.ffn_down.weight");
    assert_non_null(e);
    assert_float_equal(e->counts[0], N_TOKENS, 0);
    for (int k = 0; k < N_FF; k++)
        assert_float_equal(e->sum2[k], seen.down2[k], 1e-6 * seen.down2[k]);
    /* matrices of one input have the same sums */
    const struct qb_imatrix_entry *q = qb_imatrix_find(im, "blk.0.attn_q.weight");
    const struct qb_imatrix_entry *v = qb_imatrix_find(im, "blk.0.attn_v.weight");
    assert_memory_equal(q->sum2, v->sum2, N_EMBD * sizeof(float));
    assert_memory_equal(q->sum, v->sum, N_EMBD * sizeof(float));
    assert_int_equal(im->n, 14);
    assert_int_equal(im->n_chunks, 1);
    assert_null(qb_imatrix_find(im, "output.weight"));
    qb_session_free(s);
    qb_imatrix_close(im);
    im = empty();
    collect(im, m, 2, true, 0, 1);
    assert_int_equal(im->n, 15);
    assert_float_equal(qb_imatrix_find(im, "output.weight")->counts[0], N_TOKENS, 0);
    qb_imatrix_close(im);
    qb_model_close(m);
}

static void assert_same(const struct qb_imatrix *a, const struct qb_imatrix *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        size_t bytes = qb_imatrix_n_values(&a->entries[i]) * sizeof(float);
        assert_string_equal(a->entries[i].name, b->entries[i].name);
        assert_memory_equal(a->entries[i].sum2, b->entries[i].sum2, bytes);
        assert_memory_equal(a->entries[i].sum, b->entries[i].sum, bytes);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("Q4_K_M");
    struct qb_imatrix *one = empty();
    collect(one, m, 1, true, 0, 2);
    for (int n = 2; n < 4; n++) {
        struct qb_imatrix *im = empty();
        collect(im, m, n, true, 0, 2);
        assert_same(one, im);
        qb_imatrix_close(im);
    }
    qb_imatrix_close(one);
    qb_model_close(m);
}

/* Written after a chunk and read again, the matrix goes on to the same bits. */
static void a_cut_does_not_matter(void **state)
{
    (void)state;
    char path[] = "/tmp/qbench-observe-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct qb_model *m = synthesize("Q8_0");
    struct qb_imatrix *whole = empty(), *half = empty(), *again = NULL;
    collect(whole, m, 1, false, 0, 2);
    collect(half, m, 1, false, 0, 1);
    assert_int_equal(qb_imatrix_write(half, path, QB_IMATRIX_GGUF, NULL, 0, NULL), QB_OK);
    assert_int_equal(qb_imatrix_open(&again, path, NULL), QB_OK);
    collect(again, m, 2, false, 1, 2);
    assert_same(whole, again);
    assert_int_equal(again->n_chunks, 2);
    qb_imatrix_close(whole);
    qb_imatrix_close(half);
    qb_imatrix_close(again);
    qb_model_close(m);
    unlink(path);
}

static void inputs_that_are_not_finite_are_an_error(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("F16");
    struct qb_imatrix *im = empty();
    struct qb_collector *c = NULL;
    struct qb_err err = {0};
    float x[N_EMBD] = {[70] = NAN};
    const struct qb_matrix *to = &m->layers[1].wq;
    struct qb_observation o = {.to = &to, .n_to = 1, .x = x, .ldx = N_EMBD, .n = 1};
    struct qb_worker w = {.pool = pools[1], .n = 1};
    assert_int_equal(qb_collector_create(&c, m, false, &err), QB_OK);
    qb_collector_observe(&w, &o, c);
    assert_int_equal(qb_collector_end_chunk(c, im, &err), QB_ERR_CHECK);
    assert_non_null(strstr(err.message, "'blk.1.attn_q.weight' is not finite at column 70"));
    assert_int_equal(im->n, 0);
    qb_collector_free(c);
    qb_imatrix_close(im);
    qb_model_close(m);
}

/* A matrix that lies inside a tensor of experts is the expert that its address says. */
static void parts_of_a_tensor_are_found(void **state)
{
    (void)state;
    uint8_t weights[3 * 64];
    struct qb_model_tensor tensors[] = {{"a", {8, 1, 1, 1}, weights, 32},
                                        {"b", {8, 2, 2, 1}, weights + 32, 128}};
    struct qb_model m = {.tensors = tensors, .n_tensors = 2};
    const struct {
        size_t at;
        const char *name;
        int64_t mat;
    } cases[] = {{0, "a", 0}, {32, "b", 0}, {64, "b", 0}, {96, "b", 1}, {159, "b", 1}, {160, NULL, 0}};
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_matrix x = {.data = weights + cases[i].at};
        int64_t mat = 0;
        const struct qb_model_tensor *t = qb_model_tensor_of(&m, &x, &mat);
        assert_string_equal(t ? t->name : "none", cases[i].name ? cases[i].name : "none");
        assert_int_equal(mat, cases[i].mat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_is_shown_at_every_matrix),
        cmocka_unit_test(observing_does_not_change_logits),
        cmocka_unit_test(the_sums_are_those_of_the_inputs),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(a_cut_does_not_matter),
        cmocka_unit_test(inputs_that_are_not_finite_are_an_error),
        cmocka_unit_test(parts_of_a_tensor_are_found),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/*
 * Models and sessions: evaluation does not depend on how it is cut (batches, threads, layouts, parts of the
 * keys), bad models and bad calls are refused with a clear message.
 */
#include "engine/session.h"

#include "base/rng.h"
#include "engine/arch.h"
#include "engine/synth.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_VOCAB  208
#define N_TOKENS 24

static struct qb_pool *pools[4]; /* by number of threads */
static struct qb_kernel_set kernels, reference;
static char path[] = "/tmp/qbench-session-XXXXXX";

static int start(void **state)
{
    (void)state;
    for (int n = 1; n < 4; n++) {
        int pu[] = {-1, -1, -1};
        struct qb_placement p = {.n_threads = n, .pu = pu, .oversubscribed = true};
        if (qb_pool_create(&pools[n], &p, NULL) != QB_OK)
            return -1;
    }
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    struct qb_err err = {0};
    if (qb_kernel_set_select(&kernels, QB_ISA_AUTO, &err) == QB_OK &&
        qb_kernel_set_select_reference(&reference, QB_ISA_AUTO, &err) == QB_OK)
        return 0;
    print_error("%s\n", err.message);
    return -1;
}

static int stop(void **state)
{
    (void)state;
    for (int n = 1; n < 4; n++)
        qb_pool_free(pools[n]);
    return unlink(path);
}

/* Two layers, rows of 256 and 512, two key heads. */
static struct qb_hparams tiny(const char *arch)
{
    struct qb_hparams hp = {.n_layer = 2,
                            .n_embd = 256,
                            .n_vocab = N_VOCAB,
                            .n_ctx_train = 4096,
                            .head_dim_k = 64,
                            .head_dim_v = 64,
                            .n_rot = 64,
                            .norm_eps = 1e-5f,
                            .rope_base = 10000,
                            .rope_freq_scale = 1,
                            .rope_attn_factor = 1};
    snprintf(hp.arch, sizeof hp.arch, "%s", arch);
    snprintf(hp.name, sizeof hp.name, "tiny");
    hp.qkv_bias = strcmp(arch, "qwen2") == 0;
    for (int i = 0; i < hp.n_layer; i++) {
        hp.n_head[i] = 4;
        hp.n_head_kv[i] = 2;
        hp.n_ff[i] = 512;
    }
    return hp;
}

static struct qb_model *synthesize(const char *arch, const char *ftype, enum qb_layout_id layout,
                                   int n_threads)
{
    struct qb_hparams hp = tiny(arch);
    struct qb_model_options o = {.layout = layout, .set = &kernels, .pool = pools[n_threads], .seed = 5};
    struct qb_model *m = NULL;
    struct qb_err err = {0};
    if (qb_model_synthesize(&m, &hp, qb_ftype_by_name(ftype), true, &o, &err) != QB_OK)
        fail_msg("%s", err.message);
    return m;
}

static void tokens(int32_t *out, int n)
{
    struct qb_rng rng;
    qb_rng_init(&rng, 11, 0);
    for (int i = 0; i < n; i++)
        out[i] = (int32_t)qb_rng_below(&rng, N_VOCAB);
}

static struct qb_session *session(const struct qb_model *m, const struct qb_kernel_set *set, int n_threads,
                                  int n_ubatch)
{
    struct qb_session_options o = {.set = set,
                                   .pool = pools[n_threads],
                                   .n_ctx = 1024,
                                   .n_batch = 2048,
                                   .n_ubatch = n_ubatch,
                                   .type_k = QB_KV_F32,
                                   .type_v = QB_KV_F32};
    struct qb_session *s = NULL;
    struct qb_err err = {0};
    if (qb_session_create(&s, m, &o, &err) != QB_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Logits of all positions, `step` tokens a call. */
static float *evaluate(const struct qb_model *m, const struct qb_kernel_set *set, int n_threads, int n_ubatch,
                       int n, int step)
{
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    float *out = malloc((size_t)n * N_VOCAB * sizeof *out);
    tokens(ids, n);
    struct qb_session *s = session(m, set, n_threads, n_ubatch);
    for (int i = 0; i < n; i += step) {
        int count = n - i < step ? n - i : step;
        assert_int_equal(qb_session_eval(s, ids + i, count, QB_LOGITS_ALL, out + (size_t)i * N_VOCAB, NULL),
                         QB_OK);
    }
    assert_int_equal(qb_session_pos(s), n);
    qb_session_free(s);
    free(ids);
    return out;
}

static double nmse(const float *a, const float *b, size_t n)
{
    double num = 0, sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        num += (a[i] - (double)b[i]) * (a[i] - (double)b[i]);
        sum += b[i];
        square += (double)b[i] * b[i];
    }
    double variance = square - sum * sum / (double)n;
    assert_true(variance > 1e-3 * (double)n); /* the logits do say something */
    return num / variance;
}

/* The reference path: only the order of sums differs. */
static void cutting_changes_nothing(void **state)
{
    (void)state;
    const char *archs[] = {"llama", "qwen2"};
    for (int i = 0; i < 2; i++) {
        struct qb_model *m = synthesize(archs[i], "F16", QB_LAYOUT_PLAIN, 1);
        float *want = evaluate(m, &reference, 1, 512, N_TOKENS, N_TOKENS);
        for (int n = 1; n < 4; n++) {
            const int cuts[][2] = {{512, 24}, {7, 24}, {1, 24}, {512, 1}, {3, 11}, {2, 2}};
            for (size_t c = 0; c < QB_ARRAY_LEN(cuts); c++) {
                float *got = evaluate(m, &reference, n, cuts[c][0], N_TOKENS, cuts[c][1]);
                assert_true(nmse(got, want, N_TOKENS * N_VOCAB) < 1e-10);
                free(got);
            }
        }
        free(want);
        qb_model_close(m);
    }
}

/* 8-bit activations: the same sums, rounded alike but for last bits that tip a rounding. */
static void kernels_stay_near_the_reference(void **state)
{
    (void)state;
    const char *ftypes[] = {"Q4_0", "Q4_K_M", "Q5_1", "Q6_K", "Q8_0", "IQ4_XS", "F16"};
    for (size_t i = 0; i < QB_ARRAY_LEN(ftypes); i++) {
        struct qb_model *m = synthesize("llama", ftypes[i], QB_LAYOUT_PLAIN, 2);
        float *want = evaluate(m, &reference, 1, 512, N_TOKENS, N_TOKENS);
        const int steps[] = {24, 1, 3};
        for (int s = 0; s < 3; s++) {
            float *got = evaluate(m, &kernels, 2, 512, N_TOKENS, steps[s]);
            assert_true(nmse(got, want, N_TOKENS * N_VOCAB) < 1e-2);
            free(got);
        }
        free(want);
        qb_model_close(m);
    }
}

/* Synthetic weights depend on neither layout nor threads, and layouts hold the same numbers. */
static void layouts_hold_the_same_model(void **state)
{
    (void)state;
    struct qb_model *plain = synthesize("qwen2", "Q4_K_M", QB_LAYOUT_PLAIN, 1);
    struct qb_model *r16 = synthesize("qwen2", "Q4_K_M", QB_LAYOUT_R16, 3);
    assert_int_equal(plain->hash, r16->hash);
    assert_int_equal(plain->tensor_bytes, r16->tensor_bytes);
    assert_int_equal(plain->n_params, r16->n_params);
    assert_int_equal(r16->n_stayed_plain, 0);
    assert_int_equal(r16->layers[0].wq.layout, QB_LAYOUT_R16);
    assert_int_equal(plain->layers[0].wq.layout, QB_LAYOUT_PLAIN);
    float *a = evaluate(plain, &reference, 1, 512, N_TOKENS, N_TOKENS);
    float *b = evaluate(r16, &reference, 1, 512, N_TOKENS, N_TOKENS);
    assert_memory_equal(a, b, N_TOKENS * N_VOCAB * sizeof *a);
    free(a);
    free(b);
    qb_model_close(plain);
    qb_model_close(r16);
}

/* Every codebook format in x16, the other tensors of its file type in r16. */
static void expanded_blocks_hold_the_same_model(void **state)
{
    static const char *const ftypes[] = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"};
    const size_t n = N_TOKENS * N_VOCAB;
    (void)state;
    for (size_t i = 0; i < QB_ARRAY_LEN(ftypes); i++) {
        struct qb_model *plain = synthesize("llama", ftypes[i], QB_LAYOUT_PLAIN, 1);
        struct qb_model *x16 = synthesize("llama", ftypes[i], QB_LAYOUT_X16, 2);
        assert_int_equal(plain->hash, x16->hash);
        assert_int_equal(plain->tensor_bytes, x16->tensor_bytes);
        assert_int_equal(x16->layers[1].gate.layout, QB_LAYOUT_X16);
        assert_int_equal(x16->n_stayed_plain, 0);
        float *want = evaluate(plain, &reference, 1, 512, N_TOKENS, N_TOKENS);
        float *same = evaluate(x16, &reference, 2, 512, N_TOKENS, N_TOKENS);
        assert_true(nmse(same, want, n) < 1e-10);
        for (int step = 1; step <= N_TOKENS; step += N_TOKENS - 1) {
            float *a = evaluate(plain, &kernels, 1, 512, N_TOKENS, step);
            float *b = evaluate(x16, &kernels, 2, 512, N_TOKENS, step);
            if (step > 1) /* a batch multiplies the same panels */
                assert_true(nmse(b, a, n) < 1e-10);
            /* sums in another order may round an activation the other way, and all later tokens see that:
             * the rounding's error moves, but does not grow */
            assert_true(nmse(b, want, n) < 1.1 * nmse(a, want, n));
            free(a);
            free(b);
        }
        free(want);
        free(same);
        qb_model_close(plain);
        qb_model_close(x16);
    }
}

static void historical_file_types_come_interleaved(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "Q4_0_8_8", QB_LAYOUT_PLAIN, 2);
    assert_int_equal(m->layers[1].down.layout, QB_LAYOUT_8X8);
    float *a = evaluate(m, &reference, 1, 512, N_TOKENS, N_TOKENS);
    float *b = evaluate(m, &kernels, 2, 512, N_TOKENS, 1);
    assert_true(nmse(b, a, N_TOKENS * N_VOCAB) < 1e-2);
    free(a);
    free(b);
    qb_model_close(m);
    /* repacked on the way in: unpacked first */
    m = synthesize("llama", "Q4_0_8_8", QB_LAYOUT_R16, 2);
    assert_int_equal(m->layers[1].down.layout, QB_LAYOUT_R16);
    qb_model_close(m);
}

static void rows_that_do_not_fit_stay(void **state)
{
    (void)state;
    struct qb_hparams hp = tiny("llama");
    hp.n_vocab = 203;
    hp.tied_embeddings = true;
    struct qb_model_options o = {.layout = QB_LAYOUT_R16, .set = &kernels, .pool = pools[2], .seed = 5};
    struct qb_model *m = NULL;
    assert_int_equal(qb_model_synthesize(&m, &hp, qb_ftype_by_name("Q4_0"), true, &o, NULL), QB_OK);
    assert_int_equal(m->n_stayed_plain, 1);
    assert_int_equal(m->output.layout, QB_LAYOUT_PLAIN);
    assert_ptr_equal(m->output.data, m->token_embd.data);
    size_t bytes = 0;
    int n = 0;
    for (int i = 0; i < m->n_use; i++) {
        bytes += m->use[i].bytes;
        n += m->use[i].n_tensors;
    }
    assert_int_equal(n, 1 + 2 * 7);
    assert_true(bytes < m->tensor_bytes);
    qb_model_close(m);
}

/* Few heads, one token, many keys: the keys are shared out, with three workers unevenly. */
static void split_keys_add_up(void **state)
{
    (void)state;
    enum { N = 700 };
    struct qb_model *m = synthesize("llama", "F16", QB_LAYOUT_PLAIN, 1);
    int32_t ids[N];
    float one[N_VOCAB], three[N_VOCAB];
    tokens(ids, N);
    for (int tail = 1; tail <= 3; tail++) {
        float *out[] = {NULL, one, NULL, three};
        for (int n = 1; n <= 3; n += 2) {
            struct qb_session *s = session(m, &reference, n, 512);
            assert_int_equal(qb_session_eval(s, ids, N - tail, QB_LOGITS_NONE, NULL, NULL), QB_OK);
            assert_int_equal(qb_session_eval(s, ids + N - tail, tail, QB_LOGITS_LAST, out[n], NULL), QB_OK);
            assert_ptr_equal(qb_session_logits(s), out[n]);
            qb_session_free(s);
        }
        assert_true(nmse(three, one, N_VOCAB) < 1e-10);
    }
    qb_model_close(m);
}

static void last_equals_the_last_of_all(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("qwen2", "Q4_0", QB_LAYOUT_R16, 2);
    int32_t ids[N_TOKENS];
    tokens(ids, N_TOKENS);
    float *all = evaluate(m, &reference, 2, 16, N_TOKENS, N_TOKENS);
    struct qb_session *s = session(m, &reference, 2, 16);
    assert_int_equal(qb_session_eval(s, ids, N_TOKENS, QB_LOGITS_LAST, NULL, NULL), QB_OK);
    assert_true(nmse(qb_session_logits(s), all + (N_TOKENS - 1) * N_VOCAB, N_VOCAB) < 1e-10);
    qb_session_free(s);
    free(all);
    qb_model_close(m);
}

/* However the batch is cut into micro-batches. */
static void the_last_rows_are_those_of_all(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "F16", QB_LAYOUT_PLAIN, 2);
    float *all = evaluate(m, &reference, 2, 512, N_TOKENS, N_TOKENS);
    float got[N_TOKENS * N_VOCAB];
    int32_t ids[N_TOKENS];
    tokens(ids, N_TOKENS);
    const int cuts[][2] = {{512, 9}, {7, 9}, {8, 16}, {8, 17}, {1, 3}, {512, 24}};
    for (size_t c = 0; c < QB_ARRAY_LEN(cuts); c++) {
        int n = cuts[c][1];
        struct qb_session *s = session(m, &reference, 2, cuts[c][0]);
        assert_int_equal(qb_session_eval_last(s, ids, N_TOKENS, n, got, NULL), QB_OK);
        assert_true(nmse(got, all + (N_TOKENS - n) * N_VOCAB, (size_t)n * N_VOCAB) < 1e-10);
        assert_ptr_equal(qb_session_logits(s), got + (n - 1) * N_VOCAB);
        qb_session_free(s);
    }
    free(all);
    qb_model_close(m);
}

static void rewinding_forgets(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "Q8_0", QB_LAYOUT_PLAIN, 1);
    int32_t ids[N_TOKENS], other[] = {1, 2, 3, 4, 5};
    float first[N_VOCAB], again[N_VOCAB];
    tokens(ids, N_TOKENS);
    struct qb_session *s = session(m, &kernels, 2, 512);
    qb_session_eval(s, ids, N_TOKENS, QB_LOGITS_LAST, first, NULL);
    qb_session_rewind(s, N_TOKENS - 3);
    qb_session_eval(s, other, 5, QB_LOGITS_NONE, NULL, NULL);
    assert_int_equal(qb_session_pos(s), N_TOKENS + 2);
    qb_session_rewind(s, 1000);
    assert_int_equal(qb_session_pos(s), N_TOKENS + 2);
    qb_session_clear(s);
    assert_int_equal(qb_session_pos(s), 0);
    qb_session_eval(s, ids, N_TOKENS, QB_LOGITS_LAST, again, NULL);
    assert_memory_equal(first, again, sizeof first);
    qb_session_free(s);
    qb_model_close(m);
}

static void bad_calls_change_nothing(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "Q4_0", QB_LAYOUT_PLAIN, 1);
    struct qb_session *s = session(m, &kernels, 1, 512);
    struct qb_err err = {0};
    int32_t ids[1025] = {0};
    assert_int_equal(qb_session_eval(s, ids, 5, QB_LOGITS_NONE, NULL, &err), QB_OK);
    ids[2] = N_VOCAB;
    assert_int_equal(qb_session_eval(s, ids, 3, QB_LOGITS_NONE, NULL, &err), QB_ERR_USAGE);
    assert_string_equal(err.message, "token 2 is 208, outside a vocabulary of 208");
    ids[2] = -1;
    assert_int_equal(qb_session_eval(s, ids, 3, QB_LOGITS_NONE, NULL, &err), QB_ERR_USAGE);
    ids[2] = 0;
    assert_int_equal(qb_session_eval(s, ids, 1020, QB_LOGITS_NONE, NULL, &err), QB_ERR_USAGE);
    assert_string_equal(err.message, "1020 tokens after 5 do not fit in a context of 1024");
    assert_int_equal(qb_session_eval(s, ids, 0, QB_LOGITS_NONE, NULL, &err), QB_ERR_USAGE);
    assert_int_equal(qb_session_pos(s), 5);
    assert_int_equal(qb_session_eval(s, ids, 1019, QB_LOGITS_NONE, NULL, &err), QB_OK);
    qb_session_free(s);
    qb_model_close(m);
}

static void memory_is_known_before(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "Q4_0", QB_LAYOUT_PLAIN, 1);
    struct qb_session_options o = {
        .set = &kernels, .pool = pools[1], .n_ctx = 257, .n_batch = 512, .n_ubatch = 64};
    uint64_t small = qb_session_bytes(m, &o);
    o.n_ctx = 512; /* 257 is rounded up to it */
    assert_int_equal(qb_session_bytes(m, &o), small);
    o.n_ctx = 1024;
    uint64_t large = qb_session_bytes(m, &o);
    /* 512 more positions, 2 layers, 2 heads of 64 + 64 floats */
    assert_int_equal(large - small, 512 * 2 * 2 * 128 * 4);
    struct qb_session *s = NULL;
    struct qb_err err = {0};
    o.n_ctx = (int64_t)1 << 31;
    assert_int_equal(qb_session_create(&s, m, &o, &err), QB_ERR_MEMORY);
    assert_non_null(strstr(err.message, "KV cache"));
    o.n_ctx = INT64_MAX;
    assert_int_equal(qb_session_create(&s, m, &o, &err), QB_ERR_USAGE);
    assert_null(s);
    qb_model_close(m);
}

static void phases_are_timed_on_request(void **state)
{
    (void)state;
    struct qb_model *m = synthesize("llama", "Q4_0", QB_LAYOUT_PLAIN, 1);
    struct qb_session *s = session(m, &kernels, 2, 512);
    int32_t ids[N_TOKENS];
    uint64_t ns[QB_PHASE_COUNT] = {0};
    tokens(ids, N_TOKENS);
    qb_session_profile(s, ns);
    qb_session_eval(s, ids, N_TOKENS, QB_LOGITS_LAST, NULL, NULL);
    for (int i = 0; i < QB_PHASE_COUNT; i++) {
        assert_true(ns[i] > 0);
        assert_true(strlen(qb_phase_name((enum qb_phase)i)) > 1);
    }
    qb_session_free(s);
    qb_model_close(m);
}

/* ---- files ---- */

struct file {
    const char *skip;     /* leave this tensor out; */
    const char *narrow;   /* give this one a shorter row; */
    const char *retype;   /* store this one ... */
    enum qb_format_id as; /* ... in this format */
};

static enum qb_format_id format_of(const struct file *f, const struct qb_tensor_spec *t)
{
    if (f->retype && strcmp(f->retype, t->name) == 0)
        return f->as;
    return t->n_dims == 1 ? QB_FORMAT_F32 : QB_FORMAT_Q4_0;
}

static int gguf_id(enum qb_format_id id)
{
    return qb_format_get(id)->gguf_id;
}

static void put_metadata(struct qb_gguf_writer *w, const struct qb_hparams *hp)
{
    const struct {
        const char *key;
        int value;
    } ints[] = {
        {"llama.block_count", hp->n_layer},
        {"llama.context_length", hp->n_ctx_train},
        {"llama.embedding_length", hp->n_embd},
        {"llama.feed_forward_length", hp->n_ff[0]},
        {"llama.attention.head_count", hp->n_head[0]},
        {"llama.attention.head_count_kv", hp->n_head_kv[0]},
        {"llama.vocab_size", hp->n_vocab},
        {"general.file_type", 2},
    };
    assert_int_equal(qb_gguf_put_str(w, "general.architecture", "llama", NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(ints); i++)
        assert_int_equal(qb_gguf_put_u32(w, ints[i].key, (uint32_t)ints[i].value, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", hp->norm_eps, NULL), QB_OK);
}

static void write_file(const struct file *f)
{
    struct qb_hparams hp = tiny("llama");
    struct qb_tensor_spec *t = NULL;
    size_t n = 0;
    struct qb_gguf_writer *w = NULL;
    assert_int_equal(qb_gguf_writer_create(&w, path, NULL), QB_OK);
    put_metadata(w, &hp);
    assert_int_equal(qb_hparams_tensors(&hp, &t, &n, NULL), QB_OK);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            assert_int_equal(qb_gguf_begin_data(w, NULL), QB_OK);
        for (size_t i = 0; i < n; i++) {
            if (t[i].optional || (f->skip && strcmp(f->skip, t[i].name) == 0))
                continue;
            if (pass == 0 && f->narrow && strcmp(f->narrow, t[i].name) == 0)
                t[i].ne[0] -= 32;
            const struct qb_format *fmt = qb_format_get(format_of(f, &t[i]));
            size_t bytes = qb_format_bytes(fmt, t[i].ne[0]) * (size_t)t[i].ne[1];
            if (pass == 0) {
                assert_int_equal(
                    qb_gguf_add_tensor(w, t[i].name, t[i].n_dims, t[i].ne, gguf_id(fmt->id), bytes, NULL),
                    QB_OK);
                continue;
            }
            uint8_t *data = malloc(bytes);
            assert_non_null(data);
            if (fmt->quantized && t[i].n_dims == 1)
                memset(data, 0, bytes);
            else
                qb_synth_rows(&hp, t[i].name, t[i].ne[0], fmt, 5, 0, t[i].ne[1], data);
            assert_int_equal(qb_gguf_write(w, data, bytes, NULL), QB_OK);
            free(data);
        }
    }
    assert_int_equal(qb_gguf_writer_finish(w, NULL), QB_OK);
    qb_gguf_writer_free(w);
    free(t);
}

static struct qb_model *open_file(enum qb_layout_id layout)
{
    struct qb_model_options o = {.layout = layout, .set = &kernels, .pool = pools[2]};
    struct qb_model *m = NULL;
    struct qb_err err = {0};
    if (qb_model_open(&m, path, &o, &err) != QB_OK)
        fail_msg("%s", err.message);
    return m;
}

static void files_equal_synthetic_models(void **state)
{
    (void)state;
    write_file(&(struct file){.retype = "output.weight", .as = QB_FORMAT_Q6_K});
    struct qb_model *synthetic = synthesize("llama", "Q4_0", QB_LAYOUT_PLAIN, 1);
    float *want = evaluate(synthetic, &reference, 1, 512, N_TOKENS, N_TOKENS);
    const enum qb_layout_id layouts[] = {QB_LAYOUT_PLAIN, QB_LAYOUT_R16, QB_LAYOUT_8X8, QB_LAYOUT_AUTO};
    uint64_t hash = 0;
    for (size_t i = 0; i < QB_ARRAY_LEN(layouts); i++) {
        struct qb_model *m = open_file(layouts[i]);
        char text[64];
        qb_model_type_text(m, text, sizeof text);
        assert_string_equal(text, "llama ?B Q4_0");
        assert_int_equal(m->tensor_bytes, synthetic->tensor_bytes);
        assert_int_equal(m->n_params, synthetic->n_params);
        assert_true(m->file_bytes > m->tensor_bytes);
        assert_true(hash == 0 || m->hash == hash);
        hash = m->hash;
        float *got = evaluate(m, &reference, 2, 512, N_TOKENS, N_TOKENS);
        assert_true(nmse(got, want, N_TOKENS * N_VOCAB) < 1e-10);
        free(got);
        qb_model_close(m);
    }
    free(want);
    qb_model_close(synthetic);
}

/* Q4_K takes other activations than Q4_0, so products that share an input must be cut apart. */
static void mixed_formats_share_an_input(void **state)
{
    (void)state;
    const char *retype[] = {"blk.0.ffn_up.weight", "blk.1.ffn_gate.weight", "blk.0.attn_v.weight",
                            "blk.1.attn_q.weight"};
    for (size_t i = 0; i < QB_ARRAY_LEN(retype); i++) {
        write_file(&(struct file){.retype = retype[i], .as = i % 2 ? QB_FORMAT_F16 : QB_FORMAT_Q4_K});
        struct qb_model *m = open_file(QB_LAYOUT_R16);
        float *want = evaluate(m, &reference, 1, 512, N_TOKENS, N_TOKENS);
        for (int step = 1; step <= N_TOKENS; step += N_TOKENS - 1) {
            float *got = evaluate(m, &kernels, 2, 512, N_TOKENS, step);
            assert_true(nmse(got, want, N_TOKENS * N_VOCAB) < 1e-2);
            free(got);
        }
        free(want);
        qb_model_close(m);
    }
}

static void half_precision_norms_are_taken(void **state)
{
    (void)state;
    write_file(&(struct file){.retype = "output_norm.weight", .as = QB_FORMAT_F16});
    struct qb_model *m = open_file(QB_LAYOUT_PLAIN);
    for (int i = 0; i < m->hp.n_embd; i++)
        assert_true(m->output_norm[i] > 0.85f && m->output_norm[i] < 1.15f);
    qb_model_close(m);
}

static void expect_refused(const struct file *f, enum qb_status status, const char *text)
{
    struct qb_model_options o = {.set = &kernels, .pool = pools[1]};
    struct qb_model *m = NULL;
    struct qb_err err = {0};
    write_file(f);
    assert_int_equal(qb_model_open(&m, path, &o, &err), status);
    if (!strstr(err.message, text))
        fail_msg("'%s' does not say '%s'", err.message, text);
    assert_null(m);
}

static void bad_models_are_refused(void **state)
{
    (void)state;
    expect_refused(&(struct file){.skip = "blk.1.attn_k.weight"}, QB_ERR_FORMAT,
                   "tensor 'blk.1.attn_k.weight' is missing");
    expect_refused(&(struct file){.narrow = "blk.0.ffn_down.weight"}, QB_ERR_FORMAT,
                   "tensor 'blk.0.ffn_down.weight' is 480 x 256, expected 512 x 256");
    expect_refused(&(struct file){.retype = "output_norm.weight", .as = QB_FORMAT_Q8_0}, QB_ERR_UNSUPPORTED,
                   "tensor 'output_norm.weight' has the format Q8_0, expected floats");
    struct qb_model_options o = {.set = &kernels, .pool = pools[1]};
    struct qb_model *m = NULL;
    struct qb_err err = {0};
    assert_int_equal(qb_model_open(&m, "/nonexistent.gguf", &o, &err), QB_ERR_NOT_FOUND);
}

static void architectures_are_found_by_name(void **state)
{
    (void)state;
    size_t n;
    const struct qb_arch *all = qb_archs(&n);
    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(qb_arch_by_name(all[i].name), &all[i]);
    assert_null(qb_arch_by_name("nonesuch"));
}

static void cache_types_have_names(void **state)
{
    (void)state;
    enum qb_kv_type t;
    for (int i = 0; i < QB_KV_TYPE_COUNT; i++) {
        assert_true(qb_kv_type_parse(qb_kv_type_name((enum qb_kv_type)i), &t));
        assert_int_equal(t, i);
    }
    assert_true(qb_kv_type_parse("F16", &t));
    assert_false(qb_kv_type_parse("q4_0", &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutting_changes_nothing),
        cmocka_unit_test(kernels_stay_near_the_reference),
        cmocka_unit_test(layouts_hold_the_same_model),
        cmocka_unit_test(expanded_blocks_hold_the_same_model),
        cmocka_unit_test(historical_file_types_come_interleaved),
        cmocka_unit_test(rows_that_do_not_fit_stay),
        cmocka_unit_test(split_keys_add_up),
        cmocka_unit_test(last_equals_the_last_of_all),
        cmocka_unit_test(the_last_rows_are_those_of_all),
        cmocka_unit_test(rewinding_forgets),
        cmocka_unit_test(bad_calls_change_nothing),
        cmocka_unit_test(memory_is_known_before),
        cmocka_unit_test(phases_are_timed_on_request),
        cmocka_unit_test(files_equal_synthetic_models),
        cmocka_unit_test(mixed_formats_share_an_input),
        cmocka_unit_test(half_precision_norms_are_taken),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(architectures_are_found_by_name),
        cmocka_unit_test(cache_types_have_names),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/*
 * Hyper-parameters: keys of every kind, per-layer arrays, defaults, absurd values, tensor lists,
 * llama-bench's size classes.
 */
#include "bench/shape_model.h"
#include "engine/hparams.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/gguf_build.h"
#include <limits.h>

/* One key of the model that a test writes differently (or leaves out). */
struct change {
    const char *key;
    uint32_t value;
    bool drop;
};

static const struct {
    const char *key;
    uint32_t value;
} base_keys[] = {
    {"llama.block_count", 2},           {"llama.embedding_length", 64},
    {"llama.context_length", 128},      {"llama.feed_forward_length", 96},
    {"llama.attention.head_count", 4},  {"llama.attention.head_count_kv", 2},
    {"llama.rope.dimension_count", 16}, {"llama.expert_count", 0},
    {"llama.expert_used_count", 0},     {"general.file_type", 2},
    {"tokenizer.ggml.bos_token_id", 1},
};

static void build_model(struct qb_buf *b, const struct change *c)
{
    uint64_t n = 2;
    bool known = false;
    for (size_t i = 0; i < QB_ARRAY_LEN(base_keys); i++) {
        bool changed = c && strcmp(c->key, base_keys[i].key) == 0;
        n += !(changed && c->drop);
        known |= changed;
    }
    qb_buf_init(b, 0);
    put_header(b, 1, n + (c && !known));
    put_kv_str(b, "general.architecture", "llama");
    put_kv_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    for (size_t i = 0; i < QB_ARRAY_LEN(base_keys); i++) {
        bool changed = c && strcmp(c->key, base_keys[i].key) == 0;
        if (!(changed && c->drop))
            put_kv_u32(b, base_keys[i].key, changed ? c->value : base_keys[i].value);
    }
    if (c && !known)
        put_kv_u32(b, c->key, c->value);
    put_tensor(b, "token_embd.weight", 64, 10, QB_GGML_F32, 0);
    put_data(b, 64 * 10 * 4);
}

static enum qb_status read_model(struct qb_hparams *hp, const struct change *c, struct qb_err *err)
{
    struct qb_buf b;
    struct qb_gguf *g;
    build_model(&b, c);
    assert_int_equal(open_buf(&g, &b, err), QB_OK);
    enum qb_status status = qb_hparams_read(hp, g, err);
    qb_gguf_close(g);
    qb_buf_release(&b);
    return status;
}

static void plain_model_reads(void **state)
{
    (void)state;
    struct qb_hparams hp;
    struct qb_err err;
    assert_int_equal(read_model(&hp, NULL, &err), QB_OK);
    assert_string_equal(hp.arch, "llama");
    assert_int_equal(hp.n_layer, 2);
    assert_int_equal(hp.n_vocab, 10);
    assert_int_equal(hp.n_head[1], 4);
    assert_int_equal(hp.n_head_kv[1], 2);
    assert_int_equal(hp.n_ff[1], 96);
    assert_int_equal(hp.head_dim_k, 16);
    assert_int_equal(hp.head_dim_v, 16);
    assert_int_equal(hp.n_rot, 16);
    assert_true(hp.rope_base == 10000.0f && hp.rope_freq_scale == 1.0f && hp.rope_scaling == QB_ROPE_NONE);
    assert_true(hp.tied_embeddings && !hp.qkv_bias && !hp.ftype_guessed && !hp.add_bos);
    assert_int_equal(hp.ftype, 2);
    assert_int_equal(hp.bos_id, 1);
    assert_string_equal(qb_hparams_size_class(&hp), "?B");
}

static void absurd_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct change change;
        const char *text;
    } cases[] = {
        {{"llama.block_count", 0, false}, "block_count"},
        {{"llama.block_count", QB_MAX_LAYERS + 1, false}, "block_count"},
        {{"llama.block_count", UINT32_MAX, false}, "block_count"},
        {{"llama.block_count", 0, true}, "is missing"},
        {{"llama.embedding_length", 0, false}, "embedding_length"},
        {{"llama.embedding_length", 0x80000000u, false}, "embedding_length"},
        {{"llama.context_length", 0, false}, "context_length"},
        {{"llama.attention.head_count", 0, false}, "no attention heads"},
        {{"llama.attention.head_count", 0, true}, "is missing"},
        {{"llama.attention.head_count", 65, false}, "do not divide"},
        {{"llama.attention.head_count", 66, false}, "impossible head size"},
        {{"llama.attention.head_count_kv", 3, false}, "do not divide"},
        {{"llama.rope.dimension_count", 18, false}, "impossible head size"},
        {{"llama.rope.dimension_count", 15, false}, "impossible head size"},
        {{"llama.attention.key_length", 100000, false}, "key_length"},
        {{"llama.expert_used_count", 2, false}, "experts used"},
        {{"general.quantization_version", 3, false}, "quantization version"},
        {{"tokenizer.ggml.bos_token_id", 10, false}, "outside the vocabulary"},
        {{"llama.rope.scaling.type", 1, false}, "is no string"},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_hparams hp;
        struct qb_err err = {0};
        if (read_model(&hp, &cases[i].change, &err) == QB_OK || !strstr(err.message, cases[i].text))
            fail_msg("%s = %u: '%s'", cases[i].change.key, cases[i].change.value, err.message);
    }
}

static void per_layer_arrays_read(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        struct qb_buf b;
        struct qb_gguf *g;
        struct qb_hparams hp;
        struct qb_err err = {0};
        const int32_t ff[] = {32, 64, 96};
        qb_buf_init(&b, 0);
        put_header(&b, 1, 7);
        put_kv_str(&b, "general.architecture", "x");
        put_kv_f32(&b, "x.attention.layer_norm_rms_epsilon", 1e-6f);
        put_kv_u32(&b, "x.block_count", 2);
        put_kv_u32(&b, "x.embedding_length", 64);
        put_kv_u32(&b, "x.context_length", 32);
        put_kv_u32(&b, "x.attention.head_count", 4);
        put_str(&b, "x.feed_forward_length");
        put_u32(&b, QB_GGUF_ARRAY);
        put_u32(&b, QB_GGUF_I32);
        put_u64(&b, n);
        qb_buf_append(&b, ff, n * sizeof ff[0]);
        put_tensor(&b, "token_embd.weight", 64, 10, QB_GGML_F16, 0);
        put_data(&b, 64 * 10 * 2);
        assert_int_equal(open_buf(&g, &b, &err), QB_OK);
        enum qb_status status = qb_hparams_read(&hp, g, &err);
        assert_int_equal(status, n == 2 ? QB_OK : QB_ERR_FORMAT);
        if (n == 2) {
            assert_int_equal(hp.n_ff[0], 32);
            assert_int_equal(hp.n_ff[1], 64);
            assert_int_equal(hp.n_head_kv[1], 4); /* as many as heads */
            assert_true(hp.ftype_guessed);
            assert_int_equal(hp.ftype, 1); /* F16 is the type that most tensors have */
            struct qb_tensor_spec *list;
            size_t count;
            assert_int_equal(qb_hparams_tensors(&hp, &list, &count, &err), QB_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.message, "'x'"));
        } else {
            assert_non_null(strstr(err.message, "values for 2 layers"));
        }
        qb_gguf_close(g);
        qb_buf_release(&b);
    }
}

static const struct qb_tensor_spec *find(const struct qb_tensor_spec *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static void tensor_lists_have_the_right_shapes(void **state)
{
    (void)state;
    struct qb_hparams hp;
    struct qb_tensor_spec *list;
    size_t n;
    struct qb_err err;
    assert_int_equal(qb_shape_hparams(&hp, "shape:qwen2.5-7b", &err), QB_OK);
    assert_int_equal(qb_hparams_tensors(&hp, &list, &n, &err), QB_OK);
    assert_int_equal(n, 3 + 28 * 12);
    const struct qb_tensor_spec *k = find(list, n, "blk.27.attn_k.weight"),
                                *down = find(list, n, "blk.0.ffn_down.weight");
    assert_true(k && k->ne[0] == 3584 && k->ne[1] == 512 && k->n_dims == 2);
    assert_true(down && down->ne[0] == 18944 && down->ne[1] == 3584);
    assert_non_null(find(list, n, "output.weight"));
    assert_non_null(find(list, n, "blk.3.attn_v.bias"));
    free(list);
    assert_int_equal(qb_shape_hparams(&hp, "llama-3.2-1b", &err), QB_OK);
    assert_int_equal(qb_hparams_tensors(&hp, &list, &n, &err), QB_OK);
    const struct qb_tensor_spec *freqs = find(list, n, "rope_freqs.weight");
    assert_true(freqs && !freqs->optional && freqs->ne[0] == 32 && freqs->n_dims == 1);
    assert_null(find(list, n, "output.weight"));
    assert_null(find(list, n, "blk.3.attn_v.bias"));
    free(list);
}

static void size_classes_are_those_of_llama_bench(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *text;
    } cases[] = {{"qwen2.5-0.5b", "1B"}, {"qwen2.5-1.5b", "1.5B"}, {"qwen2.5-3b", "3B"},
                 {"qwen2.5-7b", "7B"},   {"llama-3.2-1b", "1B"},   {"llama-3.2-3b", "3B"},
                 {"llama-3.1-8b", "8B"}, {"llama-3.3-70b", "70B"}, {"mistral-7b", "7B"},
                 {"tinyllama", "1B"},    {"smollm2-135m", "256M"}, {"qbench-tiny-7m", "?B"}};
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_hparams hp;
        assert_int_equal(qb_shape_hparams(&hp, cases[i].shape, NULL), QB_OK);
        assert_string_equal(qb_hparams_size_class(&hp), cases[i].text);
    }
}

static void committed_model_reads(void **state)
{
    (void)state;
    struct qb_gguf *g;
    struct qb_hparams hp, shape;
    struct qb_err err;
    assert_int_equal(qb_gguf_open(&g, QB_SOURCE_DIR "/datasets/models/qbench-tiny-7m-F16.gguf", &err), QB_OK);
    assert_int_equal(qb_hparams_read(&hp, g, &err), QB_OK);
    assert_int_equal(qb_shape_hparams(&shape, "qbench-tiny-7m", &err), QB_OK);
    assert_int_equal(qb_hparams_n_params(&hp), 7348480);
    assert_int_equal(qb_hparams_n_params(&shape), 7348480);
    assert_int_equal(hp.ftype, 1);
    assert_true(hp.qkv_bias && hp.tied_embeddings);
    struct qb_tensor_spec *list;
    size_t n;
    assert_int_equal(qb_hparams_tensors(&shape, &list, &n, &err), QB_OK);
    assert_int_equal(n, qb_gguf_n_tensors(g));
    for (size_t i = 0; i < n; i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_find(g, list[i].name);
        assert_non_null(t);
        assert_memory_equal(t->ne, list[i].ne, sizeof t->ne);
    }
    free(list);
    qb_gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_model_reads),
        cmocka_unit_test(absurd_values_are_refused),
        cmocka_unit_test(per_layer_arrays_read),
        cmocka_unit_test(tensor_lists_have_the_right_shapes),
        cmocka_unit_test(size_classes_are_those_of_llama_bench),
        cmocka_unit_test(committed_model_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

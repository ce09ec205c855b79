/*
 * Hyper-parameters from GGUF metadata: one table of keys, then the checks that no single key can make.
 * Source: docs/formats.md (keys, defaults and bounds).
 */
#include "engine/hparams.h"
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_kind { KEY_INT, KEY_FLOAT, KEY_LAYERS };

static const struct key {
    const char *name;
    enum key_kind kind;
    size_t offset;
    bool required;
    double min, max;
} keys[] = {
#define QB_KEY_INT(name, field, required, min, max)                                                          \
    {name, KEY_INT, offsetof(struct qb_hparams, field), required, min, max},
#define QB_KEY_FLOAT(name, field, required, min, max)                                                        \
    {name, KEY_FLOAT, offsetof(struct qb_hparams, field), required, min, max},
#define QB_KEY_LAYERS(name, field, required, min, max)                                                       \
    {name, KEY_LAYERS, offsetof(struct qb_hparams, field), required, min, max},
#include "engine/hparams_keys.def"
#undef QB_KEY_INT
#undef QB_KEY_FLOAT
#undef QB_KEY_LAYERS
};

struct input {
    const struct qb_gguf *g;
    struct qb_hparams *hp;
};

/* "llama.block_count" */
static const struct qb_gguf_kv *find(const struct input *in, const char *name, char full[96])
{
    snprintf(full, 96, "%s.%s", in->hp->arch, name);
    return qb_gguf_find(in->g, full);
}

static enum qb_status fail_key(const struct input *in, const char *key, const char *what, struct qb_err *err)
{
    return qb_fail(err, QB_ERR_FORMAT, "'%s': key '%s' %s", qb_gguf_path(in->g), key, what);
}

static enum qb_status fail_range(const struct input *in, const char *key, double v, const struct key *k,
                                 struct qb_err *err)
{
    return qb_fail(err, QB_ERR_FORMAT, "'%s': key '%s' is %g, expected a number from %g to %g",
                   qb_gguf_path(in->g), key, v, k->min, k->max);
}

static bool in_range(const struct key *k, double v)
{
    return v >= k->min && v <= k->max; /* false for NaN */
}

static enum qb_status read_number(const struct input *in, const struct key *k, const char *full,
                                  struct qb_err *err)
{
    double v;
    uint64_t u;
    if (!(k->kind == KEY_FLOAT ? qb_gguf_get_f64(in->g, full, &v) : qb_gguf_get_u64(in->g, full, &u)))
        return fail_key(in, full, "has the wrong type", err);
    if (k->kind != KEY_FLOAT)
        v = (double)u;
    if (!in_range(k, v))
        return fail_range(in, full, v, k, err);
    char *field = (char *)in->hp + k->offset;
    if (k->kind == KEY_FLOAT)
        *(float *)(void *)field = (float)v;
    else if (k->kind == KEY_INT)
        *(int *)(void *)field = (int)v;
    else
        for (int l = 0; l < in->hp->n_layer; l++)
            ((int *)(void *)field)[l] = (int)v;
    return QB_OK;
}

static enum qb_status read_layers(const struct input *in, const struct key *k, const char *full,
                                  const struct qb_gguf_kv *kv, struct qb_err *err)
{
    if (kv->n != (uint64_t)in->hp->n_layer)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': key '%s' has %" PRIu64 " values for %d layers",
                       qb_gguf_path(in->g), full, kv->n, in->hp->n_layer);
    int *field = (int *)(void *)((char *)in->hp + k->offset);
    for (int l = 0; l < in->hp->n_layer; l++) {
        int64_t v;
        if (!qb_gguf_array_i64(kv, (uint64_t)l, &v))
            return fail_key(in, full, "has the wrong type", err);
        if (!in_range(k, (double)v))
            return fail_range(in, full, (double)v, k, err);
        field[l] = (int)v;
    }
    return QB_OK;
}

static enum qb_status read_key(const struct input *in, const struct key *k, struct qb_err *err)
{
    char full[96];
    const struct qb_gguf_kv *kv = find(in, k->name, full);
    if (!kv)
        return k->required ? fail_key(in, full, "is missing", err) : QB_OK;
    if (k->kind == KEY_LAYERS && kv->type == QB_GGUF_ARRAY)
        return read_layers(in, k, full, kv, err);
    return read_number(in, k, full, err);
}

static enum qb_status copy_text(const struct input *in, const char *key, char *out, size_t size,
                                bool required, struct qb_err *err)
{
    struct qb_gguf_str s;
    if (!qb_gguf_get_str(in->g, key, &s))
        return required ? fail_key(in, key, "is missing or no string", err) : QB_OK;
    if (required && (s.len == 0 || s.len >= size || memchr(s.s, 0, s.len)))
        return fail_key(in, key, "is empty or too long", err);
    size_t n = s.len < size ? s.len : size - 1;
    memcpy(out, s.s, n);
    out[n] = 0;
    return QB_OK;
}

static enum qb_status read_arch(const struct input *in, struct qb_err *err)
{
    QB_TRY(copy_text(in, "general.architecture", in->hp->arch, sizeof in->hp->arch, true, err));
    QB_TRY(copy_text(in, "general.name", in->hp->name, sizeof in->hp->name, false, err));
    struct qb_gguf_str type;
    if (qb_gguf_get_str(in->g, "general.type", &type) && !(type.len == 5 && memcmp(type.s, "model", 5) == 0))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s' is no language model: general.type is not 'model'",
                       qb_gguf_path(in->g));
    uint64_t version;
    if (qb_gguf_get_u64(in->g, "general.quantization_version", &version) && version > 2)
        return qb_fail(err, QB_ERR_UNSUPPORTED,
                       "'%s': quantization version %" PRIu64 " is newer than this program",
                       qb_gguf_path(in->g), version);
    static const struct key layers = {"block_count", KEY_INT, offsetof(struct qb_hparams, n_layer),
                                      true,          1,       QB_MAX_LAYERS};
    return read_key(in, &layers, err);
}

/* ---- rope ---- */

static enum qb_status read_rope(const struct input *in, struct qb_err *err)
{
    static const struct {
        const char *name;
        enum qb_rope_scaling id;
    } kinds[] = {{"none", QB_ROPE_NONE},
                 {"linear", QB_ROPE_LINEAR},
                 {"yarn", QB_ROPE_YARN},
                 {"longrope", QB_ROPE_LONGROPE}};
    struct qb_hparams *hp = in->hp;
    char full[96];
    double factor = 0;
    const struct qb_gguf_kv *kv = find(in, "rope.scaling.factor", full);
    if (!kv)
        kv = find(in, "rope.scale_linear", full); /* older spelling */
    if (kv && (!qb_gguf_get_f64(in->g, full, &factor) || !(factor >= 0 && factor <= 1e6)))
        return fail_key(in, full, "is not a number from 0 to 1e6", err);
    hp->rope_scaling = factor > 0 && factor != 1 ? QB_ROPE_LINEAR : QB_ROPE_NONE;
    struct qb_gguf_str type;
    if (find(in, "rope.scaling.type", full)) {
        if (!qb_gguf_get_str(in->g, full, &type))
            return fail_key(in, full, "is no string", err);
        size_t i = 0;
        while (i < QB_ARRAY_LEN(kinds) &&
               !(type.len == strlen(kinds[i].name) && memcmp(type.s, kinds[i].name, type.len) == 0))
            i++;
        if (i == QB_ARRAY_LEN(kinds))
            return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s': unknown %s '%.*s'", qb_gguf_path(in->g), full,
                           (int)(type.len < 32 ? type.len : 32), type.s);
        hp->rope_scaling = kinds[i].id;
    }
    hp->rope_freq_scale = hp->rope_scaling == QB_ROPE_NONE || factor == 0 ? 1.0f : (float)(1 / factor);
    if (hp->rope_orig_ctx == 0)
        hp->rope_orig_ctx = hp->n_ctx_train;
    if (hp->yarn_ext_factor < 0) /* -1 = by the scaling type */
        hp->yarn_ext_factor = hp->rope_scaling == QB_ROPE_YARN ? 1.0f : 0.0f;
    return QB_OK;
}

/* ---- what only several keys together can tell ---- */

static enum qb_status derive_heads(const struct input *in, struct qb_err *err)
{
    struct qb_hparams *hp = in->hp;
    const char *path = qb_gguf_path(in->g);
    char full[96];
    if (!find(in, "attention.head_count_kv", full))
        memcpy(hp->n_head_kv, hp->n_head, sizeof hp->n_head_kv);
    if (hp->n_head[0] == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': no attention heads in layer 0", path);
    for (int l = 0; l < hp->n_layer; l++)
        if (hp->n_head_kv[l] > 0 && hp->n_head[l] % hp->n_head_kv[l] != 0)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': layer %d: %d heads do not divide over %d key heads",
                           path, l, hp->n_head[l], hp->n_head_kv[l]);
    if (hp->head_dim_k == 0)
        hp->head_dim_k = hp->n_embd / hp->n_head[0];
    if (hp->head_dim_v == 0)
        hp->head_dim_v = hp->n_embd / hp->n_head[0];
    if (!find(in, "rope.dimension_count", full))
        hp->n_rot = hp->head_dim_k;
    if (hp->head_dim_k == 0 || hp->head_dim_v == 0 || hp->n_rot > hp->head_dim_k || hp->n_rot % 2 != 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': impossible head size %d (rope dimensions %d)", path,
                       hp->head_dim_k, hp->n_rot);
    if (hp->n_expert_used > hp->n_expert)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': %d of %d experts used", path, hp->n_expert_used,
                       hp->n_expert);
    return QB_OK;
}

/* tokens, scores and types have one entry a token; special ids name a token. */
static enum qb_status check_vocab(const struct input *in, uint64_t n_vocab, struct qb_err *err)
{
    static const char *const lists[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                                        "tokenizer.ggml.token_type"};
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id"};
    const struct qb_gguf_kv *tokens = qb_gguf_find(in->g, lists[0]);
    for (size_t i = 0; i < QB_ARRAY_LEN(lists); i++) {
        const struct qb_gguf_kv *kv = qb_gguf_find(in->g, lists[i]);
        if (kv && (kv->type != QB_GGUF_ARRAY || kv->n > n_vocab || (tokens && kv->n != tokens->n)))
            return fail_key(in, lists[i], "does not fit the vocabulary", err);
    }
    for (size_t i = 0; i < QB_ARRAY_LEN(ids); i++) {
        uint64_t id;
        /* all ones is how some writers say "none" */
        if (qb_gguf_get_u64(in->g, ids[i], &id) && id >= n_vocab && id != UINT32_MAX)
            return fail_key(in, ids[i], "is outside the vocabulary", err);
    }
    return QB_OK;
}

static enum qb_status derive_vocab(const struct input *in, struct qb_err *err)
{
    struct qb_hparams *hp = in->hp;
    char full[96];
    const struct qb_gguf_tensor *embd = qb_gguf_tensor_find(in->g, "token_embd.weight");
    const struct qb_gguf_kv *tokens = qb_gguf_find(in->g, "tokenizer.ggml.tokens");
    uint64_t n = embd ? (uint64_t)embd->ne[1] : 0;
    if (!embd && find(in, "vocab_size", full) && !qb_gguf_get_u64(in->g, full, &n))
        return fail_key(in, full, "has the wrong type", err);
    if (n == 0 && tokens && tokens->type == QB_GGUF_ARRAY)
        n = tokens->n;
    if (n == 0 || n > (1u << 28))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': no usable vocabulary size (%" PRIu64 ")",
                       qb_gguf_path(in->g), n);
    QB_TRY(check_vocab(in, n, err));
    hp->n_vocab = (int)n;
    uint64_t bos;
    hp->bos_id = qb_gguf_get_u64(in->g, "tokenizer.ggml.bos_token_id", &bos) && bos < n ? (int)bos : -1;
    struct qb_gguf_str model;
    bool spm = qb_gguf_get_str(in->g, "tokenizer.ggml.model", &model) && model.len == 5 &&
               memcmp(model.s, "llama", 5) == 0;
    hp->add_bos = spm; /* the default of SentencePiece vocabularies */
    qb_gguf_get_bool(in->g, "tokenizer.ggml.add_bos_token", &hp->add_bos);
    if (hp->bos_id < 0)
        hp->add_bos = false;
    return QB_OK;
}

/* The file type that most tensors have: what readers print when the key is missing. */
static int guess_ftype(const struct qb_gguf *g)
{
    static const struct {
        short type, ftype;
    } map[] = {{QB_GGML_F32, 0},       {QB_GGML_F16, 1},       {QB_GGML_BF16, 32},    {QB_GGML_Q4_0, 2},
               {QB_GGML_Q4_1, 3},      {QB_GGML_Q5_0, 8},      {QB_GGML_Q5_1, 9},     {QB_GGML_Q8_0, 7},
               {QB_GGML_Q2_K, 10},     {QB_GGML_Q3_K, 12},     {QB_GGML_Q4_K, 15},    {QB_GGML_Q5_K, 17},
               {QB_GGML_Q6_K, 18},     {QB_GGML_IQ2_XXS, 19},  {QB_GGML_IQ2_XS, 20},  {QB_GGML_IQ2_S, 28},
               {QB_GGML_IQ3_XXS, 23},  {QB_GGML_IQ1_S, 24},    {QB_GGML_IQ1_M, 31},   {QB_GGML_IQ4_NL, 25},
               {QB_GGML_IQ4_XS, 30},   {QB_GGML_IQ3_S, 26},    {QB_GGML_TQ1_0, 36},   {QB_GGML_TQ2_0, 37},
               {QB_GGML_Q4_0_4_4, 33}, {QB_GGML_Q4_0_4_8, 34}, {QB_GGML_Q4_0_8_8, 35}};
    size_t count[QB_GGML_ID_END] = {0};
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++)
        count[qb_gguf_tensor_at(g, i)->type_id]++;
    int most = 0;
    for (int id = 1; id < QB_GGML_ID_END; id++)
        if (count[id] > count[most])
            most = id;
    for (size_t i = 0; i < QB_ARRAY_LEN(map); i++)
        if (map[i].type == most && count[most] > 0)
            return map[i].ftype;
    return -1;
}

static void read_ftype(const struct input *in)
{
    uint64_t v;
    in->hp->ftype_guessed = !qb_gguf_get_u64(in->g, "general.file_type", &v) || v > 1023;
    in->hp->ftype = in->hp->ftype_guessed ? guess_ftype(in->g) : (int)v;
}

enum qb_status qb_hparams_read(struct qb_hparams *hp, const struct qb_gguf *g, struct qb_err *err)
{
    *hp = (struct qb_hparams){.rope_base = 10000,
                              .rope_attn_factor = 1,
                              .yarn_ext_factor = -1,
                              .yarn_attn_factor = 1,
                              .yarn_beta_fast = 32,
                              .yarn_beta_slow = 1,
                              .bos_id = -1,
                              .ftype = -1};
    struct input in = {g, hp};
    QB_TRY(read_arch(&in, err));
    for (size_t i = 0; i < QB_ARRAY_LEN(keys); i++)
        QB_TRY(read_key(&in, &keys[i], err));
    QB_TRY(derive_heads(&in, err));
    QB_TRY(read_rope(&in, err));
    QB_TRY(derive_vocab(&in, err));
    hp->tied_embeddings = qb_gguf_tensor_find(g, "output.weight") == NULL;
    hp->qkv_bias = qb_gguf_tensor_find(g, "blk.0.attn_q.bias") != NULL;
    if (hp->norm_eps <= 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': the norm epsilon is not positive", qb_gguf_path(g));
    read_ftype(&in);
    return QB_OK;
}

/* ---- llama-bench's size classes ---- */

enum class_field { FIELD_any, FIELD_n_embd, FIELD_n_head, FIELD_n_vocab, FIELD_below, FIELD_mha };

static bool class_matches(const struct qb_hparams *hp, enum class_field field, int value)
{
    switch (field) {
    case FIELD_n_embd:
        return hp->n_embd == value;
    case FIELD_n_head:
        return hp->n_head[0] == value;
    case FIELD_n_vocab:
        return hp->n_vocab == value;
    case FIELD_below:
        return hp->n_vocab < value;
    case FIELD_mha:
        return hp->n_head[0] == hp->n_head_kv[0];
    default:
        return true;
    }
}

const char *qb_hparams_size_class(const struct qb_hparams *hp)
{
    static const struct {
        const char *arch;
        int n_layer;
        enum class_field field;
        int value;
        const char *text;
    } classes[] = {
#define QB_SIZE_CLASS(arch, n_layer, field, value, text) {arch, n_layer, FIELD_##field, value, text},
#include "engine/size_classes.def"
#undef QB_SIZE_CLASS
    };
    for (size_t i = 0; hp->n_expert != 8 && i < QB_ARRAY_LEN(classes); i++)
        if (strcmp(classes[i].arch, hp->arch) == 0 && classes[i].n_layer == hp->n_layer &&
            class_matches(hp, classes[i].field, classes[i].value))
            return classes[i].text;
    return "?B";
}

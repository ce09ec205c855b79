/*
 * The tensors that a model of given hyper-parameters has. One table a group (model, block), in the order of
 * published files: tensors outside the blocks by name, then block by block, by name.
 */
#include "engine/hparams.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What sets the architectures apart. */
enum trait {
    TRAIT_QKV_BIAS = 1,
    TRAIT_QK_NORM = 2,
    TRAIT_POST_NORM = 4,
    TRAIT_FUSED = 8,
    TRAIT_OPTIONAL = 16
};

static const struct {
    const char *arch;
    int traits;
} archs[] = {{"llama", TRAIT_OPTIONAL},
             {"qwen2", TRAIT_QKV_BIAS},
             {"qwen3", TRAIT_QK_NORM},
             {"qwen2moe", TRAIT_QKV_BIAS},
             {"qwen3moe", TRAIT_QK_NORM},
             {"gemma2", TRAIT_POST_NORM},
             {"gemma3", TRAIT_QK_NORM | TRAIT_POST_NORM},
             {"phi3", TRAIT_FUSED},
             {"deci", 0}};

enum dim {
    DIM_NONE,
    DIM_EMBD,
    DIM_VOCAB,
    DIM_Q,
    DIM_K,
    DIM_V,
    DIM_QKV,
    DIM_HEAD,
    DIM_ATTN_OUT,
    DIM_FF,
    DIM_FF_TWICE,
    DIM_FF_EXPERT,
    DIM_FF_SHARED,
    DIM_EXPERTS,
    DIM_ROT2
};

enum when {
    ALWAYS,
    UNTIED,
    ROPE_FREQS,
    MAYBE_ROPE_FREQS,
    ATTN,       /* layers without attention have none of its tensors */
    ATTN_SPLIT, /* q, k and v of their own; "linear attention" has the output matrix only */
    ATTN_FUSED, /* q, k and v in one matrix */
    QKV_BIAS,
    QK_NORM,
    MAYBE_ATTN_OUT_BIAS,
    POST_NORM,
    FFN,         /* of either kind */
    DENSE,       /* not of experts */
    DENSE_GATED, /* gate and up in two matrices */
    DENSE_FUSED, /* in one */
    EXPERTS,
    SHARED_EXPERT
};

struct row {
    const char *name;
    enum dim in, out, mats;
    enum when when;
};

static const struct row model_rows[] = {
    {"output.weight", DIM_EMBD, DIM_VOCAB, DIM_NONE, UNTIED},
    {"output_norm.weight", DIM_EMBD, DIM_NONE, DIM_NONE, ALWAYS},
    {"rope_freqs.weight", DIM_ROT2, DIM_NONE, DIM_NONE, ROPE_FREQS},
    {"rope_freqs.weight", DIM_ROT2, DIM_NONE, DIM_NONE, MAYBE_ROPE_FREQS},
    {"token_embd.weight", DIM_EMBD, DIM_VOCAB, DIM_NONE, ALWAYS},
};

static const struct row block_rows[] = {
    {"attn_k.bias", DIM_K, DIM_NONE, DIM_NONE, QKV_BIAS},
    {"attn_k.weight", DIM_EMBD, DIM_K, DIM_NONE, ATTN_SPLIT},
    {"attn_k_norm.weight", DIM_HEAD, DIM_NONE, DIM_NONE, QK_NORM},
    {"attn_norm.weight", DIM_EMBD, DIM_NONE, DIM_NONE, ATTN},
    {"attn_output.bias", DIM_EMBD, DIM_NONE, DIM_NONE, MAYBE_ATTN_OUT_BIAS},
    {"attn_output.weight", DIM_ATTN_OUT, DIM_EMBD, DIM_NONE, ATTN},
    {"attn_q.bias", DIM_Q, DIM_NONE, DIM_NONE, QKV_BIAS},
    {"attn_q.weight", DIM_EMBD, DIM_Q, DIM_NONE, ATTN_SPLIT},
    {"attn_q_norm.weight", DIM_HEAD, DIM_NONE, DIM_NONE, QK_NORM},
    {"attn_qkv.weight", DIM_EMBD, DIM_QKV, DIM_NONE, ATTN_FUSED},
    {"attn_v.bias", DIM_V, DIM_NONE, DIM_NONE, QKV_BIAS},
    {"attn_v.weight", DIM_EMBD, DIM_V, DIM_NONE, ATTN_SPLIT},
    {"ffn_down.weight", DIM_FF, DIM_EMBD, DIM_NONE, DENSE},
    {"ffn_down_exps.weight", DIM_FF_EXPERT, DIM_EMBD, DIM_EXPERTS, EXPERTS},
    {"ffn_down_shexp.weight", DIM_FF_SHARED, DIM_EMBD, DIM_NONE, SHARED_EXPERT},
    {"ffn_gate.weight", DIM_EMBD, DIM_FF, DIM_NONE, DENSE_GATED},
    {"ffn_gate_exps.weight", DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERTS, EXPERTS},
    {"ffn_gate_inp.weight", DIM_EMBD, DIM_EXPERTS, DIM_NONE, EXPERTS},
    {"ffn_gate_inp_shexp.weight", DIM_EMBD, DIM_NONE, DIM_NONE, SHARED_EXPERT},
    {"ffn_gate_shexp.weight", DIM_EMBD, DIM_FF_SHARED, DIM_NONE, SHARED_EXPERT},
    {"ffn_norm.weight", DIM_EMBD, DIM_NONE, DIM_NONE, FFN},
    {"ffn_up.weight", DIM_EMBD, DIM_FF, DIM_NONE, DENSE_GATED},
    {"ffn_up.weight", DIM_EMBD, DIM_FF_TWICE, DIM_NONE, DENSE_FUSED},
    {"ffn_up_exps.weight", DIM_EMBD, DIM_FF_EXPERT, DIM_EXPERTS, EXPERTS},
    {"ffn_up_shexp.weight", DIM_EMBD, DIM_FF_SHARED, DIM_NONE, SHARED_EXPERT},
    {"post_attention_norm.weight", DIM_EMBD, DIM_NONE, DIM_NONE, POST_NORM},
    {"post_ffw_norm.weight", DIM_EMBD, DIM_NONE, DIM_NONE, POST_NORM},
};

static int64_t dim_size(const struct qb_hparams *hp, int layer, enum dim d)
{
    switch (d) {
    case DIM_EMBD:
        return hp->n_embd;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_Q:
        return (int64_t)hp->n_head[layer] * hp->head_dim_k;
    case DIM_K:
        return (int64_t)hp->n_head_kv[layer] * hp->head_dim_k;
    case DIM_V:
        return (int64_t)hp->n_head_kv[layer] * hp->head_dim_v;
    case DIM_QKV:
        return (int64_t)(hp->n_head[layer] + hp->n_head_kv[layer]) * hp->head_dim_k +
               (int64_t)hp->n_head_kv[layer] * hp->head_dim_v;
    case DIM_HEAD:
        return hp->head_dim_k;
    case DIM_ATTN_OUT:
        return (int64_t)hp->n_head[layer] * hp->head_dim_v;
    case DIM_FF:
        return hp->n_ff[layer];
    case DIM_FF_TWICE:
        return 2 * (int64_t)hp->n_ff[layer];
    case DIM_FF_EXPERT: /* Mixtral files give the width of an expert as that of the layer */
        return hp->n_ff_expert > 0 ? hp->n_ff_expert : hp->n_ff[layer];
    case DIM_FF_SHARED:
        return hp->n_ff_shared;
    case DIM_EXPERTS:
        return hp->n_expert;
    case DIM_ROT2:
        return hp->n_rot / 2;
    default:
        return 1;
    }
}

static int traits_of(const struct qb_hparams *hp)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(archs); i++)
        if (strcmp(archs[i].arch, hp->arch) == 0)
            return archs[i].traits;
    return -1;
}

static bool applies_to_model(const struct qb_hparams *hp, int traits, enum when when)
{
    bool freqs = hp->llama3_rope_factor > 0;
    switch (when) {
    case UNTIED:
        return !hp->tied_embeddings;
    case ROPE_FREQS:
        return freqs;
    case MAYBE_ROPE_FREQS:
        return !freqs && (traits & TRAIT_OPTIONAL);
    default:
        return true;
    }
}

static bool applies_to_layer(const struct qb_hparams *hp, int traits, int layer, enum when when)
{
    bool attn = hp->n_head[layer] > 0, split = attn && hp->n_head_kv[layer] > 0 && !(traits & TRAIT_FUSED);
    bool dense = hp->n_expert == 0 && hp->n_ff[layer] > 0, fused = traits & TRAIT_FUSED;
    switch (when) {
    case ATTN:
        return attn;
    case ATTN_SPLIT:
        return split;
    case ATTN_FUSED:
        return attn && fused;
    case QKV_BIAS:
        return split && (hp->qkv_bias || (traits & TRAIT_QKV_BIAS));
    case QK_NORM:
        return attn && (traits & TRAIT_QK_NORM);
    case MAYBE_ATTN_OUT_BIAS:
        return attn && (traits & TRAIT_OPTIONAL);
    case POST_NORM:
        return traits & TRAIT_POST_NORM;
    case FFN:
        return dense || hp->n_expert > 0;
    case DENSE:
        return dense;
    case DENSE_GATED:
        return dense && !fused;
    case DENSE_FUSED:
        return dense && fused;
    case EXPERTS:
        return hp->n_expert > 0;
    case SHARED_EXPERT:
        return hp->n_expert > 0 && hp->n_ff_shared > 0;
    default:
        return true;
    }
}

static enum qb_status check_supported(const struct qb_hparams *hp, struct qb_err *err)
{
    if (strcmp(hp->arch, "llama") != 0 && strcmp(hp->arch, "qwen2") != 0)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "architecture '%s' is not supported (llama and qwen2 are)",
                       hp->arch);
    if (hp->n_expert > 0)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "architecture '%s' with %d experts is not supported",
                       hp->arch, hp->n_expert);
    for (int l = 0; l < hp->n_layer; l++)
        if (hp->n_head[l] <= 0 || hp->n_head_kv[l] <= 0 || hp->n_ff[l] <= 0)
            return qb_fail(err, QB_ERR_UNSUPPORTED,
                           "architecture '%s': layer %d lacks heads or a feed-forward width", hp->arch, l);
    return QB_OK;
}

/* layer -1: the tensors outside the blocks. */
static void fill_spec(struct qb_tensor_spec *t, const struct qb_hparams *hp, const struct row *r, int layer)
{
    int l = layer < 0 ? 0 : layer;
    *t = (struct qb_tensor_spec){
        .n_dims = r->mats != DIM_NONE  ? 3
                  : r->out != DIM_NONE ? 2
                                       : 1,
        .ne = {dim_size(hp, l, r->in), dim_size(hp, l, r->out), dim_size(hp, l, r->mats), 1},
        .optional = r->when == MAYBE_ATTN_OUT_BIAS || r->when == MAYBE_ROPE_FREQS};
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s", r->name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, r->name);
}

static size_t fill_list(struct qb_tensor_spec *list, const struct qb_hparams *hp, int traits)
{
    size_t used = 0;
    for (size_t i = 0; i < QB_ARRAY_LEN(model_rows); i++)
        if (applies_to_model(hp, traits, model_rows[i].when))
            fill_spec(&list[used++], hp, &model_rows[i], -1);
    for (int l = 0; l < hp->n_layer; l++)
        for (size_t i = 0; i < QB_ARRAY_LEN(block_rows); i++)
            if (applies_to_layer(hp, traits, l, block_rows[i].when))
                fill_spec(&list[used++], hp, &block_rows[i], l);
    return used;
}

enum qb_status qb_hparams_list(const struct qb_hparams *hp, struct qb_tensor_spec **out, size_t *n,
                               struct qb_err *err)
{
    *out = NULL;
    *n = 0;
    int traits = traits_of(hp);
    if (traits < 0)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "the tensors of architecture '%s' are not known", hp->arch);
    size_t most = QB_ARRAY_LEN(model_rows) + (size_t)hp->n_layer * QB_ARRAY_LEN(block_rows);
    struct qb_tensor_spec *list = calloc(most, sizeof *list);
    if (!list)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the tensor list");
    *n = fill_list(list, hp, traits);
    *out = list;
    return QB_OK;
}

enum qb_status qb_hparams_tensors(const struct qb_hparams *hp, struct qb_tensor_spec **out, size_t *n,
                                  struct qb_err *err)
{
    *out = NULL;
    *n = 0;
    QB_TRY(check_supported(hp, err));
    return qb_hparams_list(hp, out, n, err);
}

uint64_t qb_hparams_n_params(const struct qb_hparams *hp)
{
    struct qb_tensor_spec *list;
    size_t n;
    uint64_t sum = 0;
    if (qb_hparams_list(hp, &list, &n, NULL) != QB_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!list[i].optional && strcmp(list[i].name, "rope_freqs.weight") != 0)
            sum += (uint64_t)list[i].ne[0] * (uint64_t)list[i].ne[1] * (uint64_t)list[i].ne[2];
    free(list);
    return sum;
}

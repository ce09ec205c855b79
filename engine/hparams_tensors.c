/*
 * The tensors that a model of given hyper-parameters has. One table a group (model, block), in the order of
 * published files: tensors outside the blocks by name, then block by block, by name.
 */
#include "engine/hparams.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dim { DIM_NONE, DIM_EMBD, DIM_VOCAB, DIM_Q, DIM_K, DIM_V, DIM_FF, DIM_ROT2, DIM_ATTN_OUT };
enum when { ALWAYS, UNTIED, ROPE_FREQS, QKV_BIAS, MAYBE_ATTN_OUT_BIAS, MAYBE_ROPE_FREQS };

struct row {
    const char *name;
    enum dim in, out;
    enum when when;
};

static const struct row model_rows[] = {
    {"output.weight", DIM_EMBD, DIM_VOCAB, UNTIED},
    {"output_norm.weight", DIM_EMBD, DIM_NONE, ALWAYS},
    {"rope_freqs.weight", DIM_ROT2, DIM_NONE, ROPE_FREQS},
    {"rope_freqs.weight", DIM_ROT2, DIM_NONE, MAYBE_ROPE_FREQS},
    {"token_embd.weight", DIM_EMBD, DIM_VOCAB, ALWAYS},
};

static const struct row block_rows[] = {
    {"attn_k.bias", DIM_K, DIM_NONE, QKV_BIAS},
    {"attn_k.weight", DIM_EMBD, DIM_K, ALWAYS},
    {"attn_norm.weight", DIM_EMBD, DIM_NONE, ALWAYS},
    {"attn_output.bias", DIM_EMBD, DIM_NONE, MAYBE_ATTN_OUT_BIAS},
    {"attn_output.weight", DIM_ATTN_OUT, DIM_EMBD, ALWAYS},
    {"attn_q.bias", DIM_Q, DIM_NONE, QKV_BIAS},
    {"attn_q.weight", DIM_EMBD, DIM_Q, ALWAYS},
    {"attn_v.bias", DIM_V, DIM_NONE, QKV_BIAS},
    {"attn_v.weight", DIM_EMBD, DIM_V, ALWAYS},
    {"ffn_down.weight", DIM_FF, DIM_EMBD, ALWAYS},
    {"ffn_gate.weight", DIM_EMBD, DIM_FF, ALWAYS},
    {"ffn_norm.weight", DIM_EMBD, DIM_NONE, ALWAYS},
    {"ffn_up.weight", DIM_EMBD, DIM_FF, ALWAYS},
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
    case DIM_ATTN_OUT:
        return (int64_t)hp->n_head[layer] * hp->head_dim_v;
    case DIM_FF:
        return hp->n_ff[layer];
    case DIM_ROT2:
        return hp->n_rot / 2;
    default:
        return 1;
    }
}

static bool is_llama(const struct qb_hparams *hp)
{
    return strcmp(hp->arch, "llama") == 0;
}

static bool applies(const struct qb_hparams *hp, enum when when)
{
    switch (when) {
    case UNTIED:
        return !hp->tied_embeddings;
    case ROPE_FREQS:
        return hp->llama3_rope_factor > 0;
    case MAYBE_ROPE_FREQS:
        return hp->llama3_rope_factor <= 0 && is_llama(hp);
    case QKV_BIAS:
        return hp->qkv_bias || !is_llama(hp);
    case MAYBE_ATTN_OUT_BIAS:
        return is_llama(hp);
    default:
        return true;
    }
}

static enum qb_status check_supported(const struct qb_hparams *hp, struct qb_err *err)
{
    if (!is_llama(hp) && strcmp(hp->arch, "qwen2") != 0)
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

static size_t add_rows(const struct qb_hparams *hp, const struct row *rows, size_t n, int layer,
                       struct qb_tensor_spec *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        if (!applies(hp, r->when))
            continue;
        struct qb_tensor_spec *t = &out[used++];
        *t = (struct qb_tensor_spec){.n_dims = r->out == DIM_NONE ? 1 : 2,
                                     .ne = {dim_size(hp, layer < 0 ? 0 : layer, r->in),
                                            dim_size(hp, layer < 0 ? 0 : layer, r->out), 1, 1},
                                     .optional =
                                         r->when == MAYBE_ATTN_OUT_BIAS || r->when == MAYBE_ROPE_FREQS};
        if (layer < 0)
            snprintf(t->name, sizeof t->name, "%s", r->name);
        else
            snprintf(t->name, sizeof t->name, "blk.%d.%s", layer, r->name);
    }
    return used;
}

enum qb_status qb_hparams_tensors(const struct qb_hparams *hp, struct qb_tensor_spec **out, size_t *n,
                                  struct qb_err *err)
{
    *out = NULL;
    *n = 0;
    QB_TRY(check_supported(hp, err));
    size_t most = QB_ARRAY_LEN(model_rows) + (size_t)hp->n_layer * QB_ARRAY_LEN(block_rows);
    struct qb_tensor_spec *list = calloc(most, sizeof *list);
    if (!list)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the tensor list");
    size_t used = add_rows(hp, model_rows, QB_ARRAY_LEN(model_rows), -1, list);
    for (int l = 0; l < hp->n_layer; l++)
        used += add_rows(hp, block_rows, QB_ARRAY_LEN(block_rows), l, list + used);
    *out = list;
    *n = used;
    return QB_OK;
}

uint64_t qb_hparams_n_params(const struct qb_hparams *hp)
{
    struct qb_tensor_spec *list;
    size_t n;
    uint64_t sum = 0;
    if (qb_hparams_tensors(hp, &list, &n, NULL) != QB_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!list[i].optional && strcmp(list[i].name, "rope_freqs.weight") != 0)
            sum += (uint64_t)list[i].ne[0] * (uint64_t)list[i].ne[1];
    free(list);
    return sum;
}

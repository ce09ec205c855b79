/*
 * From a shape of datasets/ to the engine's hyper-parameters.
 */
#include "bench/shape_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *qb_shape_name(const char *source)
{
    static const char prefix[] = "shape:";
    size_t n = sizeof prefix - 1;
    return strncmp(source, prefix, n) == 0 ? source + n : NULL;
}

static void convert(struct qb_hparams *hp, const struct qb_shape *s)
{
    *hp = (struct qb_hparams){
        .n_layer = s->n_layer,
        .n_embd = s->n_embd,
        .n_vocab = s->n_vocab,
        .n_ctx_train = s->n_ctx,
        .head_dim_k = s->head_dim,
        .head_dim_v = s->head_dim,
        .n_rot = s->n_rot,
        .norm_eps = (float)s->norm_eps,
        .rope_base = (float)s->rope_base,
        .rope_freq_scale = s->rope_linear > 0 ? (float)(1 / s->rope_linear) : 1.0f,
        .rope_scaling = s->rope_linear > 0 ? QB_ROPE_LINEAR : QB_ROPE_NONE,
        .rope_attn_factor = 1,
        .rope_orig_ctx = s->n_ctx,
        .yarn_attn_factor = 1,
        .yarn_beta_fast = 32,
        .yarn_beta_slow = 1,
        .n_expert = s->n_expert,
        .n_expert_used = s->n_expert_used,
        .n_ff_expert = s->n_ff_expert,
        .n_ff_shared = s->n_ff_shared,
        .tied_embeddings = s->tied_embeddings,
        .qkv_bias = s->qkv_bias,
        .llama3_rope_factor = (float)s->llama3_factor,
        .ftype = -1,
        .add_bos = s->add_bos,
        .bos_id = s->bos_id,
        .metadata_bytes = (size_t)s->metadata_bytes,
    };
    snprintf(hp->arch, sizeof hp->arch, "%s", s->arch);
    snprintf(hp->name, sizeof hp->name, "%s", s->name);
    for (int l = 0; l < s->n_layer; l++) {
        hp->n_head[l] = s->n_head[l];
        hp->n_head_kv[l] = s->n_head_kv[l];
        hp->n_ff[l] = s->n_ff[l];
    }
}

enum qb_status qb_shape_describe(struct qb_hparams *hp, const char *source, struct qb_err *err)
{
    struct qb_shape shape;
    const char *name = qb_shape_name(source);
    QB_TRY(qb_shape_find(&shape, name ? name : source, err));
    convert(hp, &shape);
    return QB_OK;
}

enum qb_status qb_shape_hparams(struct qb_hparams *hp, const char *source, struct qb_err *err)
{
    QB_TRY(qb_shape_describe(hp, source, err));
    struct qb_tensor_spec *tensors;
    size_t n;
    enum qb_status status = qb_hparams_tensors(hp, &tensors, &n, err);
    free(tensors);
    if (status != QB_OK)
        return qb_err_prefix(err, status, "shape '%s'", hp->name);
    return QB_OK;
}

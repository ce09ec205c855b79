/*
 * Hyper-parameters of a model, from GGUF metadata or from a shape, and the table of architectures.
 */
#ifndef QB_ENGINE_HPARAMS_H
#define QB_ENGINE_HPARAMS_H

#include "engine/gguf.h"

#define QB_MAX_LAYERS 512

struct qb_hparams {
    char arch[32];
    char name[128]; /* general.name or the shape's name */
    int n_layer, n_embd, n_vocab, n_ctx_train;
    int n_head[QB_MAX_LAYERS], n_head_kv[QB_MAX_LAYERS], n_ff[QB_MAX_LAYERS];
    int head_dim_k, head_dim_v, n_rot;
    float norm_eps;
    float attn_scale; /* 0: 1 / sqrt(head_dim_k) */
    float rope_base, rope_freq_scale, rope_attn_factor;
    enum qb_rope_scaling { QB_ROPE_NONE, QB_ROPE_LINEAR, QB_ROPE_YARN, QB_ROPE_LONGROPE } rope_scaling;
    int rope_orig_ctx;
    float yarn_ext_factor, yarn_attn_factor, yarn_beta_fast, yarn_beta_slow;
    int n_expert, n_expert_used, n_ff_expert, n_ff_shared;
    bool tied_embeddings; /* no output.weight */
    bool qkv_bias;
    float llama3_rope_factor; /* shapes only: > 0 = write rope_freqs.weight with this factor (low 1, high 4,
                                 old 8192) */
    int ftype;                /* general.file_type, -1 = absent */
    bool ftype_guessed;
    bool add_bos;
    int bos_id;            /* -1 = none */
    size_t metadata_bytes; /* shapes: size of a published file less its tensors, 0 = unknown */
};

/* Read and check the hyper-parameters of g (bounds of reference section 8, items 16 to 18). */
enum qb_status qb_hparams_read(struct qb_hparams *hp, const struct qb_gguf *g, struct qb_err *err);

/* One tensor that a model of these hyper-parameters has. */
struct qb_tensor_spec {
    char name[64];
    int n_dims;
    int64_t ne[4];
    bool optional;
};
/*
 * All tensors, in the order of published files; also of architectures that the engine does not run
 * (QB_ERR_UNSUPPORTED for one of unknown tensors). The list is allocated; pair: free(*out).
 */
enum qb_status qb_hparams_list(const struct qb_hparams *hp, struct qb_tensor_spec **out, size_t *n,
                               struct qb_err *err);
/* The same for a model that the engine runs; QB_ERR_UNSUPPORTED for all others. */
enum qb_status qb_hparams_tensors(const struct qb_hparams *hp, struct qb_tensor_spec **out, size_t *n,
                                  struct qb_err *err);
/* Sum of elements over all tensors but rope_freqs. */
uint64_t qb_hparams_n_params(const struct qb_hparams *hp);
/* llama-bench's size class: "0.5B", "3B", "70B", "?B". */
const char *qb_hparams_size_class(const struct qb_hparams *hp);

#endif

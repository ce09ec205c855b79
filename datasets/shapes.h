/*
 * Real model shapes ("qwen2.5-3b"): hyper-parameters from datasets/model-shapes.json, which is compiled in.
 * Plain data: the engine's view of a shape is made in bench/shape_model.c.
 */
#ifndef QB_DATASETS_SHAPES_H
#define QB_DATASETS_SHAPES_H

#include "base/buf.h"
#include "base/err.h"

#define QB_SHAPE_MAX_LAYERS  128
#define QB_SHAPE_MAX_ALIASES 4

struct qb_shape {
    char name[48];
    char aliases[QB_SHAPE_MAX_ALIASES][48];
    int n_aliases;
    char arch[16];
    int n_layer, n_embd, n_vocab, n_ctx, head_dim;
    int n_head[QB_SHAPE_MAX_LAYERS], n_head_kv[QB_SHAPE_MAX_LAYERS], n_ff[QB_SHAPE_MAX_LAYERS];
    bool tied_embeddings, qkv_bias;
    double norm_eps;
    int n_rot;
    double rope_base;
    double rope_linear;   /* linear scaling by this factor, 0 = none */
    double llama3_factor; /* frequency factors of Llama 3.1, 0 = none */
    int n_expert, n_expert_used, n_ff_expert, n_ff_shared;
    bool add_bos;
    int bos_id;              /* -1 = none */
    uint64_t n_params;       /* published total, less rope_freqs */
    uint64_t metadata_bytes; /* of a published file, 0 = unknown */
};

/*
 * By name or alias in any case. QB_ERR_NOT_FOUND suggests the nearest name. QB_ERR_FORMAT would be a broken
 * build.
 */
enum qb_status qb_shape_find(struct qb_shape *out, const char *name, struct qb_err *err);
/* All shapes in table order, allocated. Pair: free(*out). */
enum qb_status qb_shapes_load(struct qb_shape **out, size_t *n, struct qb_err *err);

#endif

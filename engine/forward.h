/*
 * The steps of a forward pass, in whose terms the architectures are written. A micro-batch is one run on the
 * pool: every worker goes through the same steps with its own struct qb_forward.
 *
 * Every step ends with its results complete on all workers (it contains the barriers it needs) and expects
 * those of the step before. A single token is different in one point: each worker prepares the activations of
 * a product for itself, which is faster than waiting for one that does it for all.
 */
#ifndef QB_ENGINE_FORWARD_H
#define QB_ENGINE_FORWARD_H

#include "engine/session.h"

/* Memory of one worker; of a single-token step's private activations too. */
struct qb_worker_scratch {
    void *matmul;    /* qb_matmul_scratch_bytes */
    void *attention; /* QB_ATTN_SCRATCH_BYTES */
    float *row;      /* one normalised row */
    void *act[QB_ACT_KIND_COUNT];
};

/* All memory of a session, laid into one block; sizes are fixed when it is created. */
struct qb_buffers {
    float *x, *h, *q, *k, *v, *att, *ff,
        *ff_up;                       /* [n_ubatch][width]; ff_up only where gate and up differ in kind */
    float *logits;                    /* [n_vocab] */
    float *rope;                      /* [n_ubatch][n_rot]: cos and sin of every pair */
    double *rope_freq;                /* [n_rot / 2]: angle of a pair per position */
    void *act[QB_ACT_KIND_COUNT];     /* NULL where no weight needs the kind */
    float *parts, *parts_ml;          /* attention split over keys: n_part_slots partial results */
    struct qb_worker_scratch *worker; /* one each */
    struct qb_kv *kv;                 /* one a layer */
};

/* The largest widths over all layers. */
struct qb_widths {
    int q, k, v, att, ff;
    int64_t act[QB_ACT_KIND_COUNT]; /* longest row of a matrix that takes this kind */
    bool mixed_gate_up;
};

struct qb_session {
    const struct qb_model *model;
    const struct qb_kernel_set *set;
    struct qb_pool *pool, *pool_gen;
    int64_t n_ctx, pos;
    int n_ubatch, n_workers, n_part_slots;
    enum qb_kv_type type_k, type_v;
    struct qb_widths widths;
    struct qb_block block;
    struct qb_buffers buf;
    float rope_scale; /* of cos and sin */
    const float *last_logits;
    uint64_t *phase_ns;     /* QB_PHASE_COUNT sums, or NULL */
    qb_observe_fn *observe; /* or NULL */
    void *observe_arg;
};

/* One worker's view of a micro-batch. */
struct qb_forward {
    struct qb_worker *w;
    struct qb_session *s;
    const struct qb_model *model;
    const struct qb_kernel_set *set;
    const int32_t *tokens;
    int64_t pos;                          /* of the first token */
    int n;                                /* tokens; fewer after qb_forward_outputs */
    int n_outputs;                        /* the last so many tokens get logits */
    float *x, *q, *att;                   /* of the first token */
    float *logits;                        /* [n_outputs][n_vocab] */
    struct qb_act act[QB_ACT_KIND_COUNT]; /* of the step before, by kind */
    uint64_t mark_ns;
};

/* x = token_embd[token]; angles of rope. */
void qb_forward_embed(struct qb_forward *f);
/* Activations for the matrices `to`: the norm of x by `gain`. */
void qb_forward_norm(struct qb_forward *f, const float *gain, const struct qb_matrix *const *to, int n_to);
/* q, k, v = W h + b. */
void qb_forward_qkv(struct qb_forward *f, const struct qb_layer *l, int layer);
/* Rotate q and k, put k and v into the cache. */
void qb_forward_rope_store(struct qb_forward *f, int layer);
/*
 * From here on only rows that someone reads: in the last layer, once the cache has its keys, those of tokens
 * that get logits. False when there are none. While somebody observes, all rows are kept until the head.
 */
bool qb_forward_outputs(struct qb_forward *f, int layer);
/* att = attention of q over the cache. */
void qb_forward_attention(struct qb_forward *f, int layer);
/* x += Wo att + b. */
void qb_forward_attn_output(struct qb_forward *f, const struct qb_layer *l);
/* x += down (silu(gate h) * up h), h the norm of x by `gain`. */
void qb_forward_ffn(struct qb_forward *f, const struct qb_layer *l, int layer);
/* logits = output norm(x) for the tokens that get logits. */
void qb_forward_head(struct qb_forward *f);

/* Fill rope_freq and rope_scale from the hyper-parameters. */
void qb_forward_rope_init(struct qb_session *s);

/* kv.c: bytes of one layer's cache, and its arrays laid into memory of that size (64-byte aligned). */
size_t qb_kv_bytes(enum qb_kv_type type_k, enum qb_kv_type type_v, int n_head_kv, int dim_k, int dim_v,
                   int64_t capacity);
void qb_kv_init(struct qb_kv *kv, enum qb_kv_type type_k, enum qb_kv_type type_v, int n_head_kv, int dim_k,
                int dim_v, int64_t capacity, void *memory);

#endif

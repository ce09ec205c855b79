/*
 * A session: one timeline of tokens with its KV cache and scratch memory, over a borrowed model, kernel set
 * and pool. All memory is taken when it is created; evaluating allocates nothing.
 */
#ifndef QB_ENGINE_SESSION_H
#define QB_ENGINE_SESSION_H

#include "engine/model.h"

struct qb_session_options {
    const struct qb_kernel_set *set;
    struct qb_pool *pool; /* for batches of more than 1 token, and for single tokens if pool_gen is NULL */
    struct qb_pool *pool_gen; /* optional: another thread count for single tokens */
    int64_t n_ctx;            /* positions; rounded up to a multiple of 256 as llama-bench does */
    int n_batch, n_ubatch;    /* as llama-bench: 2048, 512; clipped to n_ctx, ubatch to batch */
    enum qb_kv_type type_k, type_v;
};

struct qb_session;
/* Bytes that a session will take: KV cache and scratch, before anything is allocated. */
uint64_t qb_session_bytes(const struct qb_model *m, const struct qb_session_options *o);
enum qb_status qb_session_create(struct qb_session **out, const struct qb_model *m,
                                 const struct qb_session_options *o, struct qb_err *err);
void qb_session_free(struct qb_session *s);

void qb_session_clear(struct qb_session *s); /* position 0; the cache content is left */
int64_t qb_session_pos(const struct qb_session *s);
/* Go back to an earlier position (keys after it are forgotten). */
void qb_session_rewind(struct qb_session *s, int64_t pos);

/* Which positions of a batch get logits. */
enum qb_logits { QB_LOGITS_NONE, QB_LOGITS_LAST, QB_LOGITS_ALL };
/*
 * Evaluate n tokens at the current position: cut into micro-batches of n_ubatch. n may exceed n_batch.
 * @param logits  which logits; ALL writes [n][n_vocab], LAST [n_vocab] into `out`
 * @param out     NULL with NONE; with LAST it may be NULL: then logits go into the session's own buffer
 *
 * Errors: QB_ERR_USAGE for an id outside the vocabulary or more tokens than the context holds; nothing
 * is changed then.
 */
enum qb_status qb_session_eval(struct qb_session *s, const int32_t *tokens, int64_t n, enum qb_logits logits,
                               float *out, struct qb_err *err);
/* The same with the logits of the last n_outputs tokens: [n_outputs][n_vocab] into `out`. */
enum qb_status qb_session_eval_last(struct qb_session *s, const int32_t *tokens, int64_t n, int64_t n_outputs,
                                    float *out, struct qb_err *err);
/* Logits of the last token of the last eval with LAST or ALL (n_vocab floats, valid until the next eval). */
const float *qb_session_logits(const struct qb_session *s);

/*
 * What comes into weight matrices, before it is quantized: rows x[c * ldx + k] of c < n tokens, which all
 * matrices of `to` are multiplied with. Called on every worker of the pool at once, with equal arguments
 * (each may get its own copy of x); x stays as it is until the function has returned on all of them. Every
 * token of a batch is shown, at every matrix, the output included, whichever logits are wanted, and results
 * do not depend on the number of threads while somebody observes.
 */
struct qb_observation {
    const struct qb_matrix *const *to;
    int n_to;
    const float *x;
    size_t ldx;
    int n;
};
typedef void qb_observe_fn(struct qb_worker *w, const struct qb_observation *o, void *arg);
/* NULL, the default, turns it off. */
void qb_session_observe(struct qb_session *s, qb_observe_fn *fn, void *arg);

/*
 * Where the time goes: phases of the forward pass, summed over layers into an array that the caller owns
 * (NULL, the default, turns it off).
 */
enum qb_phase {
    QB_PHASE_EMBED,
    QB_PHASE_PREPARE, /* norms and quantization of activations */
    QB_PHASE_QKV,
    QB_PHASE_ROPE, /* and writing the KV cache */
    QB_PHASE_ATTENTION,
    QB_PHASE_ATTN_OUTPUT,
    QB_PHASE_GATE_UP,
    QB_PHASE_DOWN,
    QB_PHASE_HEAD,
    QB_PHASE_COUNT
};
const char *qb_phase_name(enum qb_phase phase);
void qb_session_profile(struct qb_session *s, uint64_t *phase_ns);

/* KV cache types by name: "f32", "f16", "q8_0" (any case). */
const char *qb_kv_type_name(enum qb_kv_type type);
bool qb_kv_type_parse(const char *name, enum qb_kv_type *out);

#endif

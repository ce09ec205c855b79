/*
 * Matrix products of a whole batch on the pool: row panels shared out to the workers, panels decoded once and multiplied
 * with all columns (batches), or fused GEMV over static row ranges (up to QB_GEMV_MAX_COLS columns).
 */
#ifndef QB_ENGINE_MATMUL_H
#define QB_ENGINE_MATMUL_H

#include "engine/pool.h"
#include "kernels/kernels.h"

/* Scratch of one worker: panel and a 32-row output tile. */
size_t qb_matmul_scratch_bytes(int max_cols);

/* out[c * ldo + r] (+)= bias[r] + W a. */
struct qb_product {
    const struct qb_matrix *w;
    const float *bias; /* NULL = none */
    float *out;
    size_t ldo;
    bool accumulate; /* add to out (residual) */
};
/*
 * Run on every worker between barriers: all products share the activations `a`. Starts with a loop_start barrier, ends without one.
 */
void qb_matmul(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_product *p, int n_products,
               const struct qb_act *a, void *scratch);
/* out = silu(gate a) * (up a): both panels of the same rows by the same worker. */
void qb_matmul_gate_up(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_matrix *gate,
                       const struct qb_matrix *up, const struct qb_act *a, float *out, size_t ldo, void *scratch);

#endif

/*
 * Matrix products of a whole batch on the pool: row panels shared out to the workers, panels decoded once and
 * multiplied with all columns (batches), or fused GEMV over static row ranges (up to QB_GEMV_MAX_COLS
 * columns).
 */
#ifndef QB_ENGINE_MATMUL_H
#define QB_ENGINE_MATMUL_H

#include "engine/pool.h"
#include "kernels/kernels.h"

#define QB_MATMUL_MAX_PRODUCTS 4

/* Scratch of one worker: a panel and the results of a group of panels. 64-byte aligned. */
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
 * Run on every worker: all products share the activations `a` (which every worker sees equal; each may have
 * its own copy). Contains no barrier: there must be one (barrier or loop_start) before, since `a` was written
 * by another worker and since the last shared loop or product, and one before the results of other workers
 * are read.
 */
void qb_matmul(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_product *p,
               int n_products, const struct qb_act *a, void *scratch);
/* out = silu(gate a) * (up a): both panels of the same rows by the same worker. Barriers as above. */
void qb_matmul_gate_up(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_matrix *gate,
                       const struct qb_matrix *up, const struct qb_act *a, float *out, size_t ldo,
                       void *scratch);

/* Does a product with n_cols columns go to the fused kernel? */
bool qb_matmul_is_fused(const struct qb_kernel_set *set, const struct qb_matrix *m, int n_cols);
/*
 * The rows [row0, row1) of matrix i that a worker multiplies when the n matrices are one fused call:
 * multiples of 16, balanced by bytes over the call. Memory is placed by the same rule.
 */
void qb_matmul_share(const struct qb_matrix *const *m, int n, int i, int worker, int n_workers, int64_t *row0,
                     int64_t *row1);

#endif

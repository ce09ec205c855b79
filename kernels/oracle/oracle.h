/*
 * The truth that kernels are measured against: weights decoded by the exact decoder, activations as their
 * quantized values say, products and sums in double precision in the plainest order. Slow on purpose.
 */
#ifndef QB_KERNELS_ORACLE_H
#define QB_KERNELS_ORACLE_H

#include "kernels/kernels.h"

/* Column `col` of the batch, weight k: the value that the quantized activation stands for. */
double qb_oracle_act(const struct qb_act *a, int col, int64_t k);

/* Its scale, of an int8 kind. */
double qb_oracle_act_scale(const struct qb_act *a, int col, int64_t k);

/* Quantize (or copy) the whole batch by the rule of kernels/act.h; column c is at x + c * ldx. */
void qb_oracle_quantize(const float *x, size_t ldx, struct qb_act *a);

/*
 * One row of a matrix.
 * @param w     the n_cols weights
 * @param size  of each weight the sum of its absolute parts (code part and minimum): what f32 roundings scale
 * with
 */
void qb_oracle_row(const struct qb_matrix *m, int64_t row, double *w, double *size);

struct qb_oracle_sum {
    double value;     /* sum of w * x */
    double magnitude; /* sum of size * |x| */
};
/*
 * What panels of integer scales give for block `block` of 256 weights of a row times column col: the sums of
 * sub-blocks without their low bits (kernels/kernels.h, struct qb_panel). f: the format with the traits of
 * such panels.
 */
double qb_oracle_cut_block(const struct qb_format *f, const struct qb_matrix *m, int64_t row, int64_t block,
                           const struct qb_act *a, int col);
/*
 * Fixed panels (kernels/kernels.h), slices [k0, k0 + n_k) of a matrix of 32-blocks: k0 a multiple of
 * QB_ACT_STEP_K, n_k at most that. Is there a fixed panel of these rows, that is, are all scales integers of
 * 15 bits times the unit of their row?
 */
bool qb_oracle_is_fixed(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k);
/* What it gives for one of the rows times column col; most: how far that may be from the product. */
double qb_oracle_fixed(const struct qb_matrix *m, int64_t row, int64_t k0, int64_t n_k,
                       const struct qb_act *a, int col, double *most);
/* Weights [k0, k1) of a row times column col. */
struct qb_oracle_sum qb_oracle_dot(const double *w, const double *size, const struct qb_act *a, int col,
                                   int64_t k0, int64_t k1);

#endif

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
/* Weights [k0, k1) of a row times column col. */
struct qb_oracle_sum qb_oracle_dot(const double *w, const double *size, const struct qb_act *a, int col,
                                   int64_t k0, int64_t k1);

#endif

/*
 * Problems for the checks of the matrix operations: which shapes a row of the registry is run on, weights in
 * its layout, and activations.
 */
#ifndef QB_TESTS_CHECK_PROBLEM_H
#define QB_TESTS_CHECK_PROBLEM_H

#include "tests/kernel_check/check.h"

struct qb_problem {
    const struct qb_format *format;
    enum qb_layout_id layout;
    enum qb_act_kind act_kind;
    enum qb_values values;
    int64_t n_rows, n_k;
    bool near_scales; /* of blocks with one f16 in front: such that they fit into fixed panels */
    struct qb_matrix m;
    struct qb_act a;
};

/* Does a row keep BF16 as bf16 (else it widens to f32)? */
bool qb_problem_is_bf16(const struct qb_kernel *k);

/* Shapes 0 .. n - 1 of a format in a layout: one row to several panels, one block to several slices, ragged
 * ends. */
int qb_problem_shapes(void);
/* Set format, layout, act_kind, n_rows and n_k. */
void qb_problem_set_shape(struct qb_problem *p, const struct qb_format *f, enum qb_layout_id layout,
                          bool bf16, int shape);
/* A random slice of k as the engine would cut it: *k0 and its length. */
void qb_problem_slice(struct qb_check *c, const struct qb_problem *p, int64_t *k0, int64_t *n_k);

/* Start a case named after the problem and `extra`. */
void qb_problem_case(struct qb_check *c, const struct qb_problem *p, const char *extra, long long a,
                     long long b);
/* Fill p->m: random weights, packed, at any address, the last byte before an unreadable page. */
void qb_problem_weights(struct qb_check *c, struct qb_problem *p);
/* Fill p->a by the rule of kernels/act.h. */
void qb_problem_activations(struct qb_check *c, struct qb_problem *p, int n_cols, int tile_cols);
/* The longest chain of f32 roundings in a product over n_k weights; 0 where the values make it exact. */
double qb_problem_roundings(const struct qb_problem *p, int64_t n_k);

#endif

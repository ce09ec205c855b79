/*
 * Panels for the checks of matrix operations: what exact classes are compared with, and the input of tile
 * kernels.
 */
#ifndef QB_TESTS_CHECK_PANEL_H
#define QB_TESTS_CHECK_PANEL_H

#include "tests/kernel_check/check_problem.h"

/* Bytes of the arrays of a panel; 0: a format does not have it. */
struct qb_panel_sizes {
    size_t code, scale, scale_pair, round, min_f32, min_pair, min_scale, f32, bf16;
};
struct qb_panel_sizes qb_panel_sizes_of(const struct qb_format *f, bool bf16, int64_t n_k);

/* Arrays of these sizes between canaries. */
struct qb_panel qb_guarded_panel(struct qb_check *c, const struct qb_panel_sizes *s);
/* A panel made by scalar code. */
struct qb_panel qb_trusted_panel(struct qb_check *c, const struct qb_problem *p, bool bf16, int64_t row0,
                                 int n_rows, int64_t k0, int64_t n_k);
/* The weight that a panel of an integer format stands for. */
float qb_panel_weight(const struct qb_panel *p, const struct qb_format *f, int64_t k, int r);

/* qb_scale_steps_fn in double precision; n_scales * QB_ACT_MAX_STEPS * QB_PANEL_ROWS floats. */
float *qb_scale_multiples(struct qb_check *c, const float *scale, size_t n_scales);
/* qb_fix_scales_fn in double precision. */
bool qb_fixed_scales(const float *scale, int64_t n, int16_t *pair, float *unit);
/*
 * qb_split_panel_fn, weight by weight: all planes that there may be, two of int8 or three of bf16, into
 * memory of their own, and n_planes: how many of them are not 0.
 */
void qb_split_panel_by_weight(struct qb_check *c, const struct qb_format *f, enum qb_act_kind kind,
                              int64_t n_k, struct qb_panel *p);
/* Is a tile kernel one for planes, and which form have the panels of a format that become them? */
bool qb_takes_planes(const struct qb_kernel *tile);
struct qb_format qb_planes_form(const struct qb_kernel *k, const struct qb_format *f);
/* Bytes of a plane, and of all of min_plane. */
size_t qb_plane_bytes(enum qb_act_kind kind, int64_t n_k);
size_t qb_min_plane_bytes(int64_t n_k);

#endif

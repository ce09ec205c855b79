/*
 * Reading a matrix in any layout block by block: slow, for scalar kernels, the reference path and the oracle.
 */
#ifndef QB_KERNELS_MATRIX_H
#define QB_KERNELS_MATRIX_H

#include "kernels/kernels.h"

/* Block `block` (single weights for float formats) of a row, as it lies in the plain layout. */
void qb_matrix_get_block(const struct qb_matrix *m, int64_t row, int64_t block, uint8_t *out);

/* The panel decoder of the reference path: any format and layout to the f32 array of a panel, exact. */
qb_decode_panel_fn qb_decode_panel_f32;

#endif

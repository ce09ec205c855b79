/*
 * Encoders (quantizers): rows of f32 to the blocks of a weight format. docs/quantization.md has the methods.
 */
#ifndef QB_KERNELS_ENCODE_H
#define QB_KERNELS_ENCODE_H

#include "kernels/cpu.h"
#include "kernels/format.h"

/* Is there an encoder for the format? */
bool qb_encode_supports(const struct qb_format *f);

/*
 * Encode n_rows x n_cols values (n_cols is a multiple of the block) to n_rows x qb_format_bytes(f, n_cols)
 * bytes. `importance` (n_cols values, or NULL) weighs the squared errors of the columns. Each row depends on
 * its own values only: callers may share rows over threads. The same bytes on every CPU.
 *
 * QB_ERR_FORMAT: a value or an importance that is not finite, a negative importance, or values too large for
 * the scales of the format (f16); the message has row and column, counted from 0. `out` is then undefined.
 */
enum qb_status qb_encode_rows(const struct qb_format *f, const float *x, int64_t n_rows, int64_t n_cols,
                              const float *importance, void *out, struct qb_err *err);

/*
 * The same with code compiled for at most the given instruction set: for tests, and for callers that pass few
 * rows at a time (asking the CPU what it can takes as long as a row on virtual machines: ask qb_cpu_isa
 * once).
 */
enum qb_status qb_encode_rows_isa(enum qb_isa isa, const struct qb_format *f, const float *x, int64_t n_rows,
                                  int64_t n_cols, const float *importance, void *out, struct qb_err *err);

#endif

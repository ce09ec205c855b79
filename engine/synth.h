/*
 * Synthetic models: the exact shapes, type mix and size of a real model, random weights that keep activations
 * finite and logits spread. Deterministic for (seed, tensor, row group) whatever the thread count.
 */
#ifndef QB_ENGINE_SYNTH_H
#define QB_ENGINE_SYNTH_H

#include "engine/ftype.h"
#include "kernels/kernels.h"

/*
 * Fill n_rows plain rows (row0 a multiple of 16) of a tensor. Matrices get a standard deviation of 1 /
 * sqrt(n_cols) (times a factor by role so that residuals stay level), norms 1 +- 0.1, biases small;
 * rope_freqs the llama3 factors.
 */
void qb_synth_rows(const struct qb_hparams *hp, const char *tensor, int64_t n_cols, const struct qb_format *f,
                   uint64_t seed, int64_t row0, int64_t n_rows, uint8_t *out);
/* Write a shape as a GGUF that any engine opens (tokenizer model no_vocab). Streams; memory stays small. */
enum qb_status qb_synth_write(const struct qb_hparams *hp, const struct qb_ftype *ftype, bool imatrix_mix,
                              uint64_t seed, const char *path, void (*progress)(void *, double),
                              void *progress_arg, struct qb_err *err);

#endif

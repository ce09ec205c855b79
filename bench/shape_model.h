/*
 * From a shape of datasets/ to the engine's hyper-parameters.
 */
#ifndef QB_BENCH_SHAPE_MODEL_H
#define QB_BENCH_SHAPE_MODEL_H

#include "datasets/shapes.h"
#include "engine/hparams.h"

/* Is this "shape:NAME"? The name, or NULL. */
const char *qb_shape_name(const char *source);
/*
 * Hyper-parameters of "shape:NAME" or "NAME". QB_ERR_NOT_FOUND for an unknown name, QB_ERR_UNSUPPORTED for an
 * architecture that the engine does not run.
 */
enum qb_status qb_shape_hparams(struct qb_hparams *hp, const char *source, struct qb_err *err);
/* The same for a shape of any architecture: enough for its list of tensors. */
enum qb_status qb_shape_describe(struct qb_hparams *hp, const char *source, struct qb_err *err);

#endif

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
 * architecture that the engine does not run. name_out (64 bytes, may be NULL) gets the canonical lower-case
 * name.
 */
enum qb_status qb_shape_hparams(struct qb_hparams *hp, const char *source, char *name_out,
                                struct qb_err *err);

#endif

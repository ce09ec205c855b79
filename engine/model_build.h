/*
 * Building a model (private to model*.c): the list of its tensors, where each comes from and where it goes.
 */
#ifndef QB_ENGINE_MODEL_BUILD_H
#define QB_ENGINE_MODEL_BUILD_H

#include "engine/model.h"

/* One tensor on its way into the model. */
struct qb_part {
    struct qb_tensor_spec spec;
    struct qb_matrix *matrix;            /* its place in the model; */
    const float **vector;                /* or this one (norms, biases, rope factors: kept as f32) */
    const struct qb_format *format;      /* as it comes, */
    enum qb_layout_id from;              /* and in which layout */
    const struct qb_gguf_tensor *source; /* NULL: synthesized */
    bool own;                            /* the matrix gets memory of its own, at this offset of the block; */
    size_t offset;                       /* otherwise it is a view of the mapping */
    uint8_t *into;                       /* where to write it, NULL for views */
    const struct qb_matrix *call[3];     /* the matrices that share a product with it, itself among them */
    int n_call, call_index;
};

struct qb_build {
    struct qb_model *model;
    const struct qb_model_options *o;
    struct qb_part *parts;
    size_t n_parts;
    const struct qb_gguf *gguf;             /* NULL: synthesized */
    const struct qb_gguf_tensor *stand_ins; /* in place of the tensors of gguf, or NULL */
    uint8_t *rows;                          /* a piece of plain rows for every worker, */
    size_t piece_bytes;                     /* at least 16 of the longest */
    size_t row_bytes;                       /* the longest row */
    bool tried[QB_FORMAT_COUNT];            /* does x16 pay for a format? Known, */
    bool expands[QB_FORMAT_COUNT];          /* and it does */
    uint64_t *touch_ns;                     /* what the faults of every worker took */
};

/* Layers and the list of parts, each with its place, from the hyper-parameters. */
enum qb_status qb_build_list(struct qb_build *b, struct qb_err *err);
/* Give every matrix its layout; allocate memory for those that are copied or made. */
enum qb_status qb_build_place(struct qb_build *b, struct qb_block *block, float **vectors,
                              struct qb_err *err);
/* Fill it on the pool, each page by the worker that reads it most. */
enum qb_status qb_build_fill(struct qb_build *b, struct qb_err *err);
/* List the tensors of the model, once its matrices have their memory. */
enum qb_status qb_build_tensors(struct qb_build *b, struct qb_err *err);
void qb_build_release(struct qb_build *b);

#endif

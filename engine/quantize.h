/*
 * Quantizing a model: the plan (which tensor becomes what), one tensor in several types, and whole files.
 * Rows are decoded and encoded in pieces by all threads of a pool; memory stays small whatever the size of
 * the model, and the bytes do not depend on the number of threads. docs/quantization.md has the rules.
 */
#ifndef QB_ENGINE_QUANTIZE_H
#define QB_ENGINE_QUANTIZE_H

#include "engine/ftype.h"
#include "engine/imatrix.h"
#include "engine/pool.h"

/* ---- the plan ---- */

struct qb_quant_options {
    struct qb_recipe_options recipe;  /* its imatrix flag is set by the plan */
    const struct qb_imatrix *imatrix; /* NULL: none; checked against the model by the caller */
    bool assume_imatrix;              /* as if one with an entry for every matrix were given (plans only) */
    bool keep_split;                  /* order tensors by the part that they came in */
};

struct qb_quant_tensor {
    char name[64];
    int n_dims;
    int64_t ne[4];
    const struct qb_gguf_tensor *source; /* NULL: of a shape */
    int type_id;                         /* what it becomes */
    int chosen_id;                       /* before the fallback for odd row lengths */
    bool kept;                           /* no matrix to quantize: copied */
    bool lacks_imatrix; /* the type is too low for this tensor without an entry in an importance matrix */
    size_t bytes;
    const struct qb_imatrix_entry *importance; /* NULL: none */
};

/* One file type of one model. */
struct qb_quant_plan {
    const struct qb_ftype *ftype;
    struct qb_quant_tensor
        *tensors; /* in the order of the file: outside the blocks by name, then block by block */
    size_t n;
    uint64_t n_params, tensor_bytes;
    size_t n_fallbacks;
};

/* Pair for both: qb_quant_plan_release. Errors: QB_ERR_USAGE for rows that a type does not take. */
enum qb_status qb_quant_plan_file(struct qb_quant_plan *p, const struct qb_gguf *g,
                                  const struct qb_ftype *ftype, const struct qb_quant_options *o,
                                  struct qb_err *err);
enum qb_status qb_quant_plan_shape(struct qb_quant_plan *p, const struct qb_hparams *hp,
                                   const struct qb_ftype *ftype, const struct qb_quant_options *o,
                                   struct qb_err *err);
void qb_quant_plan_release(struct qb_quant_plan *p); /* accepts a zeroed plan */

/* Why not to carry it out, in words for the user. QB_ERR_USAGE: options would help (an importance matrix,
 * requantizing); QB_ERR_UNSUPPORTED: this build cannot read or write a type. */
struct qb_quant_consent {
    bool requantize; /* already quantized tensors are decoded and quantized again */
    bool low;        /* types that are too low without an importance matrix are written anyway */
};
enum qb_status qb_quant_plan_check(const struct qb_quant_plan *p, const struct qb_quant_consent *c,
                                   struct qb_err *err);

/* ---- one tensor ---- */

/* Takes the next bytes of the tensor in the type at index `target`, rows in order. */
typedef enum qb_status qb_quant_sink_fn(void *arg, int target, const void *data, size_t bytes,
                                        struct qb_err *err);

struct qb_quant_work {
    struct qb_pool *pool;
    qb_quant_sink_fn *sink;
    void *sink_arg;
    /* Asked now and then with the share of the tensor that is done; false = stop. NULL: never. */
    bool (*proceed)(void *arg, double share);
    void *proceed_arg;
};
#define QB_QUANT_MAX_TARGETS 64
/*
 * Decode `t` once and encode it in every type of type_ids (each once, all different from its own), in pieces.
 * `importance` may be NULL; the interleaved types never use it, as in their time.
 * Errors: QB_ERR_FORMAT for a value that is not finite or too large for a type: names tensor and index;
 * QB_ERR_INTERRUPTED.
 */
enum qb_status qb_quant_tensor_encode(const struct qb_gguf_tensor *t,
                                      const struct qb_imatrix_entry *importance, const int *type_ids,
                                      int n_types, const struct qb_quant_work *w, struct qb_err *err);
/* Pass the bytes on as they are, once all their scales and float weights are found finite. */
enum qb_status qb_quant_tensor_copy(const struct qb_gguf_tensor *t, const struct qb_quant_work *w,
                                    struct qb_err *err);

/* ---- files ---- */

struct qb_quant_output {
    const struct qb_quant_plan *plan;
    const char *path;     /* PREFIX.gguf; parts of a split set become PREFIX-00001-of-00003.gguf */
    bool keep_split;      /* parts as the source has them */
    uint64_t split_bytes; /* most bytes of tensors in a part, 0 = one file */
};
struct qb_quant_job {
    const struct qb_gguf *source;
    const struct qb_imatrix *imatrix; /* for the metadata; NULL: none */
    const struct qb_quant_output *outputs;
    size_t n_outputs;
    struct qb_pool *pool;
    /* Share of the input that is done, and the tensor at work; false = stop. NULL: never asked. */
    bool (*progress)(void *arg, double share, const char *tensor);
    void *progress_arg;
};
/*
 * Write all outputs in one pass over the source. Every file appears when all are complete, or none does.
 */
enum qb_status qb_quant_run(const struct qb_quant_job *job, struct qb_err *err);

/* Bytes of all files of an output. */
enum qb_status qb_quant_output_bytes(uint64_t *bytes, const struct qb_quant_job *job,
                                     const struct qb_quant_output *o, struct qb_err *err);
/* Paths of the files of an output, appended to list. */
enum qb_status qb_quant_output_paths(struct qb_str_list *list, const struct qb_quant_job *job,
                                     const struct qb_quant_output *o, struct qb_err *err);
/*
 * Is the output there already: newer than source and importance matrix, with exactly the metadata and tensors
 * that it would get? (Files are published complete, so what is there is whole.)
 */
bool qb_quant_output_is_done(const struct qb_quant_job *job, const struct qb_quant_output *o);

#endif

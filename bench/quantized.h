/*
 * Files that are benchmarked in other types than their own: each is opened once, planned once a variant, and
 * quantized in memory a group of variants at a time, with a cache on disk.
 */
#ifndef QB_BENCH_QUANTIZED_H
#define QB_BENCH_QUANTIZED_H

#include "engine/model.h"
#include "engine/quantize_bank.h"

struct qb_quantized_source {
    const char *path; /* borrowed */
    struct qb_gguf *g;
    struct qb_quant_bank *bank; /* of the group that is loaded */
    bool warned;
};

struct qb_quantized {
    const char *imatrix_path; /* NULL: none */
    bool use_cache;
    uint64_t cache_bytes;
    struct qb_imatrix *imatrix;
    struct qb_quant_cache *cache;
    bool cache_failed;
    struct qb_quantized_source *sources;
    size_t n_sources;
};

void qb_quantized_release(struct qb_quantized *q); /* accepts a zeroed one */

/*
 * What the file at `path` becomes as this type; plans stay valid until release. Errors: as of the file, and
 * of the plan: a type that is too low without an importance matrix, one that this build cannot make.
 */
enum qb_status qb_quantized_plan(struct qb_quantized *q, struct qb_quant_plan *plan, const char *path,
                                 const struct qb_ftype *ftype, struct qb_err *err);
/* Bytes of the file that a plan would be written to. */
enum qb_status qb_quantized_file_bytes(struct qb_quantized *q, const struct qb_quant_plan *plan,
                                       const char *path, uint64_t *bytes, struct qb_err *err);

/* Make the tensors of some plans of one source. Pair: qb_quantized_drop, after their models are closed. */
enum qb_status qb_quantized_make(struct qb_quantized *q, const char *path,
                                 const struct qb_quant_plan *const *plans, size_t n, struct qb_pool *pool,
                                 bool (*progress)(void *, double, const char *), void *progress_arg,
                                 struct qb_err *err);
void qb_quantized_drop(struct qb_quantized *q);
/* The model of plan `index` of the last make. */
enum qb_status qb_quantized_open(struct qb_quantized *q, struct qb_model **out, const char *path,
                                 size_t index, const struct qb_quant_plan *plan,
                                 const struct qb_model_options *o, struct qb_err *err);

#endif

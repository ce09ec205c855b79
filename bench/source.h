/*
 * Where a variant's model comes from (a shape or a GGUF file), what it will take before it is loaded, and
 * what one token costs.
 */
#ifndef QB_BENCH_SOURCE_H
#define QB_BENCH_SOURCE_H

#include "bench/suite.h"
#include "engine/model.h"

/* Known before anything is loaded. */
struct qb_forecast {
    struct qb_hparams hp;
    const struct qb_ftype *ftype; /* NULL when a file does not tell */
    uint64_t n_params, tensor_bytes;
    uint64_t macs_token;  /* weight multiply-adds of a token without the output matrix */
    uint64_t macs_output; /* of the output matrix */
    uint64_t bytes_token; /* weights that one generated token reads */
};

/*
 * Look at the source of a variant. Fails when the file is bad, the shape unknown, or the wanted type is not
 * what the file has.
 */
enum qb_status qb_forecast_make(struct qb_forecast *f, const struct qb_variant *v, struct qb_err *err);

/* Load it. Pair: qb_model_close. */
enum qb_status qb_source_load(struct qb_model **out, const struct qb_variant *v, const struct qb_forecast *f,
                              const struct qb_kernel_set *set, struct qb_pool *pool, uint64_t seed,
                              struct qb_err *err);

/* The multiply-adds of a model by the class of the dot product that a kernel set uses for them (QB_PEAK_*).
 */
struct qb_work {
    uint64_t macs_token, macs_output, bytes_token;
    int cls; /* enum qb_peak_class of most multiply-adds */
};
void qb_work_of(struct qb_work *w, const struct qb_model *m, const struct qb_kernel_set *set);

/* Bytes of KV cache that a token at this context length reads. */
uint64_t qb_kv_read_bytes(const struct qb_hparams *hp, enum qb_kv_type k, enum qb_kv_type v, double context);

#endif

/*
 * Where a variant's model comes from (a shape or a GGUF file), what it will take before it is loaded, and
 * what one token costs.
 */
#ifndef QB_BENCH_SOURCE_H
#define QB_BENCH_SOURCE_H

#include "bench/quantized.h"
#include "bench/suite.h"
#include "engine/model.h"

/* Known before anything is loaded. */
struct qb_forecast {
    struct qb_hparams hp;
    const struct qb_ftype *ftype; /* NULL when a file does not tell */
    uint64_t n_params, tensor_bytes;
    uint64_t expanded_bytes;   /* of the tensors in x16 where they have it: what @auto may take */
    uint64_t macs_token;       /* weight multiply-adds of a token without the output matrix */
    uint64_t macs_output;      /* of the output matrix */
    uint64_t bytes_token;      /* weights that one generated token reads */
    struct qb_quant_plan plan; /* of a file that is quantized in memory; plan.n 0: it runs as it is */
    size_t plan_index;         /* in the group that was made last */
};

/*
 * Look at the source of a variant. Fails when the file is bad, the shape unknown, or the wanted type cannot
 * be made of what the file has. Pair: qb_forecast_release.
 */
enum qb_status qb_forecast_make(struct qb_forecast *f, const struct qb_variant *v, struct qb_quantized *q,
                                struct qb_err *err);
void qb_forecast_release(struct qb_forecast *f); /* accepts NULL */

/* Load it (o has its layout, too); a file in another type must have been made (qb_quantized_make). Pair:
 * qb_model_close. */
enum qb_status qb_source_load(struct qb_model **out, const struct qb_variant *v, const struct qb_forecast *f,
                              struct qb_quantized *q, const struct qb_model_options *o, struct qb_err *err);

/*
 * The multiply-adds of a model by the class of the dot product that a kernel set uses for them (QB_PEAK_*).
 * macs_last: the part of macs_token that only tokens with logits take, what follows attention in the last
 * layer.
 */
struct qb_work {
    uint64_t macs_token, macs_last, macs_output, bytes_token;
    int cls; /* enum qb_peak_class of most multiply-adds */
};
void qb_work_of(struct qb_work *w, const struct qb_model *m, const struct qb_kernel_set *set);

/* Bytes of KV cache that a token at this context length reads. */
uint64_t qb_kv_read_bytes(const struct qb_hparams *hp, enum qb_kv_type k, enum qb_kv_type v, double context);

#endif

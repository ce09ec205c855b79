/*
 * A file quantized in memory to several file types at once. A tensor that several of them want in the same
 * type is made once and shared; with a cache it is made once for all runs, and mapped from there.
 */
#ifndef QB_ENGINE_QUANTIZE_BANK_H
#define QB_ENGINE_QUANTIZE_BANK_H

#include "engine/quantize.h"
#include "engine/quantize_cache.h"

struct qb_quant_bank;

struct qb_quant_bank_job {
    const struct qb_gguf *source;
    const struct qb_quant_plan *const *plans; /* of this source and one importance matrix, or none */
    size_t n_plans;
    struct qb_pool *pool;
    struct qb_quant_cache *cache; /* NULL: none */
    /* Share of the work that is done, and the tensor at work; false = stop. NULL: never asked. */
    bool (*progress)(void *arg, double share, const char *tensor);
    void *progress_arg;
};

/* Pair: qb_quant_bank_free (accepts NULL). The source is borrowed. Errors: QB_ERR_MEMORY, QB_ERR_INTERRUPTED.
 */
enum qb_status qb_quant_bank_create(struct qb_quant_bank **out, const struct qb_quant_bank_job *job,
                                    struct qb_err *err);
void qb_quant_bank_free(struct qb_quant_bank *b);
/*
 * The tensors of a plan for qb_model_from_tensors. When one of them could not be encoded (a value that is not
 * finite or too large) the reason is the error.
 */
enum qb_status qb_quant_bank_tensors(const struct qb_quant_bank *b, size_t plan,
                                     const struct qb_gguf_tensor **tensors, struct qb_err *err);

#endif

/*
 * File types ("Q4_K_M": the mix of formats that a file uses) and the recipe that gives every tensor its
 * format.
 */
#ifndef QB_ENGINE_FTYPE_H
#define QB_ENGINE_FTYPE_H

#include "engine/hparams.h"
#include "kernels/layout.h"

struct qb_ftype {
    const char *name;         /* "Q4_K_M", also the historical "Q4_0_8_8" */
    int gguf_id;              /* general.file_type */
    const char *display;      /* llama-bench's text: "Q4_K - Medium" */
    int base_type_id;         /* GGUF type id of the base format */
    enum qb_layout_id layout; /* PLAIN; 4X4, 4X8, 8X8 for the historical names */
};

const struct qb_ftype *qb_ftypes(size_t *n);               /* the whole table, ftypes.def */
const struct qb_ftype *qb_ftype_by_name(const char *name); /* any case; NULL when unknown */
const struct qb_ftype *qb_ftype_by_gguf_id(int id);        /* NULL when unknown */

struct qb_recipe_tensor {
    const char *name;
    int64_t ne[4];
    int type_id; /* filled by qb_recipe_apply: GGUF type id */
};
/*
 * Give every tensor its type: the rules of August 2026 of the reference quantizer (base type, per-tensor mix,
 * fallback for rows that no block divides). Tensors that are never quantized (norms, biases, 1-D) become F32.
 * @param imatrix  as if an importance matrix were given (changes a few rules)
 * Errors: QB_ERR_USAGE for a row length that no type takes.
 */
enum qb_status qb_recipe_apply(const struct qb_ftype *ftype, const struct qb_hparams *hp, bool imatrix,
                               struct qb_recipe_tensor *tensors, size_t n, struct qb_err *err);

#endif

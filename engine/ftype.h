/*
 * File types ("Q4_K_M": the mix of formats that a file uses) and the recipe that gives every tensor its
 * format.
 */
#ifndef QB_ENGINE_FTYPE_H
#define QB_ENGINE_FTYPE_H

#include "engine/hparams.h"
#include "kernels/layout.h"

#define QB_FTYPE_ID_IQ4_NL 25 /* what a file of IQ4_NL_4_4 says, which has no number of its own */

struct qb_ftype {
    const char *name;         /* "Q4_K_M", also the historical "Q4_0_8_8" */
    int gguf_id;              /* general.file_type */
    const char *display;      /* llama-bench's text: "Q4_K - Medium" */
    int base_type_id;         /* GGUF type id of the base format */
    enum qb_layout_id layout; /* PLAIN; 4X4, 4X8, 8X8 for the historical names */
    int mix;                  /* whose rules it follows: an index of the table, its own but for _L and _XL */
    int edge_type_id;         /* of embedding and output whatever the rules say, -1 = none */
};

const struct qb_ftype *qb_ftypes(size_t *n); /* the whole table, ftypes.def */
/* Any case; also llama-quantize's short forms ("Q4_K" = Q4_K_M). NULL when unknown. */
const struct qb_ftype *qb_ftype_by_name(const char *name);
/* The one with the most similar name: for messages about a misspelt one. */
const struct qb_ftype *qb_ftype_nearest(const char *name);
const struct qb_ftype *qb_ftype_by_gguf_id(int id); /* NULL when unknown */

/* Is there no mix for it, so that all matrices are alike (NVFP4, Q1_0, Q2_0)? */
bool qb_ftype_is_pure(const struct qb_ftype *f);
/* The 25 file types of a published model card, largest first. */
const struct qb_ftype *const *qb_ftype_card(size_t *n);

struct qb_recipe_tensor {
    const char *name;
    int64_t ne[4];
    /* filled by qb_recipe_apply: */
    int type_id;   /* GGUF type id; F32 when kept */
    int chosen_id; /* before fallback and interleaving */
    bool kept;     /* never quantized (norms, biases, 1-D, routers): a file keeps its own type */
};

/* What a caller may change about a mix. Start from QB_RECIPE_DEFAULTS. */
struct qb_recipe_options {
    bool imatrix;     /* as if an importance matrix were given (changes a few rules) */
    bool pure;        /* every matrix the base type, no rules */
    bool keep_output; /* output.weight stays as it is */
    int output_type;  /* GGUF type id of output.weight (of a tied embedding too), -1 = by the rules */
    int embd_type;    /* of token_embd.weight */
    /* The type that the user named for this tensor, -1 = none; NULL = never. */
    int (*override)(const void *arg, const char *tensor);
    const void *override_arg;
};
#define QB_RECIPE_DEFAULTS                                                                                   \
    {                                                                                                        \
        .output_type = -1, .embd_type = -1                                                                   \
    }

/*
 * Give every tensor its type: the rules of August 2026 of the reference quantizer (base type, per-tensor mix,
 * fallback for rows that no block divides).
 * Errors: QB_ERR_USAGE for a row length that no type takes.
 */
enum qb_status qb_recipe_apply_options(const struct qb_ftype *ftype, const struct qb_hparams *hp,
                                       const struct qb_recipe_options *o, struct qb_recipe_tensor *tensors,
                                       size_t n, struct qb_err *err);
/* The mix without options. @param imatrix  as if an importance matrix were given */
enum qb_status qb_recipe_apply(const struct qb_ftype *ftype, const struct qb_hparams *hp, bool imatrix,
                               struct qb_recipe_tensor *tensors, size_t n, struct qb_err *err);
/*
 * Is this type unusable for the tensor without an entry in an importance matrix? (The rule of 2026: the
 * lowest types, but never for embedding and output.)
 */
bool qb_recipe_needs_imatrix(const struct qb_ftype *ftype, const char *tensor, int type_id);

#endif

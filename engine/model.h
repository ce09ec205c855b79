/*
 * A loaded model: hyper-parameters and weight matrices in the wanted layout. The model owns the mapping and
 * the repacked block; tensors are views that live as long as the model.
 */
#ifndef QB_ENGINE_MODEL_H
#define QB_ENGINE_MODEL_H

#include "base/mem.h"
#include "engine/ftype.h"
#include "engine/hparams.h"
#include "engine/pool.h"
#include "kernels/kernels.h"

struct qb_layer {
    const float *attn_norm, *ffn_norm;
    struct qb_matrix wq, wk, wv, wo;
    const float *bq, *bk, *bv, *bo; /* NULL = none */
    struct qb_matrix gate, up, down;
};

/* How many matrices ended in which format and layout (for records and the plan). */
struct qb_layout_use {
    const struct qb_format *format;
    enum qb_layout_id layout;
    int n_tensors;
    size_t bytes; /* as they are stored in a file, x16 takes more */
};

/* A weight tensor in memory: its ne[2] matrices lie one after the other. */
struct qb_model_tensor {
    char name[64];
    int64_t ne[4];
    const uint8_t *data;
    size_t bytes;
};

struct qb_model {
    struct qb_hparams hp;
    const struct qb_arch *arch;
    struct qb_matrix token_embd, output;   /* output is token_embd when tied */
    const float *output_norm, *rope_freqs; /* rope_freqs may be NULL */
    struct qb_layer *layers;
    struct qb_model_tensor *tensors; /* all matrices of the file, by address */
    size_t n_tensors;
    /* facts */
    uint64_t n_params, tensor_bytes, file_bytes; /* as stored in a file */
    uint64_t hash;      /* XXH3 of metadata and tensor bytes (sampled), or of the shape */
    int n_stayed_plain; /* matrices of products that the wanted layout did not fit */
    struct qb_layout_use use[QB_FORMAT_COUNT * QB_LAYOUT_COUNT];
    int n_use;
    uint64_t load_ns;                 /* open and bind */
    uint64_t touch_ns;                /* first touch of its own memory */
    uint64_t repack_ns;               /* repack or synthesize */
    struct qb_model_storage *storage; /* private */
};

struct qb_model_options {
    enum qb_layout_id layout;        /* PLAIN = as stored; AUTO = by the set; X16: R16 where there is none */
    const struct qb_kernel_set *set; /* for AUTO, and to repack */
    struct qb_pool *pool;            /* repacks, synthesizes and touches memory first */
    uint64_t seed;                   /* synthetic models */
    double thread_gbs;               /* for AUTO: GB/s that a thread reads while all do, 0 if not measured */
};

/* From a GGUF file. Weights that stay plain are used in the mapping; repacked ones are copied and their pages
 * dropped. */
enum qb_status qb_model_open(struct qb_model **out, const char *path, const struct qb_model_options *o,
                             struct qb_err *err);
/*
 * From the metadata of an open file and tensors that stand in for its own, one each in the same order:
 * quantized in memory (quantize_bank.h). Both are borrowed for the life of the model. file_bytes: what the
 * file would be.
 */
enum qb_status qb_model_from_tensors(struct qb_model **out, const struct qb_gguf *g,
                                     const struct qb_gguf_tensor *tensors, const struct qb_ftype *ftype,
                                     uint64_t file_bytes, const struct qb_model_options *o,
                                     struct qb_err *err);
/* A synthetic model of this shape in this file type, made in memory. */
enum qb_status qb_model_synthesize(struct qb_model **out, const struct qb_hparams *hp,
                                   const struct qb_ftype *ftype, bool imatrix_mix,
                                   const struct qb_model_options *o, struct qb_err *err);
void qb_model_close(struct qb_model *m);

/* The tensor that a matrix of this model is, or lies in: *mat is its number there. NULL: it is in none. */
const struct qb_model_tensor *qb_model_tensor_of(const struct qb_model *m, const struct qb_matrix *x,
                                                 int64_t *mat);

/* llama-bench's model_type: "qwen2 3B Q4_K - Medium". */
void qb_model_type_text(const struct qb_model *m, char *out, size_t size);

#endif

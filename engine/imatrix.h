/*
 * Importance matrices: for every weight matrix the sums of squares of what came in, per input column, and how
 * many tokens that was. Both file forms, in and out: GGUF (general.type "imatrix") and the older ".dat".
 * Reading trusts nothing: sizes are checked before anything is allocated, sums and counts must be finite and
 * not negative. Source: the files of llama-imatrix; docs/imatrix.md.
 */
#ifndef QB_ENGINE_IMATRIX_H
#define QB_ENGINE_IMATRIX_H

#include "base/options.h"
#include "engine/gguf.h"

enum qb_imatrix_form { QB_IMATRIX_GGUF, QB_IMATRIX_DAT };

/*
 * What came into one weight tensor. A file in the old form does not tell experts apart: it has n_mat = 1, one
 * count, and n_in is the number of all its values.
 */
struct qb_imatrix_entry {
    char *name;    /* of the weight: "blk.0.attn_q.weight" */
    int64_t n_in;  /* input columns */
    int64_t n_mat; /* experts; 1 of a plain matrix */
    float *sum2;   /* [n_mat][n_in]: sums of squares */
    float *sum;    /* [n_mat][n_in]: sums; NULL: not known */
    float *counts; /* [n_mat]: tokens (chunks while chunk_size is 0) */
};

struct qb_imatrix {
    char *path; /* as given; "" when it was collected */
    enum qb_imatrix_form form;
    struct qb_imatrix_entry *entries; /* by name, in the order of strcmp */
    size_t n;
    struct qb_str_list datasets; /* names of the texts */
    uint32_t n_chunks;           /* of text */
    uint32_t chunk_size;         /* tokens of a chunk; 0: not known (the old form) */
};

/* ---- reading ---- */

/*
 * Open a file of either form. Pair: qb_imatrix_close (accepts NULL).
 * Errors: QB_ERR_NOT_FOUND, QB_ERR_IO, QB_ERR_FORMAT (malformed, or a GGUF file that is no importance
 * matrix), QB_ERR_MEMORY. All name the file.
 */
enum qb_status qb_imatrix_open(struct qb_imatrix **out, const char *path, struct qb_err *err);
/* The same from memory (tests, fuzzing): `name` is for messages; data is aligned to 8 bytes. */
enum qb_status qb_imatrix_open_memory(struct qb_imatrix **out, const void *data, size_t size,
                                      const char *name, struct qb_err *err);
void qb_imatrix_close(struct qb_imatrix *im);

/* The entry of a weight tensor, NULL when there is none. */
const struct qb_imatrix_entry *qb_imatrix_find(const struct qb_imatrix *im, const char *name);
/* Values of an entry: n_in * n_mat. */
size_t qb_imatrix_n_values(const struct qb_imatrix_entry *e);
/*
 * The importance of values [first, first + n): mean squares, 1 where nothing was counted. Expert i of a
 * tensor with ne[0] columns starts at i * ne[0], whatever the form of the file.
 */
void qb_imatrix_importance(const struct qb_imatrix_entry *e, size_t first, size_t n, float *out);

/* The name of the text, for quantize.imatrix.dataset: the first one; "" when the file does not tell. */
const char *qb_imatrix_dataset(const struct qb_imatrix *im);

/*
 * Does the entry of this tensor (if there is one) have as many values as the tensor has inputs,
 * ne[0] * ne[2]? QB_ERR_FORMAT names file, tensor and both lengths. token_embd.weight is never looked at.
 */
enum qb_status qb_imatrix_check_tensor(const struct qb_imatrix *im, const char *name, const int64_t ne[4],
                                       struct qb_err *err);
/* All tensors of a model file: the first mismatch, and a matrix that has no entry for any tensor. */
enum qb_status qb_imatrix_check_model(const struct qb_imatrix *im, const struct qb_gguf *model,
                                      struct qb_err *err);

/* ---- making and writing ---- */

/* An empty one; chunk_size 0: that of the first matrix that is merged into it. Pair: qb_imatrix_close. */
enum qb_status qb_imatrix_create(struct qb_imatrix **out, uint32_t chunk_size, struct qb_err *err);
/* Room for an entry of this name, zeroed, in its place; an existing one must have the same size. */
enum qb_status qb_imatrix_add(struct qb_imatrix *im, const char *name, int64_t n_in, int64_t n_mat,
                              bool with_sum, struct qb_imatrix_entry **out, struct qb_err *err);
enum qb_status qb_imatrix_add_dataset(struct qb_imatrix *im, const char *name, struct qb_err *err);
/* Turn counts of chunks into counts of tokens, where the file did not tell how long a chunk was. */
void qb_imatrix_set_chunk_size(struct qb_imatrix *im, uint32_t chunk_size);
/*
 * Add sums, counts, chunks and texts of `from`. Both know the size of a chunk. Sums stay known only where
 * both have them. Errors: QB_ERR_FORMAT when an entry differs in size: names both files.
 */
enum qb_status qb_imatrix_merge(struct qb_imatrix *im, const struct qb_imatrix *from, struct qb_err *err);
/*
 * Write a file (atomically). Entries that no token reached are left out. In the old form experts that no
 * token reached get the importance 1, and sums are lost. `extra` records go into a GGUF file as they are.
 */
enum qb_status qb_imatrix_write(const struct qb_imatrix *im, const char *path, enum qb_imatrix_form form,
                                const struct qb_gguf_kv *extra, size_t n_extra, struct qb_err *err);

#endif

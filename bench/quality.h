/*
 * Perplexity of models on a text, and their KL divergence from a base. docs/quality.md has the definitions.
 */
#ifndef QB_BENCH_QUALITY_H
#define QB_BENCH_QUALITY_H

#include "base/options.h"
#include "engine/tokenizer.h"
#include "reports/quality_record.h"

/* Filled by the option table of cmd_quality.c. */
struct qb_quality_options {
    struct qb_str_list models, formats;
    const char *text, *base, *save_base, *imatrix, *layout, *isa, *cpu_mask, *report_dir;
    int64_t n_ctx, n_chunks, n_ubatch, threads; /* 0 = by default */
    int path, type_k, type_v, output;
    bool smt, progress, quiet;
    bool (*stop)(void); /* asked between evaluations; NULL: never */
};
enum { QB_QUALITY_KERNELS, QB_QUALITY_REFERENCE };

/* One a variant, in the order of the options. Pair: qb_quality_rows_release. */
struct qb_quality_rows {
    struct qb_quality_record *rows;
    size_t n, n_failed; /* those of `all` and `card` that cannot be made are not counted */
};
/*
 * Measure. Rows are there also after QB_ERR_INTERRUPTED, over the chunks that were done; a variant that fails
 * is a row with its reason.
 */
enum qb_status qb_quality_measure(struct qb_quality_rows *out, const struct qb_quality_options *o,
                                  struct qb_err *err);
void qb_quality_rows_release(struct qb_quality_rows *r);

/* ---- the text (quality_text.c) ---- */

struct qb_quality_text {
    const char *name, *data;
    size_t bytes;
    uint64_t hash; /* XXH3 */
    char *owned;
};
/* @param path  NULL: the text in the program */
enum qb_status qb_quality_text_init(struct qb_quality_text *t, const char *path, struct qb_err *err);
void qb_quality_text_release(struct qb_quality_text *t);

/* The text cut into chunks of n_ctx tokens, by the vocabulary of a model file. */
struct qb_windows {
    const char *source; /* borrowed */
    struct qb_token_list tokens;
    int32_t bos; /* the first token of every chunk, -1 = the one of the text */
    int n_ctx;
    int64_t n_chunks;
};
/* @param max_chunks  0 = all. Errors: QB_ERR_USAGE when the text has less than a chunk. */
enum qb_status qb_windows_init(struct qb_windows *w, const char *source, const struct qb_quality_text *t,
                               int n_ctx, int64_t max_chunks, struct qb_err *err);
void qb_windows_release(struct qb_windows *w);
void qb_windows_get(const struct qb_windows *w, int64_t chunk, int32_t *out);
bool qb_windows_equal(const struct qb_windows *a, const struct qb_windows *b);

#endif

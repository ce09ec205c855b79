/*
 * Collecting an importance matrix from a text: chunks, perplexity on the way, checkpoints. Used by
 * cmd_imatrix.c.
 */
#ifndef QB_BENCH_IMATRIX_RUN_H
#define QB_BENCH_IMATRIX_RUN_H

#include "engine/imatrix.h"
#include "engine/pool.h"
#include "engine/session.h"

struct qb_imatrix_options {
    const char *model, *file, *text, *ids_file; /* at most one of the last three; none: the built-in text */
    const char *output;
    struct qb_str_list in_files; /* matrices to add */
    int64_t n_ctx, chunks, from_chunk, output_frequency, save_frequency, n_batch, n_ubatch, threads;
    bool process_output, ppl, parse_special, resume, show_statistics, quiet, progress, smt;
    const char *cpu_mask, *isa;
    int path, layout, type_k, type_v, form, table;
    /* by cmd_imatrix.c from those above */
    enum qb_imatrix_form output_form;
};

/*
 * Add the in-files to an empty matrix; a file that does not tell the length of its chunks has `chunk_size`.
 * `im` may hold nothing yet or what was collected.
 */
enum qb_status qb_imatrix_add_files(struct qb_imatrix *im, const struct qb_str_list *files,
                                    uint32_t chunk_size, struct qb_err *err);

/* Collect, write the output, and return what was written. Pair: qb_imatrix_close. */
enum qb_status qb_imatrix_run(struct qb_imatrix **out, const struct qb_imatrix_options *o,
                              struct qb_err *err);

/* ---- checkpoints: imatrix_resume.c ---- */

/* What has been done, besides the sums. */
struct qb_imatrix_state {
    uint32_t done;     /* chunks */
    uint64_t n_scored; /* positions */
    double nll, nll2;  /* sums over them */
};

/* What must be equal for a run to go on: names and values. */
#define QB_IMATRIX_SETTINGS 10
struct qb_imatrix_settings {
    size_t n;
    struct {
        const char *name; /* as a user knows it: "model", "--ctx-size" */
        char value[40];
    } item[QB_IMATRIX_SETTINGS];
};
void qb_imatrix_setting(struct qb_imatrix_settings *s, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

enum qb_status qb_imatrix_checkpoint(const struct qb_imatrix *im, const char *path,
                                     const struct qb_imatrix_settings *settings,
                                     const struct qb_imatrix_state *state, struct qb_err *err);
/*
 * Errors: as qb_imatrix_open; QB_ERR_USAGE when a setting differs, which it names.
 */
enum qb_status qb_imatrix_resume(struct qb_imatrix **im, const char *path,
                                 const struct qb_imatrix_settings *settings, struct qb_imatrix_state *state,
                                 struct qb_err *err);

#endif

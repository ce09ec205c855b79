/*
 * What the files of `qbench quantize` share: options, and one row a file type.
 */
#ifndef QB_BENCH_CMD_QUANTIZE_H
#define QB_BENCH_CMD_QUANTIZE_H

#include "base/options.h"
#include "engine/quantize.h"
#include "engine/quantize_override.h"
#include "reports/table.h"

/* Filled by the option table. */
struct qb_quantize_options {
    struct qb_str_list formats, tensor_types;
    const char *imatrix, *output_type, *embd_type, *split_max_size, *cpu_mask;
    int64_t threads;
    int output;
    bool pure, keep_output, keep_split, requantize, force, resume;
    bool assume_imatrix, dry_run, per_tensor, smt, progress, quiet;
};

enum qb_quantize_state { QB_QUANTIZE_OK, QB_QUANTIZE_SKIPPED, QB_QUANTIZE_REFUSED, QB_QUANTIZE_FAILED };

/* A file type and what became of it. */
struct qb_quantize_row {
    const struct qb_ftype *ftype;
    char *path;                /* owned; NULL in a dry run without an output */
    struct qb_quant_plan plan; /* zeroed when there is none */
    uint64_t size_bytes;       /* 0 = not known */
    enum qb_quantize_state state;
    struct qb_err why; /* REFUSED, FAILED */
};

/* ---- cmd_quantize_names.c ---- */

/*
 * Take apart the operands: IN FTYPES, IN OUT FTYPES, or with --formats: IN [OUT]. The file types, expanded
 * and each once, go to `formats`; *out is NULL when there is none.
 */
enum qb_status qb_quantize_operands(const struct qb_str_list *operands, struct qb_str_list *formats,
                                    const char **in, const char **out, struct qb_err *err);
/*
 * The file for one type. OUT may hold {ftype}, be a folder, or be missing (the folder of IN); then the name
 * is that of IN with the type in place of its own. Allocated.
 * @param single  OUT without {ftype} is the file itself
 */
enum qb_status qb_quantize_path(char **path, const char *in, const char *out, const struct qb_ftype *ftype,
                                bool single, struct qb_err *err);
/* Would an output overwrite a file that is read? */
enum qb_status qb_quantize_check_paths(const struct qb_str_list *paths, const struct qb_gguf *g,
                                       const char *imatrix, struct qb_err *err);
/* Do the outputs fit on their file systems? */
enum qb_status qb_quantize_check_space(const struct qb_quantize_row *rows, size_t n, struct qb_err *err);

/* ---- cmd_quantize_table.c ---- */

enum qb_status qb_quantize_print(const struct qb_quantize_row *rows, size_t n, enum qb_writer_id id,
                                 FILE *out, struct qb_err *err);
enum qb_status qb_quantize_print_tensors(const struct qb_quantize_row *rows, size_t n, enum qb_writer_id id,
                                         FILE *out, struct qb_err *err);

#endif

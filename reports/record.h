/*
 * One result row: a struct generated from record.def, and its view as table values.
 */
#ifndef QB_REPORTS_RECORD_H
#define QB_REPORTS_RECORD_H

#include "reports/fields.h"

#define QB_RECORD_SCHEMA       1
#define QB_RECORD_LLAMA_FIELDS 42

struct qb_record {
#define QB_FIELD(kind, name, unit, help) QB_RECORD_TYPE_##kind name;
#include "reports/record.def"
#undef QB_FIELD
};

enum {
#define QB_FIELD(kind, name, unit, help) QB_FIELD_##name,
#include "reports/record.def"
#undef QB_FIELD
    QB_FIELD_COUNT
};

extern const struct qb_field qb_record_fields[QB_FIELD_COUNT];
/* The same as columns for a writer. */
const struct qb_column *qb_record_columns(void);

void qb_record_init(struct qb_record *r); /* all absent, llama-bench's constants filled in */
void qb_record_release(struct qb_record *r);
enum qb_status qb_record_copy(struct qb_record *to, const struct qb_record *from, struct qb_err *err);
/* Fill values[QB_FIELD_COUNT]; they borrow from r. */
void qb_record_values(const struct qb_record *r, struct qb_value *values);

/*
 * Print records: QB_WRITER_MD as llama-bench does (its columns and their rules, the variant in the model
 * column, the percentage of Q4_0 last), all others with every field. Streaming: begin, any number of rows,
 * end (always).
 */
struct qb_record_writer {
    struct qb_writer writer;
    enum qb_writer_id id;
    struct qb_record *kept; /* Markdown only: columns depend on all rows */
    size_t n_kept;
};
enum qb_status qb_record_writer_begin(struct qb_record_writer *w, enum qb_writer_id id, FILE *out,
                                      struct qb_err *err);
enum qb_status qb_record_writer_row(struct qb_record_writer *w, const struct qb_record *r,
                                    struct qb_err *err);
enum qb_status qb_record_writer_end(struct qb_record_writer *w, struct qb_err *err);

/* Where the time of each row goes, as a Markdown table; nothing when no row was profiled. */
enum qb_status qb_record_print_profile(FILE *out, const struct qb_record *rows, size_t n, struct qb_err *err);

/* "qwen2 3B Q4_K_M": llama-bench's model text with the variant's name in place of the file type. out 128
 * bytes. */
void qb_record_model_text(const struct qb_record *r, char *out, size_t size);
/* "1.70 GiB", "512.00 MiB"; "3.09 B", "494.03 M". */
void qb_size_text(uint64_t bytes, char *out, size_t size);
void qb_params_text(uint64_t n, char *out, size_t size);

#endif

/*
 * One result row: a struct generated from record.def, and its view as table values.
 */
#ifndef QB_REPORTS_RECORD_H
#define QB_REPORTS_RECORD_H

#include "reports/table.h"

#define QB_RECORD_SCHEMA       1
#define QB_RECORD_LLAMA_FIELDS 42
#define QB_ABSENT_INT          INT64_MIN

struct qb_samples {
    double *v; /* owned */
    size_t n;
};

#define QB_RECORD_TYPE_TEXT char *
#define QB_RECORD_TYPE_INT  int64_t
#define QB_RECORD_TYPE_REAL double
#define QB_RECORD_TYPE_BOOL int64_t
#define QB_RECORD_TYPE_LIST struct qb_samples

/* Texts are owned by the record (NULL = absent), reals are absent when NaN, integers and booleans when
 * QB_ABSENT_INT. */
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

struct qb_field {
    const char *name, *unit, *help;
    enum qb_value_kind kind;
    size_t offset;
};
extern const struct qb_field qb_record_fields[QB_FIELD_COUNT];
/* The same as columns for a writer. */
const struct qb_column *qb_record_columns(void);

void qb_record_init(struct qb_record *r); /* all absent, llama-bench's constants filled in */
void qb_record_release(struct qb_record *r);
/* Set a text field (the address of the member): frees the old one, copies. NULL = absent. */
enum qb_status qb_record_text(char **field, const char *text, struct qb_err *err);
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

/* "qwen2 3B Q4_K_M": llama-bench's model text with the variant's name in place of the file type. out 128
 * bytes. */
void qb_record_model_text(const struct qb_record *r, char *out, size_t size);
/* "1.70 GiB", "512.00 MiB"; "3.09 B", "494.03 M". */
void qb_size_text(uint64_t bytes, char *out, size_t size);
void qb_params_text(uint64_t n, char *out, size_t size);

#endif

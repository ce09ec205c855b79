/*
 * What a quality run holds (private to quality*.c).
 */
#ifndef QB_BENCH_QUALITY_LAB_H
#define QB_BENCH_QUALITY_LAB_H

#include "bench/machine.h"
#include "bench/progress.h"
#include "bench/quality.h"
#include "bench/suite.h"
#include "engine/logits_file.h"
#include "engine/quantize_bank.h"
#include "engine/session.h"

/* A model with a session to evaluate chunks. */
struct qb_quality_engine {
    struct qb_model *model;
    struct qb_session *session;
};

/* One row on its way. */
struct qb_subject {
    const char *source;        /* path; borrowed from the options */
    struct qb_variant variant; /* name, file type and layout; the file type is NULL for a file as it is */
    bool from_list;            /* comes out of `all` or `card` */
    bool quantize, is_base;    /* is_base: the figures of the base are its own */
    struct qb_quant_plan plan; /* when quantized */
    const struct qb_windows *windows;
    struct qb_quality_engine engine;
    struct qb_score *scores; /* [n_chunks][n_scored] */
    int64_t n_done;          /* chunks */
    uint64_t eval_ns;
    struct qb_quality_record *row;
    bool failed, refused; /* refused: of a list, and not possible here */
};

struct qb_quality_lab {
    const struct qb_quality_options *o;
    struct qb_quality_text text;
    struct qb_pool *pool;
    struct qb_kernel_set set;
    enum qb_layout_id layout;
    enum qb_kv_type type_k, type_v;
    int n_ctx, n_scored;
    struct qb_windows *windows; /* one a source */
    size_t n_windows;
    struct qb_gguf *source;     /* of what is quantized; NULL: nothing is */
    struct qb_imatrix *imatrix; /* or NULL */
    /* the base: nothing, a model, or a file */
    const char *base_path;
    struct qb_quality_engine base;
    const struct qb_windows *base_windows;
    struct qb_logits_file base_file;
    bool has_base_file;
    struct qb_distribution *base_rows; /* [n_scored] of the chunk at work */
    struct qb_logits_writer *writer;   /* --save-base, or NULL */
    int32_t *tokens;                   /* of the chunk at work */
    float *base_logits, *logits;       /* [n_scored][n_vocab] */
    int n_vocab;                       /* that they have room for */
    struct qb_subject *subjects;
    size_t n_subjects;
    struct qb_quality_rows *out;
    char started[24];
    struct qb_progress bar;
    uint64_t start_ns, last_line_ns;
    double units_done, units; /* chunks of a model */
};

/* The subjects of the options, with their windows and plans. What cannot be measured keeps its reason. */
enum qb_status qb_subjects_init(struct qb_quality_lab *l, struct qb_err *err);
void qb_subjects_release(struct qb_quality_lab *l);
/* The windows of a source: made once. */
enum qb_status qb_quality_windows(struct qb_quality_lab *l, const char *source, const struct qb_windows **out,
                                  struct qb_err *err);
/* Say in the row that it failed. */
void qb_subject_fail(struct qb_subject *s, const struct qb_err *why);
/* Load and unload subjects [from, to). Only errors that end the run are returned. */
enum qb_status qb_subjects_load(struct qb_quality_lab *l, size_t from, size_t to, struct qb_quant_bank **bank,
                                struct qb_err *err);
void qb_subjects_unload(struct qb_quality_lab *l, size_t from, size_t to, struct qb_quant_bank *bank);
/* Bytes that a subject takes while it is loaded. */
uint64_t qb_subject_bytes(const struct qb_quality_lab *l, const struct qb_subject *s);
enum qb_status qb_quality_engine_start(struct qb_quality_engine *e, struct qb_quality_lab *l,
                                       struct qb_err *err);
void qb_quality_engine_stop(struct qb_quality_engine *e);
/* The figures into the row. */
enum qb_status qb_subject_finish(struct qb_quality_lab *l, struct qb_subject *s, struct qb_err *err);
/* Progress: what is being done, and the share of it that is; false = the user wants to stop. */
bool qb_quality_note(struct qb_quality_lab *l, const char *what);

#endif

/*
 * What to time: the options expanded to variants (a model in a form), configurations (a variant with batch
 * sizes, threads and cache types) and cases (a configuration with a test). One case is one row of the table.
 */
#ifndef QB_BENCH_SUITE_H
#define QB_BENCH_SUITE_H

#include "base/options.h"
#include "engine/session.h"
#include "engine/topology.h"
#include "kernels/kernels.h"

/* Filled by the option table of cmd_bench.c. */
struct qb_bench_options {
    struct qb_str_list models, formats, pg, type_k, type_v, isa;
    struct qb_int_list n_prompt, n_gen, n_depth, n_batch, n_ubatch, threads, threads_batch;
    const char *cpu_mask, *layout, *report_dir, *imatrix, *cache_size;
    int numa, preset, output, output_err;
    int64_t rounds, max_rounds, seed, max_memory;
    double ci_target, delay;
    bool smt, warmup, profile, progress, quiet, imatrix_mix, cache, dry_run, list_shapes;
};

enum qb_preset { QB_PRESET_NONE, QB_PRESET_QUICK, QB_PRESET_CARD };

struct qb_variant {
    const char *source; /* shape:NAME or a path; borrowed from the options */
    bool shape;
    char name[64];                /* "Q4_0@8x8"; of a file in its own type "" until it is loaded */
    const struct qb_ftype *ftype; /* NULL: a file in its own type */
    enum qb_layout_id layout;
    enum qb_isa isa;
    bool imatrix_mix;
};

struct qb_config {
    size_t variant;
    int n_batch, n_ubatch, n_threads, n_threads_batch;
    enum qb_kv_type type_k, type_v;
    int64_t n_ctx; /* the longest of its tests */
};

struct qb_test {
    int64_t n_prompt, n_gen, n_depth;
};

struct qb_case {
    size_t config;
    struct qb_test test;
};

struct qb_suite {
    struct qb_variant *variants;
    struct qb_config *configs;
    struct qb_case *cases;
    size_t n_variants, n_configs, n_cases;
    int64_t rounds, max_rounds;
};

/* Apply the preset and the defaults to what the user left open, and refuse contradictions (QB_ERR_USAGE). */
enum qb_status qb_bench_options_complete(struct qb_bench_options *o, struct qb_err *err);

/* Name, file type and layout from "FTYPE[@LAYOUT]"; `layout` where the text names none. */
enum qb_status qb_variant_parse(struct qb_variant *v, const char *text, enum qb_layout_id layout,
                                struct qb_err *err);
/* @param default_threads  what 0 threads means */
enum qb_status qb_suite_init(struct qb_suite *s, const struct qb_bench_options *o, int default_threads,
                             struct qb_err *err);
void qb_suite_release(struct qb_suite *s);

/* "pp512", "tg128", "pp512+tg128", " @ d4096" appended with depth. */
void qb_test_name(const struct qb_test *t, char *out, size_t size);
/* Same test and, but for the weight format and layout, the same everything. */
bool qb_cases_comparable(const struct qb_suite *s, size_t a, size_t b);

#endif

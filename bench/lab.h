/*
 * Everything that a benchmark run holds while it measures: thread crews, kernel sets, loaded models,
 * sessions, samples.
 */
#ifndef QB_BENCH_LAB_H
#define QB_BENCH_LAB_H

#include "bench/machine.h"
#include "bench/source.h"
#include "bench/suite.h"
#include "engine/session.h"

#define QB_REASON 512

/* Threads of one count, and the roof over them per ISA level. The gauge is there from the first roof on. */
struct qb_crew {
    int n_threads;
    struct qb_pool *pool;
    struct qb_placement placement;
    struct qb_buf map;
    bool moved; /* a thread was found elsewhere than bound */
    struct qb_gauge gauge;
    struct qb_roof roof[QB_ISA_COUNT];
    bool has_roof[QB_ISA_COUNT];
};

struct qb_kernels_of {
    bool ready;
    struct qb_kernel_set set, reference;
};

/* State of a variant. `forecast` and the facts of the model stay after it is closed. */
struct qb_specimen {
    struct qb_forecast *forecast; /* owned; NULL when it failed */
    struct qb_model *model;       /* NULL when not loaded now */
    struct qb_work work;
    int32_t *tokens; /* random ids, BOS first; owned */
    char reason[QB_REASON];
};

/* State of a configuration. */
struct qb_stand {
    struct qb_session *session;
    uint64_t bytes;
    double nmse;       /* NaN until checked */
    int64_t prefilled; /* leading positions that hold the prefix of a depth test */
    char reason[QB_REASON];
};

/* State of a case. */
struct qb_trial {
    double *ns;     /* max_rounds; owned */
    int64_t *round; /* in which round each sample was taken */
    size_t n;
    /* what the machine could do just before and after the samples: sums over 2 n probes, 0 = not probed */
    double sum_peak_gmacs, sum_read_gbs;
    int group; /* cases of one group ran in the same rounds */
    double estimate_ns;
    uint64_t phase_ns[QB_PHASE_COUNT]; /* of one more repetition, with --profile */
    char test_time[24];
    char reason[QB_REASON];
    bool unconverged;
};

struct qb_lab {
    const struct qb_suite *suite;
    const struct qb_bench_options *options;
    const struct qb_topology *topology;
    const struct qb_machine *machine;
    struct qb_crew *crews;
    size_t n_crews;
    struct qb_kernels_of kernels[QB_ISA_COUNT];
    struct qb_specimen *specimens; /* one a variant */
    struct qb_stand *stands;       /* one a configuration */
    struct qb_trial *trials;       /* one a case */
    int64_t n_tokens;              /* ids in a specimen's list */
    struct qb_quantized quantized; /* files in other types than their own */
    void (*on_quantizing)(void *arg, double share, const char *tensor); /* NULL: nobody wants to know */
    void *on_quantizing_arg;
};

enum qb_status qb_lab_init(struct qb_lab *l, const struct qb_suite *s, const struct qb_bench_options *o,
                           const struct qb_topology *t, const struct qb_machine *m, struct qb_err *err);
void qb_lab_release(struct qb_lab *l);

struct qb_crew *qb_lab_crew(const struct qb_lab *l, int n_threads);
/* The crew whose roof a test is held against: the batch's where there is a prompt. */
struct qb_crew *qb_lab_crew_of(const struct qb_lab *l, size_t c);
enum qb_isa qb_lab_isa(const struct qb_variant *v); /* auto resolved */
/* Measure the roofs over all configurations that can run. */
enum qb_status qb_lab_measure_roofs(struct qb_lab *l, struct qb_err *err);
/* Bytes that the gauges hold. */
uint64_t qb_lab_gauge_bytes(const struct qb_lab *l);
/* NULL when the machine lacks the level: err says so. */
const struct qb_kernels_of *qb_lab_kernels(struct qb_lab *l, enum qb_isa isa, struct qb_err *err);

/* Bytes that a variant takes with all its sessions. */
uint64_t qb_lab_variant_bytes(const struct qb_lab *l, size_t variant);
/*
 * Make those of variants [from, to) that are files in other types than their own; unload drops what was made.
 * What fails keeps its reason. note (or NULL) is called now and then.
 */
void qb_lab_quantize(struct qb_lab *l, size_t from, size_t to,
                     void (*note)(void *arg, double share, const char *tensor), void *arg);
/* Load variants [from, to), open and check their sessions. What fails keeps its reason and is left out. */
void qb_lab_load(struct qb_lab *l, size_t from, size_t to);
void qb_lab_unload(struct qb_lab *l, size_t from, size_t to);
/* Why a case cannot be timed: its own reason, or that of its configuration or variant; NULL = it can. */
const char *qb_lab_reason(const struct qb_lab *l, size_t c);

/* Run the test of a case once more, to fill phase_ns of its trial. */
enum qb_status qb_lab_profile(struct qb_lab *l, size_t c, struct qb_err *err);
/* Run the test of a case once. ns = the time on the clock; part = a short warm-up that limits generation. */
enum qb_status qb_lab_run(struct qb_lab *l, size_t c, bool warm_up, double *ns, struct qb_err *err);

#endif

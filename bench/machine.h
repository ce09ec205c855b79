/*
 * What machine this is, and how fast it can be at most.
 */
#ifndef QB_BENCH_MACHINE_H
#define QB_BENCH_MACHINE_H

#include "base/mem.h"
#include "engine/pool.h"
#include "engine/topology.h"
#include "kernels/cpu.h"
#include "kernels/peak.h"

/* Facts; "" and 0 where the system does not tell. */
struct qb_machine {
    char cpu[128], vendor[64], microcode[32], governor[32], huge_pages[16], os[256], topology[256];
    enum qb_isa isa;
    int n_packages, n_cores, n_pus, n_numa;
    int l1d_kib, l2_kib, l3_kib;
    uint64_t mem_total_bytes, mem_available_bytes;
    double cpu_quota; /* CPUs, 0 = no limit */
};
void qb_machine_init(struct qb_machine *m, const struct qb_topology *t);

/*
 * Measures what the threads of a pool can do at most. Pair: qb_gauge_release. The pool is borrowed.
 * `block` is what they read: far beyond the caches, each thread its own part.
 */
struct qb_gauge {
    struct qb_pool *pool;
    struct qb_block block;
    uint64_t *done;                             /* one a thread, a cache line apart */
    uint64_t steps[QB_ISA_COUNT][QB_PEAK_READ]; /* of one run; 0 = not known yet */
};
enum qb_status qb_gauge_init(struct qb_gauge *g, struct qb_pool *pool, struct qb_err *err);
void qb_gauge_release(struct qb_gauge *g); /* accepts a zeroed gauge */
/* One short run (milliseconds): 10^9 multiply-adds or bytes a second; 0 = the class does not exist there. */
double qb_gauge_probe(struct qb_gauge *g, enum qb_isa isa, enum qb_peak_class cls);
/* The best of several short runs, because noise only ever slows down: about a tenth of a second. */
double qb_gauge_best(struct qb_gauge *g, enum qb_isa isa, enum qb_peak_class cls);

/* The roof over a thread count and an ISA level; 0 = the class does not exist there. */
struct qb_roof {
    int n_threads;
    enum qb_isa isa;
    double gmacs[QB_PEAK_READ]; /* INT8, BF16, F32, in 10^9 a second over all threads */
    double read_gbs;
};
/* The best of every class: takes about half a second. */
void qb_roof_measure(struct qb_roof *r, struct qb_gauge *g, enum qb_isa isa);

/* A pool of n threads under these placement options (n_threads is replaced). The placement is returned too.
 */
enum qb_status qb_pool_for(struct qb_pool **pool, struct qb_placement *placement, const struct qb_topology *t,
                           struct qb_placement_options o, int n_threads, struct qb_err *err);

#endif

/*
 * Measures the roof: every thread runs the same loop at the same time.
 */
#include "base/clock.h"
#include "bench/machine.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_NS            6000000ull /* of one timed run */
#define RUNS              10
#define CALIBRATION_STEPS 50000
#define MIN_READ_BYTES    (256ull << 20)
#define MAX_READ_BYTES    (2048ull << 20)
#define PAGE              4096
#define DONE_STRIDE       16 /* counters a cache line apart, and its neighbour */

struct job {
    const struct qb_peak *peak;
    uint64_t n; /* steps a thread */
    struct qb_gauge *gauge;
};

static void compute(struct qb_worker *w, void *arg)
{
    struct job *j = arg;
    j->gauge->done[w->index * DONE_STRIDE] = j->peak->fn(NULL, j->n);
}

/* The worker's part of the block. */
static uint8_t *own_part(const struct qb_worker *w, const struct qb_gauge *g, size_t *bytes)
{
    int64_t begin, end;
    qb_pool_static_range(w, (int64_t)(g->block.bytes / PAGE), 1, &begin, &end);
    *bytes = (size_t)(end - begin) * PAGE;
    return (uint8_t *)g->block.data + (size_t)begin * PAGE;
}

static void touch(struct qb_worker *w, void *arg)
{
    size_t bytes;
    uint8_t *part = own_part(w, arg, &bytes);
    memset(part, 1, bytes);
}

static void stream(struct qb_worker *w, void *arg)
{
    struct job *j = arg;
    size_t bytes;
    const uint8_t *part = own_part(w, j->gauge, &bytes);
    j->gauge->done[w->index * DONE_STRIDE] = bytes ? j->peak->fn(part, bytes) : 0;
}

static double run_once(struct job *j, uint64_t *ns)
{
    struct qb_pool *pool = j->gauge->pool;
    uint64_t start = qb_now_ns(), sum = 0;
    qb_pool_run(pool, j->peak->cls == QB_PEAK_READ ? stream : compute, j);
    *ns = qb_now_ns() - start + 1;
    for (int i = 0; i < qb_pool_n_threads(pool); i++)
        sum += j->gauge->done[i * DONE_STRIDE];
    return (double)sum / (double)*ns;
}

/* Steps of a run of RUN_NS. */
static uint64_t calibrate(struct job *j)
{
    uint64_t ns = 0;
    j->n = CALIBRATION_STEPS;
    run_once(j, &ns); /* wakes threads and clocks */
    run_once(j, &ns);
    return (uint64_t)((double)j->n * RUN_NS / (double)ns) + 1;
}

double qb_gauge_probe(struct qb_gauge *g, enum qb_isa isa, enum qb_peak_class cls)
{
    struct job j = {.peak = qb_peak_select(cls, isa), .gauge = g};
    uint64_t ns;
    if (!j.peak)
        return 0;
    if (cls != QB_PEAK_READ) {
        uint64_t *steps = &g->steps[isa][cls];
        if (*steps == 0)
            *steps = calibrate(&j);
        j.n = *steps;
    }
    return run_once(&j, &ns);
}

double qb_gauge_best(struct qb_gauge *g, enum qb_isa isa, enum qb_peak_class cls)
{
    double best = 0;
    for (int r = 0; r < RUNS; r++) {
        double rate = qb_gauge_probe(g, isa, cls);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Far beyond any cache, and no more than a quarter of what is free. */
static size_t read_bytes(void)
{
    uint64_t bytes = MIN_READ_BYTES, avail = qb_mem_available() / 4;
    long l3 = 0;
    /* on machines with very large caches 256 MiB would be read from them */
#ifdef _SC_LEVEL3_CACHE_SIZE
    l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    if (l3 > 0 && (uint64_t)l3 * 4 > bytes)
        bytes = (uint64_t)l3 * 4;
    bytes = bytes > MAX_READ_BYTES ? MAX_READ_BYTES : bytes;
    bytes = bytes > avail ? avail : bytes;
    return (size_t)bytes / PAGE * PAGE;
}

enum qb_status qb_gauge_init(struct qb_gauge *g, struct qb_pool *pool, struct qb_err *err)
{
    *g = (struct qb_gauge){.pool = pool};
    QB_TRY(qb_calloc((void **)&g->done, (size_t)qb_pool_n_threads(pool) * DONE_STRIDE, sizeof(uint64_t),
                     "the measurement", err));
    enum qb_status st = qb_block_init(&g->block, read_bytes(), true, "the bandwidth measurement", err);
    if (st)
        qb_gauge_release(g);
    else
        qb_pool_run(pool, touch, g);
    return st;
}

void qb_gauge_release(struct qb_gauge *g)
{
    qb_block_release(&g->block);
    free(g->done);
    *g = (struct qb_gauge){0};
}

void qb_roof_measure(struct qb_roof *r, struct qb_gauge *g, enum qb_isa isa)
{
    *r = (struct qb_roof){.n_threads = qb_pool_n_threads(g->pool), .isa = isa};
    for (int c = 0; c < QB_PEAK_READ; c++)
        r->gmacs[c] = qb_gauge_best(g, isa, (enum qb_peak_class)c);
    r->read_gbs = qb_gauge_best(g, isa, QB_PEAK_READ);
}

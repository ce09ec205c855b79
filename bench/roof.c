/*
 * Measures the roof: every thread runs the same loop at the same time; the best of several short runs counts,
 * because noise only ever slows down.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "bench/machine.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_NS            12000000ull /* of one timed run */
#define RUNS              5
#define CALIBRATION_STEPS 50000
#define MIN_READ_BYTES    (256ull << 20)
#define MAX_READ_BYTES    (2048ull << 20)
#define PAGE              4096

struct job {
    const struct qb_peak *peak;
    uint64_t n;     /* steps a thread */
    uint8_t *data;  /* READ */
    size_t bytes;   /* READ: of all threads */
    uint64_t *done; /* one a thread, a cache line apart */
};

#define DONE_STRIDE 16

static void compute(struct qb_worker *w, void *arg)
{
    struct job *j = arg;
    j->done[w->index * DONE_STRIDE] = j->peak->fn(NULL, j->n);
}

static void own_part(const struct qb_worker *w, const struct job *j, size_t *begin, size_t *end)
{
    int64_t b, e;
    qb_pool_static_range(w, (int64_t)(j->bytes / PAGE), 1, &b, &e);
    *begin = (size_t)b * PAGE;
    *end = (size_t)e * PAGE;
}

static void touch(struct qb_worker *w, void *arg)
{
    struct job *j = arg;
    size_t begin, end;
    own_part(w, j, &begin, &end);
    if (end > begin)
        memset(j->data + begin, 1, end - begin);
}

static void stream(struct qb_worker *w, void *arg)
{
    struct job *j = arg;
    size_t begin, end;
    own_part(w, j, &begin, &end);
    j->done[w->index * DONE_STRIDE] = end > begin ? j->peak->fn(j->data + begin, end - begin) : 0;
}

static double run_once(struct qb_pool *pool, void (*fn)(struct qb_worker *, void *), struct job *j,
                       uint64_t *ns)
{
    uint64_t start = qb_now_ns(), sum = 0;
    qb_pool_run(pool, fn, j);
    *ns = qb_now_ns() - start + 1;
    for (int i = 0; i < qb_pool_n_threads(pool); i++)
        sum += j->done[i * DONE_STRIDE];
    return (double)sum / (double)*ns;
}

static double measure_compute(struct qb_pool *pool, const struct qb_peak *peak, uint64_t *done)
{
    struct job j = {.peak = peak, .n = CALIBRATION_STEPS, .done = done};
    uint64_t ns = 0;
    run_once(pool, compute, &j, &ns); /* wakes threads and clocks */
    run_once(pool, compute, &j, &ns);
    j.n = (uint64_t)((double)j.n * RUN_NS / (double)ns) + 1;
    double best = 0;
    for (int r = 0; r < RUNS; r++) {
        double rate = run_once(pool, compute, &j, &ns);
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

static enum qb_status measure_read(double *gbs, struct qb_pool *pool, const struct qb_peak *peak,
                                   uint64_t *done, struct qb_err *err)
{
    struct qb_block block = {0};
    struct job j = {.peak = peak, .bytes = read_bytes(), .done = done};
    QB_TRY(qb_block_init(&block, j.bytes, true, "the bandwidth measurement", err));
    j.data = block.data;
    uint64_t ns = 0;
    qb_pool_run(pool, touch, &j);
    *gbs = 0;
    uint64_t start = qb_now_ns();
    for (int r = 0; r < 2 * RUNS && (r < 3 || qb_now_ns() - start < 250000000); r++) {
        double rate = run_once(pool, stream, &j, &ns);
        *gbs = rate > *gbs ? rate : *gbs;
    }
    qb_block_release(&block);
    return QB_OK;
}

enum qb_status qb_roof_measure_read(double *gbs, struct qb_pool *pool, enum qb_isa isa, struct qb_err *err)
{
    const struct qb_peak *peak = qb_peak_select(QB_PEAK_READ, isa);
    void *done = NULL;
    QB_TRY(qb_calloc(&done, (size_t)qb_pool_n_threads(pool) * DONE_STRIDE, sizeof(uint64_t),
                     "the measurement", err));
    enum qb_status st = measure_read(gbs, pool, peak, done, err);
    free(done);
    return st;
}

enum qb_status qb_roof_measure(struct qb_roof *r, struct qb_pool *pool, enum qb_isa isa, struct qb_err *err)
{
    *r = (struct qb_roof){.n_threads = qb_pool_n_threads(pool), .isa = isa};
    void *done = NULL;
    QB_TRY(qb_calloc(&done, (size_t)r->n_threads * DONE_STRIDE, sizeof(uint64_t), "the measurement", err));
    for (int c = 0; c < QB_PEAK_READ; c++) {
        const struct qb_peak *peak = qb_peak_select((enum qb_peak_class)c, isa);
        if (peak)
            r->gmacs[c] = measure_compute(pool, peak, done);
    }
    free(done);
    return qb_roof_measure_read(&r->read_gbs, pool, isa, err);
}

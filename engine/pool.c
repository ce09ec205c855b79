/*
 * Threads that stay bound to their PUs and meet at a spinning barrier.
 *
 * Barrier: one arrival counter and a generation that the last arrival advances (sense reversal:
 * Mellor-Crummey and Scott, 1991; the generation is the sense). Between runs the helpers spin for a short
 * while, so that the next token starts at once, and then sleep: an idle pool costs nothing.
 */
#include "engine/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define CPU_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define CPU_PAUSE() __asm__ volatile("yield" ::: "memory")
#else
#define CPU_PAUSE() ((void)0)
#endif

/* Looking at the clock costs more than a pause: do it once in so many. */
#define PAUSES_PER_CLOCK 64
/* How long a helper waits for the next run before it sleeps. */
#define IDLE_SPIN_NS 200000
/* A barrier that takes longer than this many pauses waits for a thread that is not running: let it run. */
#define SPINS_BEFORE_YIELD 20000

struct helper {
    struct qb_worker worker;
    pthread_t thread;
    bool started;
};

struct qb_pool {
    /* written by every arrival */
    _Alignas(128) atomic_int arrived;
    /* spun on */
    _Alignas(128) atomic_uint generation;
    _Alignas(128) atomic_llong next; /* of the shared loop */
    _Alignas(128) atomic_uint run;   /* number of the current run */
    atomic_int asleep;
    atomic_bool stop;

    void (*fn)(struct qb_worker *, void *);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct helper *helpers; /* [0] is the caller of qb_pool_run */
    int n;
    bool yield; /* more threads than PUs: spinning would keep the others from running */
};

/* ---- binding ---- */

static bool bind_self(int pu)
{
    size_t size = CPU_ALLOC_SIZE(pu + 1);
    cpu_set_t *set = CPU_ALLOC(pu + 1);
    if (!set)
        return false;
    CPU_ZERO_S(size, set);
    CPU_SET_S(pu, size, set);
    bool ok = sched_setaffinity(0, size, set) == 0;
    CPU_FREE(set);
    return ok;
}

static void bind_or_warn(struct qb_worker *w)
{
    if (w->pu >= 0 && !bind_self(w->pu)) {
        qb_warn("cannot bind thread %d to CPU %d", w->index, w->pu);
        w->pu = -1;
    }
}

/* ---- barrier and loops ---- */

static void relax(const struct qb_pool *pool, int spins)
{
    if (pool->yield || spins > SPINS_BEFORE_YIELD)
        sched_yield();
    else
        CPU_PAUSE();
}

void qb_pool_barrier(struct qb_worker *w)
{
    struct qb_pool *p = w->pool;
    unsigned generation = atomic_load_explicit(&p->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) == p->n - 1) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&p->next, 0, memory_order_relaxed);
        atomic_store_explicit(&p->generation, generation + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&p->generation, memory_order_acquire) == generation; spins++)
        relax(p, spins);
}

void qb_pool_loop_start(struct qb_worker *w)
{
    qb_pool_barrier(w);
}

bool qb_pool_loop_next(struct qb_worker *w, int64_t n, int64_t grain, int64_t *begin, int64_t *end)
{
    long long b = atomic_fetch_add_explicit(&w->pool->next, grain, memory_order_relaxed);
    if (b >= n)
        return false;
    *begin = b;
    *end = n - b < grain ? n : b + grain;
    return true;
}

void qb_pool_static_range(const struct qb_worker *w, int64_t n, int64_t unit, int64_t *begin, int64_t *end)
{
    int64_t units = n / unit + (n % unit != 0);
    int64_t b = units / w->n * w->index + units % w->n * w->index / w->n;
    int64_t e = units / w->n * (w->index + 1) + units % w->n * (w->index + 1) / w->n;
    *begin = b * unit < n ? b * unit : n;
    *end = e * unit < n ? e * unit : n;
}

/* ---- runs ---- */

/* Wait for a run other than `seen`: spin a little, then sleep. */
static unsigned wait_for_run(struct qb_pool *p, unsigned seen)
{
    unsigned run = seen;
    uint64_t start = qb_now_ns();
    do {
        for (int i = 0; i < PAUSES_PER_CLOCK; i++) {
            run = atomic_load_explicit(&p->run, memory_order_acquire);
            if (run != seen)
                return run;
            relax(p, 0);
        }
    } while (qb_now_ns() - start < IDLE_SPIN_NS);
    pthread_mutex_lock(&p->lock);
    /* Announce before looking again: the starter looks at `asleep` after it has written `run`. */
    atomic_fetch_add(&p->asleep, 1);
    while ((run = atomic_load(&p->run)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->asleep, 1);
    pthread_mutex_unlock(&p->lock);
    return run;
}

static void start_run(struct qb_pool *p)
{
    atomic_fetch_add(&p->run, 1);
    if (atomic_load(&p->asleep) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void *helper_main(void *arg)
{
    struct qb_worker *w = arg;
    struct qb_pool *p = w->pool;
    bind_or_warn(w);
    for (unsigned seen = 0;;) {
        seen = wait_for_run(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        p->fn(w, p->arg);
        qb_pool_barrier(w);
    }
}

void qb_pool_run(struct qb_pool *p, void (*fn)(struct qb_worker *, void *), void *arg)
{
    struct qb_worker *self = &p->helpers[0].worker;
    cpu_set_t before;
    /* a mask that does not fit in cpu_set_t (more than 1024 CPUs) leaves the caller unbound */
    bool bound = self->pu >= 0 && sched_getaffinity(0, sizeof before, &before) == 0;
    if (bound)
        bind_or_warn(self);
    p->fn = fn;
    p->arg = arg;
    if (p->n > 1)
        start_run(p);
    fn(self, arg);
    qb_pool_barrier(self);
    if (bound)
        sched_setaffinity(0, sizeof before, &before);
}

/* ---- life ---- */

static bool repeats_pu(const struct qb_placement *placement)
{
    for (int i = 0; i < placement->n_threads; i++)
        for (int j = 0; j < i; j++)
            if (placement->pu[i] == placement->pu[j])
                return true;
    return false;
}

static enum qb_status start_helpers(struct qb_pool *p, struct qb_err *err)
{
    for (int i = 1; i < p->n; i++) {
        struct helper *h = &p->helpers[i];
        if (pthread_create(&h->thread, NULL, helper_main, &h->worker) != 0)
            return qb_fail(err, QB_ERR_MEMORY, "the system refuses thread %d of %d", i + 1, p->n);
        h->started = true;
    }
    return QB_OK;
}

enum qb_status qb_pool_create(struct qb_pool **out, const struct qb_placement *placement, struct qb_err *err)
{
    struct qb_pool *p = aligned_alloc(128, qb_align_up(sizeof *p, 128));
    if (!p)
        return qb_fail(err, QB_ERR_MEMORY, "out of memory for the thread pool");
    memset(p, 0, sizeof *p);
    enum qb_status st = qb_calloc((void **)&p->helpers, (size_t)placement->n_threads, sizeof *p->helpers,
                                  "the thread pool", err);
    if (st != QB_OK) {
        free(p);
        return st;
    }
    p->n = placement->n_threads;
    p->yield = placement->oversubscribed || repeats_pu(placement);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    for (int i = 0; i < p->n; i++)
        p->helpers[i].worker = (struct qb_worker){p, i, p->n, placement->pu ? placement->pu[i] : -1};
    st = start_helpers(p, err);
    if (st != QB_OK) {
        qb_pool_free(p);
        return st;
    }
    *out = p;
    return QB_OK;
}

void qb_pool_free(struct qb_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    start_run(p);
    for (int i = 1; i < p->n; i++)
        if (p->helpers[i].started)
            pthread_join(p->helpers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->helpers);
    free(p);
}

int qb_pool_n_threads(const struct qb_pool *p)
{
    return p->n;
}

static void record_cpu(struct qb_worker *w, void *arg)
{
    int *cpus = arg;
    cpus[w->index] = sched_getcpu();
}

bool qb_pool_verify(struct qb_pool *p, struct qb_buf *out)
{
    int *cpus = NULL;
    if (qb_calloc((void **)&cpus, (size_t)p->n, sizeof *cpus, "the thread check", NULL) != QB_OK)
        return false;
    qb_pool_run(p, record_cpu, cpus);
    bool ok = true;
    for (int i = 0; i < p->n; i++) {
        int pu = p->helpers[i].worker.pu;
        if (pu == cpus[i])
            continue;
        if (pu < 0)
            qb_buf_printf(out, "%sthread %d is not bound", ok ? "" : ", ", i);
        else
            qb_buf_printf(out, "%sthread %d runs on CPU %d, not %d", ok ? "" : ", ", i, cpus[i], pu);
        ok = false;
    }
    free(cpus);
    return ok;
}

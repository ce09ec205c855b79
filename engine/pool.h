/*
 * The thread pool: own pinned threads, spin barrier, no OpenMP. The caller of qb_pool_run is thread 0 (pinned
 * too while it runs).
 */
#ifndef QB_ENGINE_POOL_H
#define QB_ENGINE_POOL_H

#include "engine/topology.h"

struct qb_pool;
struct qb_worker {
    struct qb_pool *pool;
    int index, n; /* this thread of n */
    int pu;       /* where it is bound, -1 = not bound */
};

/* Threads bound as placement says (copied). Pair: qb_pool_free. Binding that the system refuses is a warning.
 */
enum qb_status qb_pool_create(struct qb_pool **out, const struct qb_placement *placement, struct qb_err *err);
void qb_pool_free(struct qb_pool *pool);
int qb_pool_n_threads(const struct qb_pool *pool);

/* Run fn(worker, arg) on all threads; returns when all have returned. Not re-entrant. */
void qb_pool_run(struct qb_pool *pool, void (*fn)(struct qb_worker *, void *), void *arg);
/*
 * Inside fn: wait for all threads. Spins (with pause); yields when threads outnumber PUs and after a long
 * wait. Sense-reversing. Also resets the loop counter, so any barrier is a loop start.
 */
void qb_pool_barrier(struct qb_worker *w);
/*
 * Inside fn: share n items. Call qb_pool_loop_start (contains a barrier) with the same arguments on all
 * threads, then take items with qb_pool_loop_next until it returns false. Dynamic: one atomic counter,
 * `grain` items at a time.
 */
void qb_pool_loop_start(struct qb_worker *w);
bool qb_pool_loop_next(struct qb_worker *w, int64_t n, int64_t grain, int64_t *begin, int64_t *end);
/* Contiguous static share of n items in units of `unit` (a multiple of unit but the last). */
void qb_pool_static_range(const struct qb_worker *w, int64_t n, int64_t unit, int64_t *begin, int64_t *end);

/* Where the threads ran: checks with getcpu in every worker; false when one is not on its PU (out names it).
 */
bool qb_pool_verify(struct qb_pool *pool, struct qb_buf *out);

#endif

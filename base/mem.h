/*
 * Memory: overflow-checked sizes and large aligned blocks.
 */
#ifndef QB_BASE_MEM_H
#define QB_BASE_MEM_H

#include "base/err.h"

/* *out = a * b (a + b); false on overflow, *out untouched. */
bool qb_size_mul(size_t a, size_t b, size_t *out);
bool qb_size_add(size_t a, size_t b, size_t *out);

/* Round x up to a multiple of align (a power of two). The caller knows that it does not overflow. */
static inline size_t qb_align_up(size_t x, size_t align)
{
    return (x + align - 1) & ~(align - 1);
}

/* Heap memory, zeroed; fails with QB_ERR_MEMORY naming what. Pair: free(). n * size is overflow-checked. */
enum qb_status qb_calloc(void **out, size_t n, size_t size, const char *what, struct qb_err *err);

/* strdup with a status. Pair: free(). */
enum qb_status qb_strdup(char **out, const char *s, struct qb_err *err);

/*
 * A block for weights, caches and scratch: anonymous mapping, 2 MiB aligned, transparent huge pages asked for
 * when `huge`. Pages are NOT touched: the thread that will use them must touch them first (NUMA placement).
 * Never over-commits silently: sizes beyond the memory available to the process (MemAvailable, cgroup limit)
 * fail with QB_ERR_MEMORY naming `what` and both figures.
 */
struct qb_block {
    void *data;
    size_t bytes;  /* asked for */
    size_t mapped; /* mapped */
};
enum qb_status qb_block_init(struct qb_block *b, size_t bytes, bool huge, const char *what,
                             struct qb_err *err);
void qb_block_release(struct qb_block *b); /* accepts a zeroed block */

/* Bytes that the process may still take: the smaller of MemAvailable and what the cgroup leaves. */
uint64_t qb_mem_available(void);
/* Peak and current resident set of the process in bytes, 0 where the system does not tell. */
uint64_t qb_mem_peak_rss(void);
uint64_t qb_mem_rss(void);
/* Let the peak start again from what is resident now; without effect where the system does not offer it. */
void qb_mem_reset_peak_rss(void);

#endif

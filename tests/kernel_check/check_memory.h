/*
 * Guarded memory for kernel checks: blocks that end at an unreadable page, with a canary pattern around
 * outputs.
 */
#ifndef QB_TESTS_CHECK_MEMORY_H
#define QB_TESTS_CHECK_MEMORY_H

#include "base/err.h"

#define QB_CHECK_MEMORY_BLOCKS 64

/* Starts zeroed; qb_check_memory_clear frees all. */
struct qb_check_memory {
    struct qb_check_block {
        uint8_t *base; /* of the mapping */
        size_t mapped; /* with the guard page */
        uint8_t *data;
        size_t bytes;
        bool output;
    } block[QB_CHECK_MEMORY_BLOCKS];
    int n;
};

/* Stops the program when there is no memory: a test cannot go on. */
void *qb_check_memory_get(struct qb_check_memory *m, size_t bytes, size_t align, bool output);
/* Are all canaries as they were? *at is the damaged byte, counted from the start of its block (may be
 * "negative"). */
bool qb_check_memory_intact(const struct qb_check_memory *m, size_t *at);
void qb_check_memory_clear(struct qb_check_memory *m);

#endif

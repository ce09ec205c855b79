/*
 * One mapping a block: [canary] [data] [rounding to align, canary] | guard page. The pattern depends on the
 * address inside the mapping, so that a shifted copy does not pass.
 */
#include "tests/kernel_check/check_memory.h"
#include "base/mem.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRONT 256 /* canary bytes before an output, at least */

static uint8_t canary(size_t i)
{
    return (uint8_t)(0xa5 ^ (i * 37));
}

void *qb_check_memory_get(struct qb_check_memory *m, size_t bytes, size_t align, bool output)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = qb_align_up(bytes, align);
    size_t usable = qb_align_up(room + FRONT, page);
    if (m->n == QB_CHECK_MEMORY_BLOCKS)
        QB_BUG("too many blocks in one case");
    uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + usable, page, PROT_NONE) != 0)
        QB_BUG("no memory for %zu bytes", bytes);
    struct qb_check_block *b = &m->block[m->n++];
    *b = (struct qb_check_block){base, usable + page, base + usable - room, bytes, output};
    if (output)
        for (size_t i = 0; i < usable; i++)
            base[i] = canary(i);
    return b->data;
}

static bool block_intact(const struct qb_check_block *b, size_t usable, size_t *at)
{
    size_t start = (size_t)(b->data - b->base);
    for (size_t i = 0; i < usable; i++) {
        if (i == start)
            i += b->bytes;
        if (i < usable && b->base[i] != canary(i)) {
            *at = i - start;
            return false;
        }
    }
    return true;
}

bool qb_check_memory_intact(const struct qb_check_memory *m, size_t *at)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < m->n; i++)
        if (m->block[i].output && !block_intact(&m->block[i], m->block[i].mapped - page, at))
            return false;
    return true;
}

void qb_check_memory_clear(struct qb_check_memory *m)
{
    for (int i = 0; i < m->n; i++)
        munmap(m->block[i].base, m->block[i].mapped);
    m->n = 0;
}

/*
 * Checked sizes, heap helpers, large blocks and the memory limits of the process (proc(5), cgroups(7)).
 */
#include "base/mem.h"

#include "base/file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

bool qb_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool qb_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

enum qb_status qb_calloc(void **out, size_t n, size_t size, const char *what, struct qb_err *err)
{
    size_t bytes;
    if (!qb_size_mul(n, size, &bytes))
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %s: %zu x %zu bytes overflow", what, n,
                       size);
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %s: %zu bytes", what, bytes);
    *out = p;
    return QB_OK;
}

enum qb_status qb_strdup(char **out, const char *s, struct qb_err *err)
{
    char *copy = strdup(s);
    if (!copy)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for a string of %zu bytes", strlen(s));
    *out = copy;
    return QB_OK;
}

/* Map `bytes` at a 2 MiB boundary: map more, cut both ends off. */
static void *map_aligned(size_t bytes)
{
    size_t span;
    if (!qb_size_add(bytes, HUGE_PAGE, &span))
        return NULL;
    uint8_t *p = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t head = qb_align_up((uintptr_t)p, HUGE_PAGE) - (uintptr_t)p;
    if (head)
        munmap(p, head);
    if (span - head > bytes)
        munmap(p + head + bytes, span - head - bytes);
    return p + head;
}

enum qb_status qb_block_init(struct qb_block *b, size_t bytes, bool huge, const char *what,
                             struct qb_err *err)
{
    *b = (struct qb_block){0};
    uint64_t available = qb_mem_available();
    if (bytes > available)
        return qb_fail(err, QB_ERR_MEMORY,
                       "not enough memory for %s: needs %zu bytes, %" PRIu64 " are available", what, bytes,
                       available);
    size_t page = huge ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = qb_align_up(bytes ? bytes : 1, page);
    void *data = map_aligned(mapped);
    if (!data)
        return qb_fail_errno(err, QB_ERR_MEMORY, "not enough memory for %s: cannot map %zu bytes", what,
                             mapped);
    if (huge)
        madvise(data, mapped, MADV_HUGEPAGE); /* advice: refused where huge pages are off */
    *b = (struct qb_block){.data = data, .bytes = bytes, .mapped = mapped};
    return QB_OK;
}

void qb_block_release(struct qb_block *b)
{
    if (b->data)
        munmap(b->data, b->mapped);
    *b = (struct qb_block){0};
}

/* The number after `key` at the start of a line of text; false when there is none. */
static bool find_number(const char *text, const char *key, uint64_t *out)
{
    size_t len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0) {
            *out = strtoull(line + len, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool number_in_file(const char *path, const char *key, uint64_t *out)
{
    char *text;
    if (qb_read_file(&text, NULL, path, 1 << 20, NULL) != QB_OK)
        return false;
    bool found = find_number(text, key, out);
    free(text);
    return found;
}

/* A limit file holds a number or "max". */
static bool limit_in_file(const char *path, uint64_t *out)
{
    char line[64];
    if (!qb_read_line(path, line, sizeof line) || line[0] < '0' || line[0] > '9')
        return false;
    *out = strtoull(line, NULL, 10);
    return true;
}

/* File names of the two generations of cgroups. */
struct cgroup_files {
    const char *mount, *limit, *usage, *active_file, *inactive_file;
};
static const struct cgroup_files cgroup_v2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                              "active_file ", "inactive_file "};
static const struct cgroup_files cgroup_v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                              "memory.usage_in_bytes", "total_active_file ",
                                              "total_inactive_file "};

/* What one group leaves: limit - usage + page cache, which the kernel gives back. UINT64_MAX without a limit.
 */
static uint64_t group_left(const struct cgroup_files *f, const char *group)
{
    char path[4352];
    uint64_t limit, usage, active = 0, inactive = 0;
    snprintf(path, sizeof path, "%s%s/%s", f->mount, group, f->limit);
    if (!limit_in_file(path, &limit))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/%s", f->mount, group, f->usage);
    if (!limit_in_file(path, &usage))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/memory.stat", f->mount, group);
    number_in_file(path, f->active_file, &active);
    number_in_file(path, f->inactive_file, &inactive);
    uint64_t cache = active + inactive;
    usage = usage > cache ? usage - cache : 0;
    return limit > usage ? limit - usage : 0;
}

/* The tightest of the group, its parents and the root of the mount (all that a container shows). */
static uint64_t tree_left(const struct cgroup_files *f, char *group)
{
    uint64_t least = group_left(f, "");
    while (strlen(group) > 1) {
        uint64_t left = group_left(f, group);
        if (left < least)
            least = left;
        *strrchr(group, '/') = '\0';
    }
    return least;
}

/* The path after the second colon of a line of /proc/self/cgroup, cut at the newline; NULL when it is none.
 */
static char *group_of_line(char *line)
{
    char *end = strchr(line, '\n');
    if (end)
        *end = '\0';
    char *path = strchr(line, ':');
    path = path ? strchr(path + 1, ':') : NULL;
    return path && path[1] == '/' ? path + 1 : NULL;
}

static uint64_t cgroup_left(void)
{
    char *text;
    if (qb_read_file(&text, NULL, "/proc/self/cgroup", 1 << 20, NULL) != QB_OK)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : NULL;
        bool v1 = strstr(line, ":memory:") != NULL && (!next || strstr(line, ":memory:") < next);
        char *group = group_of_line(line);
        if (!group || (!v1 && strncmp(line, "0::", 3) != 0))
            continue;
        uint64_t left = tree_left(v1 ? &cgroup_v1 : &cgroup_v2, group);
        if (left < least)
            least = left;
    }
    free(text);
    return least;
}

uint64_t qb_mem_available(void)
{
    uint64_t kib, system = UINT64_MAX;
    if (number_in_file("/proc/meminfo", "MemAvailable:", &kib))
        system = kib * 1024;
    uint64_t group = cgroup_left();
    return group < system ? group : system;
}

static uint64_t status_bytes(const char *key)
{
    uint64_t kib;
    return number_in_file("/proc/self/status", key, &kib) ? kib * 1024 : 0;
}

uint64_t qb_mem_peak_rss(void)
{
    return status_bytes("VmHWM:");
}

uint64_t qb_mem_rss(void)
{
    return status_bytes("VmRSS:");
}

void qb_mem_reset_peak_rss(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f)
        return;
    fputs("5", f); /* 5: the peak becomes what is resident now */
    fclose(f);
}

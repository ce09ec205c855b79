/*
 * Facts about the machine: libcpuid describes the processor for people, hwloc its shape, /sys and /proc the
 * rest.
 */
#include "bench/machine.h"
#include "base/file.h"
#include "base/mem.h"
#include <libcpuid/libcpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void copy(char *out, size_t size, const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    snprintf(out, size, "%s", s);
    for (size_t n = strlen(out); n && (out[n - 1] == ' ' || out[n - 1] == '\n'); n--)
        out[n - 1] = 0;
}

/* The value of "key : value" in /proc/cpuinfo, of the first processor. */
static void cpuinfo(const char *key, char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[1024];
    size_t len = strlen(key);
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, len) != 0)
            continue;
        copy(out, size, colon + 1);
        break;
    }
    if (f)
        fclose(f);
}

static void read_cpu(struct qb_machine *m)
{
    struct cpu_raw_data_t raw;
    struct cpu_id_t id;
    if (cpuid_present() && cpuid_get_raw_data(&raw) == 0 && cpu_identify(&raw, &id) == 0) {
        copy(m->cpu, sizeof m->cpu, id.brand_str);
        copy(m->vendor, sizeof m->vendor, id.vendor_str);
        m->l1d_kib = id.l1_data_cache > 0 ? id.l1_data_cache : 0;
        m->l2_kib = id.l2_cache > 0 ? id.l2_cache : 0;
        m->l3_kib = id.l3_cache > 0 ? id.l3_cache : 0;
    }
    if (!m->cpu[0])
        cpuinfo("model name", m->cpu, sizeof m->cpu);
    cpuinfo("microcode", m->microcode, sizeof m->microcode);
}

/* "always [madvise] never": the word in brackets. */
static void read_huge_pages(struct qb_machine *m)
{
    char line[128];
    if (!qb_read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        return;
    char *open = strchr(line, '['), *close = open ? strchr(open, ']') : NULL;
    if (!close)
        return;
    *close = 0;
    copy(m->huge_pages, sizeof m->huge_pages, open + 1);
}

static void read_os(struct qb_machine *m)
{
    struct utsname u;
    if (uname(&u) == 0)
        snprintf(m->os, sizeof m->os, "%.80s %.80s %.80s", u.sysname, u.release, u.machine);
    if (!qb_read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", m->governor,
                      sizeof m->governor))
        m->governor[0] = 0;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        m->mem_total_bytes = (uint64_t)pages * (uint64_t)page;
    m->mem_available_bytes = qb_mem_available();
}

void qb_machine_init(struct qb_machine *m, const struct qb_topology *t)
{
    memset(m, 0, sizeof *m);
    read_cpu(m);
    read_huge_pages(m);
    read_os(m);
    m->isa = qb_cpu_isa();
    m->n_packages = qb_topology_n_packages(t);
    m->n_cores = qb_topology_n_cores(t);
    m->n_pus = qb_topology_n_pus(t);
    m->n_numa = qb_topology_n_numa(t);
    m->cpu_quota = qb_cgroup_cpu_quota("/");
    struct qb_buf b;
    qb_buf_init(&b, 0);
    qb_topology_describe(t, &b);
    copy(m->topology, sizeof m->topology, b.data ? b.data : "");
    qb_buf_release(&b);
}

enum qb_status qb_pool_for(struct qb_pool **pool, struct qb_placement *placement, const struct qb_topology *t,
                           struct qb_placement_options o, int n_threads, struct qb_err *err)
{
    o.n_threads = n_threads;
    QB_TRY(qb_placement_init(placement, t, &o, err));
    enum qb_status st = qb_pool_create(pool, placement, err);
    if (st)
        qb_placement_release(placement);
    return st;
}

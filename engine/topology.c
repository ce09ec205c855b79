/*
 * The machine through hwloc, CPU time quotas of cgroups, and the placement of threads.
 */
#include "engine/topology.h"

#include "base/file.h"
#include "base/mem.h"

#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct qb_topology {
    hwloc_topology_t hwloc;
    bool synthetic;
    struct qb_pu *pus;
    int n_pus;
};

static bool is_xml(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcasecmp(name + len - 4, ".xml") == 0;
}

static enum qb_status load(struct qb_topology *t, const char *synthetic, struct qb_err *err)
{
    if (hwloc_topology_init(&t->hwloc) != 0) {
        t->hwloc = NULL;
        return qb_fail(err, QB_ERR_MEMORY, "out of memory for the machine topology");
    }
    t->synthetic = synthetic != NULL;
    if (synthetic && is_xml(synthetic)) {
        if (hwloc_topology_set_xml(t->hwloc, synthetic) != 0)
            return qb_fail(err, QB_ERR_USAGE, "hwloc cannot read the topology file '%s'", synthetic);
    } else if (synthetic) {
        if (hwloc_topology_set_synthetic(t->hwloc, synthetic) != 0)
            return qb_fail(err, QB_ERR_USAGE, "not a topology description: '%s'", synthetic);
    }
    hwloc_topology_set_flags(t->hwloc, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    hwloc_topology_set_io_types_filter(t->hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
    if (hwloc_topology_load(t->hwloc) != 0)
        return qb_fail(err, QB_ERR_USAGE, "hwloc cannot load the topology%s%s%s", synthetic ? " '" : "",
                       synthetic ? synthetic : " of this machine", synthetic ? "'" : "");
    return QB_OK;
}

/* The PUs that this process may use: cpusets through hwloc, and the affinity mask it was started with. */
static void allowed_set(const struct qb_topology *t, hwloc_bitmap_t set)
{
    hwloc_bitmap_copy(set, hwloc_topology_get_allowed_cpuset(t->hwloc));
    if (t->synthetic)
        return;
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (bound && hwloc_get_cpubind(t->hwloc, bound, HWLOC_CPUBIND_THREAD) == 0 && !hwloc_bitmap_iszero(bound))
        hwloc_bitmap_and(set, set, bound);
    hwloc_bitmap_free(bound);
}

static int ancestor_index(hwloc_topology_t h, hwloc_obj_t pu, hwloc_obj_type_t type, int fallback)
{
    hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(h, type, pu);
    return o ? (int)o->logical_index : fallback;
}

static int numa_of(hwloc_topology_t h, hwloc_obj_t pu)
{
    hwloc_obj_t node = NULL;
    while ((node = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_NUMANODE, node)))
        if (hwloc_bitmap_isset(node->cpuset, pu->os_index))
            return (int)node->logical_index;
    return 0;
}

/* Rank of the core's kind; hwloc orders kinds by efficiency, -1 where it cannot tell. */
static int efficiency_of(hwloc_topology_t h, hwloc_obj_t pu)
{
    int n = hwloc_cpukinds_get_nr(h, 0);
    if (n <= 1)
        return 0;
    int kind = hwloc_cpukinds_get_by_cpuset(h, pu->cpuset, 0);
    int rank = 0;
    if (kind < 0 || hwloc_cpukinds_get_info(h, (unsigned)kind, NULL, &rank, NULL, NULL, 0) != 0)
        return 0;
    return rank < 0 ? 0 : rank;
}

static void fill_pu(struct qb_topology *t, int i, hwloc_const_bitmap_t allowed)
{
    hwloc_obj_t o = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_PU, (unsigned)i);
    struct qb_pu *pu = &t->pus[i];
    pu->os_index = (int)o->os_index;
    pu->core = ancestor_index(t->hwloc, o, HWLOC_OBJ_CORE, i);
    pu->package = ancestor_index(t->hwloc, o, HWLOC_OBJ_PACKAGE, 0);
    pu->numa = numa_of(t->hwloc, o);
    pu->efficiency = efficiency_of(t->hwloc, o);
    pu->allowed = hwloc_bitmap_isset(allowed, o->os_index);
    /* PUs of a core are neighbours in logical order. */
    pu->smt = i > 0 && t->pus[i - 1].core == pu->core ? t->pus[i - 1].smt + 1 : 0;
}

enum qb_status qb_topology_create(struct qb_topology **out, const char *synthetic, struct qb_err *err)
{
    struct qb_topology *t = NULL;
    QB_TRY(qb_calloc((void **)&t, 1, sizeof *t, "the machine topology", err));
    enum qb_status st = load(t, synthetic, err);
    hwloc_bitmap_t allowed = NULL;
    if (st == QB_OK) {
        t->n_pus = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_PU);
        if (t->n_pus < 1)
            st = qb_fail(err, QB_ERR_UNSUPPORTED, "hwloc finds no processing unit");
    }
    if (st == QB_OK)
        st = qb_calloc((void **)&t->pus, (size_t)t->n_pus, sizeof *t->pus, "the processing units", err);
    if (st == QB_OK && !(allowed = hwloc_bitmap_alloc()))
        st = qb_fail(err, QB_ERR_MEMORY, "out of memory for the affinity mask");
    if (st != QB_OK) {
        qb_topology_free(t);
        return st;
    }
    allowed_set(t, allowed);
    for (int i = 0; i < t->n_pus; i++)
        fill_pu(t, i, allowed);
    hwloc_bitmap_free(allowed);
    *out = t;
    return QB_OK;
}

void qb_topology_free(struct qb_topology *t)
{
    if (!t)
        return;
    if (t->hwloc)
        hwloc_topology_destroy(t->hwloc);
    free(t->pus);
    free(t);
}

int qb_topology_n_pus(const struct qb_topology *t)
{
    return t->n_pus;
}

const struct qb_pu *qb_topology_pu(const struct qb_topology *t, int i)
{
    return &t->pus[i];
}

int qb_topology_n_cores(const struct qb_topology *t)
{
    int n = 0, last = -1;
    for (int i = 0; i < t->n_pus; i++) {
        if (!t->pus[i].allowed || t->pus[i].core == last)
            continue;
        last = t->pus[i].core;
        n++;
    }
    return n;
}

int qb_topology_n_packages(const struct qb_topology *t)
{
    int n = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_PACKAGE);
    return n > 0 ? n : 1;
}

int qb_topology_n_numa(const struct qb_topology *t)
{
    int n = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_NUMANODE);
    return n > 0 ? n : 1;
}

static void put_count(struct qb_buf *out, int n, const char *one, const char *many)
{
    qb_buf_printf(out, "%s%d %s", out->len ? ", " : "", n, n == 1 ? one : many);
}

static void put_cache(const struct qb_topology *t, hwloc_obj_type_t type, const char *name,
                      struct qb_buf *out)
{
    hwloc_obj_t c = hwloc_get_obj_by_type(t->hwloc, type, 0);
    if (!c || !c->attr || c->attr->cache.size == 0)
        return;
    unsigned long long kib = c->attr->cache.size >> 10;
    if (kib >= 2048 && kib % 1024 == 0)
        qb_buf_printf(out, ", %s %llu MiB", name, kib >> 10);
    else
        qb_buf_printf(out, ", %s %llu KiB", name, kib);
    /* a cache that serves one core is said to be per core, others are counted */
    int n = hwloc_get_nbobjs_by_type(t->hwloc, type);
    if (n == hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_CORE))
        qb_buf_puts(out, "/core");
    else if (n > 1)
        qb_buf_printf(out, " x %d", n);
}

void qb_topology_describe(const struct qb_topology *t, struct qb_buf *out)
{
    struct qb_buf line;
    qb_buf_init(&line, 0);
    int n_cores = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_CORE);
    put_count(&line, qb_topology_n_packages(t), "package", "packages");
    put_count(&line, n_cores > 0 ? n_cores : t->n_pus, "core", "cores");
    put_count(&line, t->n_pus, "PU", "PUs");
    put_count(&line, qb_topology_n_numa(t), "NUMA node", "NUMA nodes");
    put_cache(t, HWLOC_OBJ_L2CACHE, "L2", &line);
    put_cache(t, HWLOC_OBJ_L3CACHE, "L3", &line);
    int kinds = hwloc_cpukinds_get_nr(t->hwloc, 0);
    if (kinds > 1)
        qb_buf_printf(&line, ", %d kinds of core", kinds);
    qb_buf_puts(out, line.data ? line.data : "");
    qb_buf_release(&line);
}

/* ---- cgroup quota ---- */

static double quota_v2(const char *dir)
{
    char path[1024], line[128];
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    double quota, period;
    if (!qb_read_line(path, line, sizeof line) || sscanf(line, "%lf %lf", &quota, &period) != 2)
        return 0;
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double quota_v1(const char *dir)
{
    char path[1024], line[128];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    if (!qb_read_line(path, line, sizeof line))
        return 0;
    double quota = atof(line);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    if (quota <= 0 || !qb_read_line(path, line, sizeof line) || atof(line) <= 0)
        return 0;
    return quota / atof(line);
}

/* The tightest quota from base/group up to base: every parent limits its children. */
static double quota_up(const char *base, const char *group, double (*read)(const char *))
{
    char dir[900];
    size_t base_len = strlen(base);
    if (snprintf(dir, sizeof dir, "%s%s", base, group) >= (int)sizeof dir)
        return 0;
    double best = 0;
    for (;;) {
        double q = read(dir);
        if (q > 0 && (best == 0 || q < best))
            best = q;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < base_len)
            return best;
        *slash = '\0';
    }
}

static bool has_cpu_controller(const char *list)
{
    for (const char *p = list; *p && *p != ':';) {
        size_t len = strcspn(p, ",:");
        if (len == 3 && strncmp(p, "cpu", 3) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:GROUP"; no controllers in v2. */
static double quota_of_line(const char *root, char *line)
{
    char *list = strchr(line, ':');
    char *group = list ? strchr(list + 1, ':') : NULL;
    if (!group)
        return 0;
    list++, group++;
    char base[512];
    if (group == list + 1) {
        snprintf(base, sizeof base, "%ssys/fs/cgroup", root);
        return quota_up(base, group, quota_v2);
    }
    if (!has_cpu_controller(list))
        return 0;
    snprintf(base, sizeof base, "%ssys/fs/cgroup/cpu", root);
    double q = quota_up(base, group, quota_v1);
    if (q > 0)
        return q;
    snprintf(base, sizeof base, "%ssys/fs/cgroup/cpu,cpuacct", root);
    return quota_up(base, group, quota_v1);
}

double qb_cgroup_cpu_quota(const char *root)
{
    char dir[400], path[512];
    size_t len = strlen(root);
    snprintf(dir, sizeof dir, "%s%s", root, len && root[len - 1] == '/' ? "" : "/");
    snprintf(path, sizeof path, "%sproc/self/cgroup", dir);
    char *text = NULL;
    if (qb_read_file(&text, NULL, path, 1 << 16, NULL) != QB_OK)
        return 0;
    double best = 0;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        double q = quota_of_line(dir, line);
        if (q > 0 && (best == 0 || q < best))
            best = q;
    }
    free(text);
    return best;
}

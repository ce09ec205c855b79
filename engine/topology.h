/*
 * The machine as hwloc sees it, and the plan which thread runs on which processing unit (PU).
 */
#ifndef QB_ENGINE_TOPOLOGY_H
#define QB_ENGINE_TOPOLOGY_H

#include "base/buf.h"
#include "base/err.h"

struct qb_topology; /* owns the hwloc topology */

/*
 * @param synthetic  NULL = this machine; else an hwloc synthetic description ("pack:2 core:32 pu:2") or an
 * XML file name: for tests and --dry-run on another machine's shape
 */
enum qb_status qb_topology_create(struct qb_topology **out, const char *synthetic, struct qb_err *err);
void qb_topology_free(struct qb_topology *t);

struct qb_pu {
    int os_index;
    int core, package, numa; /* logical indices */
    int smt;                 /* 0 = first hardware thread of its core */
    int efficiency;          /* core kind rank: higher = faster (P-core); 0 when the machine has one kind */
    bool allowed;            /* inside the affinity mask of the process */
};
int qb_topology_n_pus(const struct qb_topology *t);
const struct qb_pu *qb_topology_pu(const struct qb_topology *t, int i);
int qb_topology_n_cores(const struct qb_topology *t); /* allowed cores */
int qb_topology_n_packages(const struct qb_topology *t);
int qb_topology_n_numa(const struct qb_topology *t);
/* One line: "1 package, 2 cores, 2 PUs, 1 NUMA node, L2 1024 KiB/core, L3 32 MiB". */
void qb_topology_describe(const struct qb_topology *t, struct qb_buf *out);

/*
 * CPUs that the cgroup allows as a time quota (cpu.max of v2, cfs_quota of v1): 1.5 = 150 %; 0 = no limit.
 * `root` is "/" but in tests.
 */
double qb_cgroup_cpu_quota(const char *root);

enum qb_numa_policy { QB_NUMA_COMPACT, QB_NUMA_DISTRIBUTE, QB_NUMA_ISOLATE };

struct qb_placement_options {
    int n_threads;        /* 0 = one per physical core within mask and quota (rounded up), P-cores only */
    const char *cpu_mask; /* hex as llama-bench's -C ("0x0" = none) or a list "0-3,8"; NULL = none */
    bool smt;             /* use all hardware threads, not one a core */
    enum qb_numa_policy numa;
    double quota; /* from qb_cgroup_cpu_quota; 0 = none */
};
struct qb_placement {
    int n_threads;
    int *pu; /* OS index for each thread; owned */
    int n_cores_used;
    bool oversubscribed; /* more threads than allowed PUs or than the quota: allowed, but say so */
};
/* P-cores first, one thread a core, then (with smt or when more threads are asked for than cores) the
 * siblings, then E-cores; then it wraps around. Fails (QB_ERR_USAGE) on a mask that names no allowed PU. */
enum qb_status qb_placement_init(struct qb_placement *p, const struct qb_topology *t,
                                 const struct qb_placement_options *o, struct qb_err *err);
void qb_placement_release(struct qb_placement *p);
void qb_placement_describe(const struct qb_placement *p, struct qb_buf *out); /* "0:0 1:1" thread:pu */

#endif

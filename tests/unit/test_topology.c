/*
 * Topologies of other machines, masks, quotas and the placement of threads.
 */
#include "engine/topology.h"

#include "base/file.h"
#include "tests/unit/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TWO_SOCKETS "pack:2 [numa] core:32 pu:2"
#define HYBRID      QB_SOURCE_DIR "/tests/unit/data/hybrid.xml"

static struct qb_topology *machine(const char *synthetic)
{
    struct qb_topology *t = NULL;
    struct qb_err err = {0};
    if (qb_topology_create(&t, synthetic, &err) != QB_OK)
        fail_msg("%s", err.message);
    return t;
}

/* The placement in words. */
static void expect(const char *synthetic, struct qb_placement_options o, const char *text,
                   bool oversubscribed)
{
    struct qb_topology *t = machine(synthetic);
    struct qb_placement p;
    struct qb_err err = {0};
    struct qb_buf out;
    qb_buf_init(&out, 0);
    if (qb_placement_init(&p, t, &o, &err) != QB_OK)
        fail_msg("%s", err.message);
    qb_placement_describe(&p, &out);
    assert_string_equal(out.data, text);
    assert_int_equal(p.oversubscribed, oversubscribed);
    qb_placement_release(&p);
    qb_buf_release(&out);
    qb_topology_free(t);
}

static void expect_count(const char *synthetic, struct qb_placement_options o, int n_threads, int n_cores)
{
    struct qb_topology *t = machine(synthetic);
    struct qb_placement p;
    assert_int_equal(qb_placement_init(&p, t, &o, NULL), QB_OK);
    assert_int_equal(p.n_threads, n_threads);
    assert_int_equal(p.n_cores_used, n_cores);
    qb_placement_release(&p);
    qb_topology_free(t);
}

static void expect_refused(const char *synthetic, struct qb_placement_options o, const char *word)
{
    struct qb_topology *t = machine(synthetic);
    struct qb_placement p;
    struct qb_err err = {0};
    assert_int_equal(qb_placement_init(&p, t, &o, &err), QB_ERR_USAGE);
    assert_non_null(strstr(err.message, word));
    qb_topology_free(t);
}

static void describes_two_sockets(void **state)
{
    (void)state;
    struct qb_topology *t = machine(TWO_SOCKETS);
    assert_int_equal(qb_topology_n_pus(t), 128);
    assert_int_equal(qb_topology_n_cores(t), 64);
    assert_int_equal(qb_topology_n_packages(t), 2);
    assert_int_equal(qb_topology_n_numa(t), 2);
    const struct qb_pu *last = qb_topology_pu(t, 127);
    assert_int_equal(last->os_index, 127);
    assert_int_equal(last->core, 63);
    assert_int_equal(last->package, 1);
    assert_int_equal(last->numa, 1);
    assert_int_equal(last->smt, 1);
    struct qb_buf out;
    qb_buf_init(&out, 0);
    qb_topology_describe(t, &out);
    assert_string_equal(out.data, "2 packages, 64 cores, 128 PUs, 2 NUMA nodes");
    qb_buf_release(&out);
    qb_topology_free(t);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    struct qb_topology *t = NULL;
    struct qb_err err = {0};
    assert_int_equal(qb_topology_create(&t, "core:many", &err), QB_ERR_USAGE);
    assert_non_null(strstr(err.message, "core:many"));
    assert_int_equal(qb_topology_create(&t, "/nonexistent/machine.xml", &err), QB_ERR_USAGE);
    assert_null(t);
}

static void one_thread_a_core(void **state)
{
    (void)state;
    expect_count(TWO_SOCKETS, (struct qb_placement_options){0}, 64, 64);
    expect_count(TWO_SOCKETS, (struct qb_placement_options){.smt = true}, 128, 64);
    expect("core:4 pu:2", (struct qb_placement_options){0}, "0:0 1:2 2:4 3:6", false);
}

static void siblings_after_cores(void **state)
{
    (void)state;
    expect("core:2 pu:2", (struct qb_placement_options){.n_threads = 3}, "0:0 1:2 2:1", false);
    expect("core:2 pu:2", (struct qb_placement_options){.smt = true}, "0:0 1:2 2:1 3:3", false);
}

static void fast_cores_first(void **state)
{
    (void)state;
    /* CPUs 0 to 7: four fast cores of two threads; 8, 10, ...: eight slow cores of one */
    expect(HYBRID, (struct qb_placement_options){0}, "0:0 1:2 2:4 3:6", false);
    expect(HYBRID, (struct qb_placement_options){.n_threads = 6}, "0:0 1:2 2:4 3:6 4:8 5:10", false);
    expect(HYBRID, (struct qb_placement_options){.smt = true}, "0:0 1:2 2:4 3:6 4:1 5:3 6:5 7:7", false);
    expect(HYBRID, (struct qb_placement_options){.n_threads = 13},
           "0:0 1:2 2:4 3:6 4:1 5:3 6:5 7:7 8:8 9:10 10:12 11:14 12:16", false);
    expect(HYBRID, (struct qb_placement_options){.cpu_mask = "8-15"}, "0:8 1:10 2:12 3:14", false);
}

static void numa_policies(void **state)
{
    (void)state;
    const char *m = "pack:2 [numa] core:2 pu:1";
    expect(m, (struct qb_placement_options){.n_threads = 3}, "0:0 1:1 2:2", false);
    expect(m, (struct qb_placement_options){.n_threads = 3, .numa = QB_NUMA_DISTRIBUTE}, "0:0 1:2 2:1",
           false);
    expect_count(m, (struct qb_placement_options){.numa = QB_NUMA_ISOLATE}, 2, 2);
}

static void quota_is_rounded_up(void **state)
{
    (void)state;
    expect("core:8 pu:1", (struct qb_placement_options){.quota = 1.5}, "0:0 1:1", false);
    expect("core:8 pu:1", (struct qb_placement_options){.quota = 0.2}, "0:0", false);
    expect_count("core:8 pu:1", (struct qb_placement_options){.quota = 64}, 8, 8);
    expect("core:8 pu:1", (struct qb_placement_options){.quota = 1.5, .n_threads = 3}, "0:0 1:1 2:2", true);
}

static void masks(void **state)
{
    (void)state;
    expect("core:8 pu:1", (struct qb_placement_options){.cpu_mask = "0xA1"}, "0:0 1:5 2:7", false);
    expect("core:8 pu:1", (struct qb_placement_options){.cpu_mask = "0-2,7"}, "0:0 1:1 2:2 3:7", false);
    expect("core:2 pu:1", (struct qb_placement_options){.cpu_mask = "0x0"}, "0:0 1:1", false);
    /* both hardware threads of a core are one core; the second alone is a core too */
    expect("core:2 pu:2", (struct qb_placement_options){.cpu_mask = "0-1"}, "0:0", false);
    expect("core:2 pu:2", (struct qb_placement_options){.cpu_mask = "1,3"}, "0:1 1:3", false);
    expect("pack:2 core:36 pu:1", (struct qb_placement_options){.cpu_mask = "0x10000000000000000"}, "0:64",
           false);
}

static void bad_masks(void **state)
{
    (void)state;
    expect_refused("core:2 pu:1", (struct qb_placement_options){.cpu_mask = "0x10"}, "'0x10' names no CPU");
    expect_refused("core:2 pu:1", (struct qb_placement_options){.cpu_mask = "9"}, "'9' names no CPU");
    const char *bad[] = {
        "", "0x", "0xg", "1-", "-1", "3-1", "1,,2", "1,", "a", "1 2", "99999999999999999999"};
    for (size_t i = 0; i < QB_ARRAY_LEN(bad); i++)
        expect_refused("core:2 pu:1", (struct qb_placement_options){.cpu_mask = bad[i]}, "mask");
    expect_refused("core:2 pu:1", (struct qb_placement_options){.n_threads = -1}, "-1");
}

static void wraps_when_oversubscribed(void **state)
{
    (void)state;
    expect("core:2 pu:1", (struct qb_placement_options){.n_threads = 5}, "0:0 1:1 2:0 3:1 4:0", true);
}

static void this_machine(void **state)
{
    (void)state;
    struct qb_topology *t = machine(NULL);
    struct qb_placement p;
    struct qb_placement_options o = {0};
    assert_true(qb_topology_n_cores(t) >= 1);
    assert_int_equal(qb_placement_init(&p, t, &o, NULL), QB_OK);
    assert_true(p.n_threads >= 1 && p.n_threads <= qb_topology_n_cores(t));
    assert_false(p.oversubscribed);
    qb_placement_release(&p);
    qb_topology_free(t);
}

/* ---- cgroups ---- */

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512], dir[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    snprintf(dir, sizeof dir, "%s", full);
    *strrchr(dir, '/') = '\0';
    assert_int_equal(qb_mkdirs(dir, NULL), QB_OK);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/qbench-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void quota_of_version_2(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/user/job\n");
    assert_true(qb_cgroup_cpu_quota(root) == 0);
    put("sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 0);
    put("sys/fs/cgroup/user/job/cpu.max", "150000 100000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 1.5);
    /* a parent limits its children */
    put("sys/fs/cgroup/user/cpu.max", "50000 100000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 0.5);
    put("sys/fs/cgroup/user/cpu.max", "nonsense\n");
    assert_true(qb_cgroup_cpu_quota(root) == 1.5);
}

static void quota_of_version_1(void **state)
{
    (void)state;
    put("proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/docker/x\n");
    put("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 0);
    put("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "250000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 2.5);
    /* in a container the group's path is not visible, but its limits are at the top */
    put("proc/self/cgroup", "4:cpu,cpuacct:/elsewhere\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_true(qb_cgroup_cpu_quota(root) == 3);
}

static void no_cgroup_files(void **state)
{
    (void)state;
    assert_true(qb_cgroup_cpu_quota(root) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_two_sockets),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(one_thread_a_core),
        cmocka_unit_test(siblings_after_cores),
        cmocka_unit_test(fast_cores_first),
        cmocka_unit_test(numa_policies),
        cmocka_unit_test(quota_is_rounded_up),
        cmocka_unit_test(masks),
        cmocka_unit_test(bad_masks),
        cmocka_unit_test(wraps_when_oversubscribed),
        cmocka_unit_test(this_machine),
        cmocka_unit_test_setup_teardown(quota_of_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(quota_of_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(no_cgroup_files, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

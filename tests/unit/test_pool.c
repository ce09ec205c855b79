/*
 * The thread pool: every item once, barriers that hold, idle helpers that sleep. Also run under the thread
 * sanitizer.
 */
#include "engine/pool.h"

#include "tests/unit/cmocka_all.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 8

static struct qb_pool *pool_of(int n_threads)
{
    struct qb_topology *t = NULL;
    struct qb_placement p;
    struct qb_placement_options o = {.n_threads = n_threads};
    struct qb_pool *pool = NULL;
    assert_int_equal(qb_topology_create(&t, NULL, NULL), QB_OK);
    assert_int_equal(qb_placement_init(&p, t, &o, NULL), QB_OK);
    assert_int_equal(qb_pool_create(&pool, &p, NULL), QB_OK);
    assert_int_equal(qb_pool_n_threads(pool), n_threads);
    qb_placement_release(&p);
    qb_topology_free(t);
    return pool;
}

static void count_me(struct qb_worker *w, void *arg)
{
    atomic_int *count = arg;
    atomic_fetch_add(&count[w->index], 1);
    assert_true(w->index >= 0 && w->index < w->n);
}

static void every_thread_runs_once(void **state)
{
    (void)state;
    for (int n = 1; n <= MAX_THREADS; n *= 2) {
        struct qb_pool *p = pool_of(n);
        atomic_int count[MAX_THREADS] = {0};
        for (int run = 0; run < 500; run++)
            qb_pool_run(p, count_me, count);
        for (int i = 0; i < n; i++)
            assert_int_equal(atomic_load(&count[i]), 500);
        qb_pool_free(p);
    }
}

/* Plain (non-atomic) data that only the barrier makes safe to read. */
struct phases {
    int slot[MAX_THREADS];
    int n_phases;
    atomic_int errors;
};

static void go_through_phases(struct qb_worker *w, void *arg)
{
    struct phases *p = arg;
    for (int phase = 1; phase <= p->n_phases; phase++) {
        p->slot[w->index] = phase;
        qb_pool_barrier(w);
        for (int i = 0; i < w->n; i++)
            if (p->slot[i] != phase)
                atomic_fetch_add(&p->errors, 1);
        qb_pool_barrier(w);
    }
}

static void barriers_hold(void **state)
{
    (void)state;
    for (int n = 1; n <= MAX_THREADS; n++) {
        struct qb_pool *p = pool_of(n);
        struct phases ph = {.n_phases = n <= 2 ? 2000 : 100};
        qb_pool_run(p, go_through_phases, &ph);
        assert_int_equal(atomic_load(&ph.errors), 0);
        qb_pool_free(p);
    }
}

#define N_ITEMS 1001
struct loops {
    unsigned char taken[N_ITEMS];
    int64_t grain;
    int n_loops;
};

static void take_items(struct qb_worker *w, void *arg)
{
    struct loops *l = arg;
    for (int i = 0; i < l->n_loops; i++) {
        int64_t begin, end;
        qb_pool_loop_start(w);
        while (qb_pool_loop_next(w, N_ITEMS, l->grain, &begin, &end))
            for (; begin < end; begin++)
                l->taken[begin]++;
    }
}

static void loops_take_every_item_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        struct qb_pool *p = pool_of(n);
        for (int64_t grain = 1; grain < 2000; grain *= 7) {
            struct loops l = {.grain = grain, .n_loops = 20};
            qb_pool_run(p, take_items, &l);
            for (int i = 0; i < N_ITEMS; i++)
                assert_int_equal(l.taken[i], 20);
        }
        qb_pool_free(p);
    }
}

static void static_ranges_cut_everything(void **state)
{
    (void)state;
    for (int n = 1; n <= 7; n++)
        for (int64_t items = 0; items < 100; items += 3)
            for (int64_t unit = 1; unit <= 16; unit *= 4) {
                int64_t at = 0, most = 0, least = INT64_MAX;
                for (int i = 0; i < n; i++) {
                    struct qb_worker w = {NULL, i, n, -1};
                    int64_t b, e;
                    qb_pool_static_range(&w, items, unit, &b, &e);
                    assert_int_equal(b, at);
                    assert_true(e >= b && (e == items || e % unit == 0));
                    most = e - b > most ? e - b : most;
                    least = e - b < least ? e - b : least;
                    at = e;
                }
                assert_int_equal(at, items);
                assert_true(most - least <= unit + unit);
            }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void idle_helpers_sleep(void **state)
{
    (void)state;
    struct qb_pool *p = pool_of(4);
    atomic_int count[MAX_THREADS] = {0};
    for (int round = 1; round <= 3; round++) {
        qb_pool_run(p, count_me, count);
        usleep(20000);
        double before = cpu_seconds();
        usleep(300000);
        /* three spinning helpers would use what the machine has: at least 0.3 s */
        assert_true(cpu_seconds() - before < 0.1);
        qb_pool_run(p, count_me, count);
        for (int i = 0; i < 4; i++)
            assert_int_equal(atomic_load(&count[i]), 2 * round);
    }
    qb_pool_free(p);
}

static void threads_are_where_they_should_be(void **state)
{
    (void)state;
    struct qb_topology *t = NULL;
    assert_int_equal(qb_topology_create(&t, NULL, NULL), QB_OK);
    int n = qb_topology_n_cores(t) < MAX_THREADS ? qb_topology_n_cores(t) : MAX_THREADS;
    qb_topology_free(t);
    struct qb_pool *p = pool_of(n);
    struct qb_buf out;
    qb_buf_init(&out, 0);
    assert_true(qb_pool_verify(p, &out));
    assert_int_equal(out.len, 0);
    qb_buf_release(&out);
    qb_pool_free(p);
}

static void a_refused_binding_is_reported(void **state)
{
    (void)state;
    int pu[] = {60000};
    struct qb_placement placement = {.n_threads = 1, .pu = pu};
    struct qb_pool *p = NULL;
    struct qb_buf out;
    qb_buf_init(&out, 0);
    assert_int_equal(qb_pool_create(&p, &placement, NULL), QB_OK);
    assert_false(qb_pool_verify(p, &out));
    assert_string_equal(out.data, "thread 0 is not bound");
    qb_buf_release(&out);
    qb_pool_free(p);
}

static void the_caller_gets_its_mask_back(void **state)
{
    (void)state;
    struct qb_topology *t = NULL;
    assert_int_equal(qb_topology_create(&t, NULL, NULL), QB_OK);
    int before = qb_topology_n_cores(t);
    qb_topology_free(t);
    struct qb_pool *p = pool_of(1);
    atomic_int count[1] = {0};
    qb_pool_run(p, count_me, count);
    assert_int_equal(qb_topology_create(&t, NULL, NULL), QB_OK);
    assert_int_equal(qb_topology_n_cores(t), before);
    qb_topology_free(t);
    qb_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_runs_once),
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(loops_take_every_item_once),
        cmocka_unit_test(static_ranges_cut_everything),
        cmocka_unit_test(idle_helpers_sleep),
        cmocka_unit_test(threads_are_where_they_should_be),
        cmocka_unit_test(a_refused_binding_is_reported),
        cmocka_unit_test(the_caller_gets_its_mask_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

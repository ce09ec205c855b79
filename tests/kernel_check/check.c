/*
 * The run: rows of the registry one after the other, a child of nothing: signals of a broken kernel are
 * caught and become one failure of its row. Cases, guarded memory and comparisons for the check functions.
 */
#include "tests/kernel_check/check.h"
#include "base/clock.h"
#include "tests/kernel_check/check_memory.h"
#include "tests/kernel_check/kernel_check.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#define MAX_PRINTED 4

struct qb_check {
    FILE *out;
    int calls; /* of a benchmark, where they are only made */
    struct qb_rng rng;
    struct qb_check_memory memory;
    const struct qb_kernel *kernel;
    char row[160]; /* the row in words */
    char case_text[160];
    int n_failures; /* of the row */
};

/* --- what check functions call --- */

static void end_case(struct qb_check *c)
{
    size_t at;
    if (!qb_check_memory_intact(&c->memory, &at))
        qb_check_fail(c, "wrote outside its output, near byte %td of the block", (ptrdiff_t)at);
    qb_check_memory_clear(&c->memory);
}

void qb_check_case(struct qb_check *c, const char *fmt, ...)
{
    end_case(c);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->case_text, sizeof c->case_text, fmt, ap);
    va_end(ap);
}

struct qb_rng *qb_check_rng(struct qb_check *c)
{
    return &c->rng;
}

void *qb_check_input(struct qb_check *c, size_t bytes, size_t align)
{
    return qb_check_memory_get(&c->memory, bytes, align, false);
}

void *qb_check_output(struct qb_check *c, size_t bytes, size_t align)
{
    return qb_check_memory_get(&c->memory, bytes, align, true);
}

void qb_check_fail(struct qb_check *c, const char *fmt, ...)
{
    if (++c->n_failures > MAX_PRINTED)
        return;
    va_list ap;
    va_start(ap, fmt);
    fprintf(c->out, "FAIL %s\n     case: %s\n     ", c->row, c->case_text);
    vfprintf(c->out, fmt, ap);
    fputc('\n', c->out);
    va_end(ap);
}

bool qb_check_failed(const struct qb_check *c)
{
    return c->n_failures > 0;
}

bool qb_check_bytes(struct qb_check *c, const char *what, const void *got, const void *want, size_t n)
{
    const uint8_t *g = got, *w = want;
    if (memcmp(g, w, n) == 0)
        return true;
    size_t i = 0;
    while (g[i] == w[i])
        i++;
    qb_check_fail(c, "%s: byte %zu of %zu is %02x, not %02x", what, i, n, g[i], w[i]);
    return false;
}

bool qb_check_float(struct qb_check *c, const char *what, size_t index, float got, double want,
                    double magnitude, double roundings)
{
    /* Products that underflow lose up to FLT_MIN each, whatever their size. */
    double allowed = roundings * (ldexp(magnitude, -24) + FLT_MIN);
    double diff = fabs((double)got - want);
    if (roundings > 0 ? diff <= allowed : (double)got == want)
        return true;
    qb_check_fail(c, "%s[%zu] is %.9g, not %.9g (off by %.3g, allowed %.3g)", what, index, (double)got, want,
                  diff, allowed);
    return false;
}

const struct qb_kernel *qb_check_scalar_row(enum qb_op op, int key, int key2)
{
    size_t n;
    const struct qb_kernel *rows = qb_kernels(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].op == op && rows[i].key == key && rows[i].key2 == key2 && rows[i].isa == QB_ISA_SCALAR)
            return &rows[i];
    return NULL;
}

/* --- signals --- */

static sigjmp_buf signal_return;
static const int caught_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

static void on_signal(int number)
{
    siglongjmp(signal_return, number);
}

static void set_handlers(struct sigaction *old)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < QB_ARRAY_LEN(caught_signals); i++)
        sigaction(caught_signals[i], &action, &old[i]);
}

static void restore_handlers(const struct sigaction *old)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(caught_signals); i++)
        sigaction(caught_signals[i], &old[i], NULL);
}

/* --- one row --- */

static void describe(const struct qb_kernel *k, char *out, size_t size)
{
    char key[64];
    qb_kernel_key_text(k, key, sizeof key);
    snprintf(out, size, "%-12s %-14s %-10s %s", qb_op_name(k->op), key, qb_isa_name(k->isa), k->name);
}

/* Run one step of a row; false when it ended in a signal. */
static bool guarded(struct qb_check *c, void (*step)(struct qb_check *c))
{
    int number = sigsetjmp(signal_return, 1);
    if (number == 0)
        step(c);
    else
        qb_check_fail(c, "signal %d (%s)", number, strsignal(number));
    return number == 0;
}

static void check_step(struct qb_check *c)
{
    const struct qb_check_op *op = &qb_check_ops[c->kernel->op];
    if (op->check)
        op->check(c, c->kernel);
    else
        qb_check_fail(c, "the operation has no check");
    end_case(c);
}

#define BENCH_RUN_NS 20000000u /* a run is repeated until it takes as long */
#define BENCH_RUNS   5

static double time_calls(const struct qb_check_bench *b, uint64_t calls)
{
    uint64_t start = qb_now_ns();
    for (uint64_t i = 0; i < calls; i++)
        b->run(b->arg);
    return (double)(qb_now_ns() - start);
}

/* What one call does; false: the row is not timed. */
static bool prepare_bench(struct qb_check *c, struct qb_check_bench *b)
{
    *b = (struct qb_check_bench){0};
    if (!qb_check_ops[c->kernel->op].bench)
        return false;
    qb_check_ops[c->kernel->op].bench(c, c->kernel, b);
    if (!b->run)
        end_case(c);
    return b->run != NULL;
}

static void call_step(struct qb_check *c)
{
    struct qb_check_bench b;
    if (!prepare_bench(c, &b)) {
        qb_check_fail(c, "there is nothing to call");
        return;
    }
    for (int i = 0; i < c->calls; i++)
        b.run(b.arg);
    end_case(c);
}

static void bench_step(struct qb_check *c)
{
    struct qb_check_bench b;
    if (!prepare_bench(c, &b))
        return;
    uint64_t calls = 1;
    while (time_calls(&b, calls) < BENCH_RUN_NS)
        calls *= 2;
    double best = INFINITY, worst = 0;
    for (int i = 0; i < BENCH_RUNS; i++) {
        double ns = time_calls(&b, calls) / (double)calls;
        best = fmin(best, ns);
        worst = fmax(worst, ns);
    }
    fprintf(c->out, "%-70s %10.0f ns  +%2.0f %%", c->row, best, 100 * (worst / best - 1));
    if (b.macs > 0)
        fprintf(c->out, " %8.1f GMAC/s", b.macs / best);
    fprintf(c->out, " %8.2f GB/s\n", b.bytes / best);
    end_case(c);
}

/* The seed depends on the row's text, not its place: a row repeats alone. */
static uint64_t row_stream(const char *row, int round)
{
    uint64_t h = (uint64_t)round;
    for (; *row; row++)
        h = qb_mix64(h ^ (uint8_t)*row);
    return h;
}

static bool run_row(struct qb_check *c, const struct qb_kernel_check_options *o)
{
    c->n_failures = 0;
    if (o->calls > 0) {
        qb_rng_init(&c->rng, o->seed, row_stream(c->row, 0));
        return guarded(c, call_step) && c->n_failures == 0;
    }
    for (int round = 0; round < o->repeat && c->n_failures == 0; round++) {
        qb_rng_init(&c->rng, o->seed, row_stream(c->row, round));
        snprintf(c->case_text, sizeof c->case_text, "before the first");
        if (!guarded(c, check_step))
            qb_check_memory_clear(&c->memory);
    }
    if (c->n_failures > MAX_PRINTED)
        fprintf(c->out, "     ... %d failures in all\n", c->n_failures);
    if (c->n_failures == 0 && o->bench && !guarded(c, bench_step))
        qb_check_memory_clear(&c->memory);
    if (o->verbose && !o->bench)
        fprintf(c->out, "%s %s\n", c->n_failures ? "FAIL" : "ok  ", c->row);
    return c->n_failures == 0;
}

/* --- the run --- */

static bool wanted(const struct qb_kernel *k, const char *row, const struct qb_kernel_check_options *o)
{
    if (o->isa != QB_ISA_AUTO && k->isa != o->isa)
        return false;
    return !o->filter || strstr(row, o->filter);
}

static void run_rows(struct qb_check *c, const struct qb_kernel_check_options *o,
                     struct qb_kernel_check_result *r)
{
    size_t n;
    const struct qb_kernel *rows = qb_kernels(&n);
    for (size_t i = 0; i < n; i++) {
        c->kernel = &rows[i];
        describe(c->kernel, c->row, sizeof c->row);
        if (!wanted(c->kernel, c->row, o))
            continue;
        if (o->list)
            fprintf(c->out, "%s%s\n", c->row, !qb_cpu_runs(rows[i].isa) ? "  (not on this machine)" : "");
        else if (!qb_cpu_runs(rows[i].isa))
            r->skipped++;
        else if (run_row(c, o))
            r->passed++;
        else
            r->failed++;
        fflush(c->out);
    }
}

enum qb_status qb_kernel_check_run(const struct qb_kernel_check_options *o, FILE *out,
                                   struct qb_kernel_check_result *result, struct qb_err *err)
{
    struct qb_check c = {.out = out, .calls = o->calls};
    struct sigaction old[QB_ARRAY_LEN(caught_signals)];
    *result = (struct qb_kernel_check_result){0};
    if (o->isa != QB_ISA_AUTO && !qb_cpu_runs(o->isa) && !o->list)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "skipped: this machine does not run '%s'",
                       qb_isa_name(o->isa));
    set_handlers(old);
    run_rows(&c, o, result);
    restore_handlers(old);
    qb_check_memory_clear(&c.memory);
    if (o->list)
        return QB_OK;
    fprintf(out, "%zu passed, %zu failed, %zu skipped (seed %llu)\n", result->passed, result->failed,
            result->skipped, (unsigned long long)o->seed);
    if (result->failed > 0)
        return qb_fail(err, QB_ERR_CHECK, "%zu kernels failed", result->failed);
    if (o->filter && result->passed == 0 && result->skipped == 0)
        return qb_fail(err, QB_ERR_NOT_FOUND, "no kernel matches '%s'",
                       o->filter ? o->filter : "the options");
    return QB_OK;
}

/*
 * qbench system: the machine's facts and measured peaks, one row.
 */
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/machine.h"
#include "reports/table.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct target {
    int output;
    int64_t threads;
    const char *cpu_mask;
    bool smt;
    int isa;
    bool measure;
};

static const struct qb_option options[] = {
    {"output", "o", QB_OPT_CHOICE, offsetof(struct target, output), "FORM", "Form of the table.", "md", 0, 0,
     qb_table_forms},
    {"threads", "t", QB_OPT_INT, offsetof(struct target, threads), "N",
     "Threads that measure; 0 = one a physical core within affinity and CPU quota.", "0", 0, 4096, NULL},
    {"cpu-mask", "C", QB_OPT_STRING, offsetof(struct target, cpu_mask), "MASK",
     "CPUs to use, hexadecimal or a list as 0-3,8.", NULL, 0, 0, NULL},
    {"smt", NULL, QB_OPT_FLAG, offsetof(struct target, smt), NULL, "Use all hardware threads of a core.",
     NULL, 0, 0, NULL},
    {"isa", NULL, QB_OPT_CHOICE, offsetof(struct target, isa), "ISA", "Highest instruction set level.",
     "auto", 0, 0, qb_isa_choices},
    {"measure", NULL, QB_OPT_FLAG, offsetof(struct target, measure), NULL,
     "Measure the peaks (--no-measure: print the facts only).", "yes", 0, 0, NULL},
};

/* One fact: a column of the machine-readable forms, a row of the Markdown form. */
struct fact {
    const char *name, *unit;
    struct qb_value value;
    enum qb_value_kind kind;
    int decimals;
};

#define MAX_FACTS 40
struct facts {
    struct fact fact[MAX_FACTS];
    size_t n;
};

static void add(struct facts *f, const char *name, const char *unit, struct qb_value v,
                enum qb_value_kind kind)
{
    if (f->n == MAX_FACTS)
        QB_BUG("too many facts");
    f->fact[f->n++] = (struct fact){name, unit, v, kind, 1};
}

static struct qb_value known(int64_t i)
{
    return i > 0 ? qb_int(i) : (struct qb_value){.kind = QB_VALUE_NULL};
}

static struct qb_value said(const char *s)
{
    return qb_text(s[0] ? s : NULL);
}

static struct qb_value positive(double x)
{
    return qb_real(x > 0 ? x : NAN);
}

static void add_machine(struct facts *f, const struct qb_machine *m)
{
    add(f, "cpu", "", said(m->cpu), QB_VALUE_TEXT);
    add(f, "vendor", "", said(m->vendor), QB_VALUE_TEXT);
    add(f, "isa", "", qb_text(qb_isa_name(m->isa)), QB_VALUE_TEXT);
    add(f, "packages", "", known(m->n_packages), QB_VALUE_INT);
    add(f, "cores", "", known(m->n_cores), QB_VALUE_INT);
    add(f, "processing_units", "", known(m->n_pus), QB_VALUE_INT);
    add(f, "numa_nodes", "", known(m->n_numa), QB_VALUE_INT);
    add(f, "l1d_kib", "KiB", known(m->l1d_kib), QB_VALUE_INT);
    add(f, "l2_kib", "KiB", known(m->l2_kib), QB_VALUE_INT);
    add(f, "l3_kib", "KiB", known(m->l3_kib), QB_VALUE_INT);
    add(f, "topology", "", said(m->topology), QB_VALUE_TEXT);
    add(f, "mem_total", "bytes", known((int64_t)m->mem_total_bytes), QB_VALUE_INT);
    add(f, "mem_available", "bytes", known((int64_t)m->mem_available_bytes), QB_VALUE_INT);
    add(f, "huge_pages", "", said(m->huge_pages), QB_VALUE_TEXT);
    add(f, "governor", "", said(m->governor), QB_VALUE_TEXT);
    add(f, "microcode", "", said(m->microcode), QB_VALUE_TEXT);
    add(f, "cpu_quota", "CPUs", positive(m->cpu_quota), QB_VALUE_REAL);
    add(f, "os", "", said(m->os), QB_VALUE_TEXT);
}

struct measured {
    struct qb_roof roof;
    struct qb_placement placement;
    struct qb_buf map;
    double *read_gbs; /* by thread count, index 0 = 1 thread */
    int n_read;
};

static void add_measured(struct facts *f, const struct measured *x)
{
    const struct qb_roof *r = &x->roof;
    add(f, "threads", "", known(r->n_threads), QB_VALUE_INT);
    add(f, "thread_map", "", qb_text(x->map.len ? x->map.data : NULL), QB_VALUE_TEXT);
    add(f, "oversubscribed", "", qb_bool(x->placement.oversubscribed), QB_VALUE_BOOL);
    add(f, "peak_isa", "", qb_text(qb_isa_name(r->isa)), QB_VALUE_TEXT);
    add(f, "peak_int8_gmacs", "GMAC/s", positive(r->gmacs[QB_PEAK_INT8]), QB_VALUE_REAL);
    add(f, "peak_bf16_gmacs", "GMAC/s", positive(r->gmacs[QB_PEAK_BF16]), QB_VALUE_REAL);
    add(f, "peak_f32_gfmas", "GFMA/s", positive(r->gmacs[QB_PEAK_F32]), QB_VALUE_REAL);
    add(f, "read_gbs", "GB/s", positive(r->read_gbs), QB_VALUE_REAL);
    struct qb_value list = {.kind = QB_VALUE_LIST, .list = x->read_gbs, .n = (size_t)x->n_read};
    add(f, "read_gbs_by_threads", "GB/s", list, QB_VALUE_LIST);
}

/* Thread counts to try below n: all up to 8, then doubling; the others stay absent by not being there. */
static enum qb_status measure_reads(struct measured *x, const struct qb_topology *t,
                                    struct qb_placement_options o, enum qb_isa isa, struct qb_err *err)
{
    int n = x->roof.n_threads;
    x->n_read = n < 16 ? n : 16;
    QB_TRY(qb_calloc((void **)&x->read_gbs, (size_t)x->n_read, sizeof *x->read_gbs, "the measurement", err));
    x->read_gbs[x->n_read - 1] = x->roof.read_gbs;
    for (int i = 1; i <= x->n_read && (i < n) && !qb_interrupted(); i++) {
        struct qb_pool *pool = NULL;
        struct qb_placement p = {0};
        QB_TRY(qb_pool_for(&pool, &p, t, o, i, err));
        struct qb_gauge gauge;
        enum qb_status st = qb_gauge_init(&gauge, pool, err);
        if (!st)
            x->read_gbs[i - 1] = qb_gauge_best(&gauge, isa, QB_PEAK_READ);
        qb_gauge_release(&gauge);
        qb_pool_free(pool);
        qb_placement_release(&p);
        QB_TRY(st);
    }
    return QB_OK;
}

static enum qb_status measure(struct measured *x, const struct target *o, const struct qb_topology *t,
                              enum qb_isa isa, struct qb_err *err)
{
    struct qb_placement_options po = {
        .cpu_mask = o->cpu_mask, .smt = o->smt, .quota = qb_cgroup_cpu_quota("/")};
    struct qb_pool *pool = NULL;
    QB_TRY(qb_pool_for(&pool, &x->placement, t, po, (int)o->threads, err));
    qb_placement_describe(&x->placement, &x->map);
    struct qb_gauge gauge;
    enum qb_status st = qb_gauge_init(&gauge, pool, err);
    if (!st)
        qb_roof_measure(&x->roof, &gauge, isa);
    qb_gauge_release(&gauge);
    qb_pool_free(pool);
    return st ? st : measure_reads(x, t, po, isa, err);
}

static enum qb_status print_rows(const struct facts *f, FILE *out, struct qb_err *err)
{
    static const struct qb_column columns[] = {
        {"fact", QB_VALUE_TEXT, 0, 0}, {"value", QB_VALUE_TEXT, 0, 0}, {"unit", QB_VALUE_TEXT, 0, 0}};
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, QB_WRITER_MD, out, "system", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < f->n && !st; i++) {
        const struct fact *x = &f->fact[i];
        struct qb_buf text;
        qb_buf_init(&text, 0);
        if (x->value.kind == QB_VALUE_TEXT)
            qb_buf_puts(&text, x->value.text);
        else if (x->value.kind == QB_VALUE_REAL)
            qb_buf_printf(&text, "%.1f", x->value.real);
        else if (x->value.kind == QB_VALUE_INT)
            qb_buf_printf(&text, "%lld", (long long)x->value.i);
        else if (x->value.kind == QB_VALUE_BOOL)
            qb_buf_puts(&text, x->value.i ? "yes" : "no");
        else if (x->value.kind == QB_VALUE_LIST)
            for (size_t k = 0; k < x->value.n; k++)
                qb_buf_printf(&text, "%s%.1f", k ? " " : "", x->value.list[k]);
        struct qb_value row[] = {qb_text(x->name), qb_text(text.len ? text.data : "-"), qb_text(x->unit)};
        st = qb_writer_row(&w, row, err);
        qb_buf_release(&text);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status print_columns(const struct facts *f, enum qb_writer_id id, FILE *out,
                                    struct qb_err *err)
{
    struct qb_column columns[MAX_FACTS];
    struct qb_value row[MAX_FACTS];
    for (size_t i = 0; i < f->n; i++) {
        columns[i] = (struct qb_column){f->fact[i].name, f->fact[i].kind, 1, 0};
        row[i] = f->fact[i].value;
    }
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, id, out, "system", columns, f->n, err);
    if (!st)
        st = qb_writer_row(&w, row, err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status report(const struct target *o, const struct qb_topology *t, enum qb_isa isa, FILE *out,
                             struct qb_err *err)
{
    struct qb_machine machine;
    struct measured x = {0};
    struct facts f = {0};
    qb_buf_init(&x.map, 0);
    qb_machine_init(&machine, t);
    add_machine(&f, &machine);
    enum qb_status st = o->measure ? measure(&x, o, t, isa, err) : QB_OK;
    if (o->measure && !st)
        add_measured(&f, &x);
    if (!st)
        st = o->output == QB_WRITER_MD ? print_rows(&f, out, err)
                                       : print_columns(&f, (enum qb_writer_id)o->output, out, err);
    qb_placement_release(&x.placement);
    qb_buf_release(&x.map);
    free(x.read_gbs);
    return st;
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    const struct target *o = target;
    enum qb_isa isa = QB_ISA_AUTO, best = qb_cpu_isa();
    if (!qb_isa_parse(qb_isa_choices[o->isa], &isa))
        return qb_fail(err, QB_ERR_USAGE, "unknown instruction set '%s'", qb_isa_choices[o->isa]);
    if (isa == QB_ISA_AUTO)
        isa = best;
    if (!qb_cpu_runs(isa))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "this machine has no '%s', its best is '%s'",
                       qb_isa_name(isa), qb_isa_name(best));
    struct qb_topology *t = NULL;
    QB_TRY(qb_topology_create(&t, NULL, err));
    enum qb_status st = report(o, t, isa, out, err);
    qb_topology_free(t);
    return st;
}

const struct qb_command qb_cmd_system = {
    .name = "system",
    .summary = "show the machine's facts and measure its peaks",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

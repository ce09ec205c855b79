/*
 * qbench [bench]: the benchmark. Options have llama-bench's names where it has them.
 */
#include "base/clock.h"
#include "base/log.h"
#include "bench/commands.h"
#include "bench/measure.h"
#include "bench/plan.h"
#include "reports/report.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const numa_choices[] = {"compact", "distribute", "isolate", NULL};
static const char *const preset_choices[] = {"default", "quick", "card", NULL};
static const char *const kv_choices[] = {"f16", "q8_0", "f32", NULL};

#define AT(member) offsetof(struct qb_bench_options, member)
#define HEADING(text)                                                                                        \
    {                                                                                                        \
        text, NULL, QB_OPT_HEADING, 0, NULL, text, NULL, 0, 0, NULL                                          \
    }
#define LIST(name, s, member, value, help, normal, choices)                                                  \
    {                                                                                                        \
        name, s, QB_OPT_LIST, AT(member), value, help, normal, 0, 0, choices                                 \
    }
#define INTS(name, s, member, help, normal, low, high)                                                       \
    {                                                                                                        \
        name, s, QB_OPT_INTS, AT(member), "N", help, normal, low, high, NULL                                 \
    }
#define INT(name, s, member, help, normal, low, high)                                                        \
    {                                                                                                        \
        name, s, QB_OPT_INT, AT(member), "N", help, normal, low, high, NULL                                  \
    }
#define FLAG(name, member, help, normal)                                                                     \
    {                                                                                                        \
        name, NULL, QB_OPT_FLAG, AT(member), NULL, help, normal, 0, 0, NULL                                  \
    }
#define CHOICE(name, s, member, value, help, normal, choices)                                                \
    {                                                                                                        \
        name, s, QB_OPT_CHOICE, AT(member), value, help, normal, 0, 0, choices                               \
    }
#define STRING(name, s, member, value, help, choices)                                                        \
    {                                                                                                        \
        name, s, QB_OPT_STRING, AT(member), value, help, NULL, 0, 0, choices                                 \
    }

static const struct qb_option options[] = {
    HEADING("what to time (lists a,b and ranges a-b, a-b+step, a-b*factor expand to a matrix)"),
    CHOICE("preset", NULL, preset, "NAME",
           "default: shape:qwen2.5-1.5b, pp512 pp1024 tg128, 5 rounds; quick: shape:llama-3.2-1b, pp512 "
           "tg64, 3 rounds; "
           "card: shape:qwen2.5-3b, the table of published model cards.",
           "default", preset_choices),
    LIST("model", "m", models, "MODEL",
         "GGUF file (any part of a split set), or shape:NAME: a synthetic model of a real model's exact "
         "shapes.",
         NULL, NULL),
    LIST("formats", NULL, formats, "FTYPE[@LAYOUT]",
         "File types to make of a shape or file, each with a layout if wanted (Q4_0@8x8, Q4_K_M@auto); all; "
         "card: "
         "the 25 of model cards. Default of shapes Q4_0,Q4_0_8_8,Q4_K_M,IQ4_NL,IQ4_XS,IQ3_M,IQ2_M (quick: "
         "the first five); "
         "a file runs in its own type. A file in another type is quantized in memory.",
         NULL, NULL),
    STRING("layout", NULL, layout, "LAYOUT",
           "Layout of formats without @LAYOUT: plain, 4x4, 4x8, 8x8, r16, x16 or auto.", qb_layout_names),
    INTS("n-prompt", "p", n_prompt, "Prompt tokens, 0 = no such test (default 512,1024).", NULL, 0, 1000000),
    INTS("n-gen", "n", n_gen, "Generated tokens, 0 = no such test (default 128).", NULL, 0, 1000000),
    LIST("prompt-gen", "pg", pg, "P,N", "Prompt and generation under one clock.", NULL, NULL),
    INTS("n-depth", "d", n_depth, "Tokens in the cache before the clock starts.", "0", 0, 1000000),
    INTS("batch-size", "b", n_batch, "Most tokens in one evaluation.", "2048", 1, 1000000),
    INTS("ubatch-size", "ub", n_ubatch, "Most tokens multiplied at once.", "512", 1, 65536),
    LIST("cache-type-k", "ctk", type_k, "TYPE", "Format of the K cache: f16, q8_0, f32.", "f16", kv_choices),
    LIST("cache-type-v", "ctv", type_v, "TYPE", "Format of the V cache.", "f16", kv_choices),
    LIST("isa", NULL, isa, "ISA",
         "Highest instruction set: scalar, avx2, avxvnni, avx512vnni, avx512vbmi, avx512bf16, amx or auto.",
         "auto", qb_isa_choices),
    FLAG("imatrix-mix", imatrix_mix, "Shapes get the type mix of files made with an importance matrix.",
         "yes"),
    STRING("imatrix", NULL, imatrix, "FILE", "Importance matrix for types made of a file.", NULL),
    FLAG("cache", cache,
         "Keep the tensors of types made of a file in ~/.cache/qbench/quantized for the next run.", "yes"),
    {"cache-size", NULL, QB_OPT_STRING, AT(cache_size), "SIZE",
     "Most bytes of that cache: 500M, 20G, 8GiB; the least recently used tensors make room.", "16G", 0, 0,
     NULL},
    HEADING("threads"),
    INTS("threads", "t", threads, "Threads; 0 = one a physical core within affinity and CPU quota.", "0", 0,
         4096),
    INTS("threads-batch", "tb", threads_batch, "Threads for prompts (default: as --threads).", NULL, 0, 4096),
    STRING("cpu-mask", "C", cpu_mask, "MASK", "CPUs to use: hexadecimal, or a list as 0-3,8.", NULL),
    FLAG("smt", smt, "Use all hardware threads of a core.", NULL),
    CHOICE("numa", NULL, numa, "POLICY", "Placement over NUMA nodes: compact, distribute or isolate.",
           "compact", numa_choices),
    HEADING("how to time"),
    INT("repetitions", "r", rounds, "Rounds: each runs every row once, in random order (default 5; quick 3).",
        NULL, 0, 100000),
    {"ci-target", NULL, QB_OPT_DOUBLE, AT(ci_target), "PCT",
     "Go on until the 95 % interval of every row is within +- this many percent; 0 = do not.", "0", 0, 100,
     NULL},
    INT("max-rounds", NULL, max_rounds, "Most rounds with --ci-target (default: 10 x --repetitions).", NULL,
        0, 100000),
    INT("seed", NULL, seed, "Seed of token ids, weights of shapes, and order of the rounds.", "42", 0,
        9007199254740991.0),
    INT("max-memory", NULL, max_memory,
        "MiB that the models loaded at one time may take, 0 = what is free; others follow in further groups.",
        "0", 0, 1e9),
    FLAG("profile", profile,
         "Run every row once more after the timing, and tell where the time goes, by kind of operation.",
         NULL),
    FLAG("warmup", warmup, "Run every row once before the clock starts.", "yes"),
    {"delay", NULL, QB_OPT_DOUBLE, AT(delay), "S", "Seconds to rest before every repetition.", "0", 0, 3600,
     NULL},
    HEADING("output"),
    CHOICE("output", "o", output, "FORM", "Form of the table on stdout.", "md", qb_record_forms),
    CHOICE("output-err", "oe", output_err, "FORM", "Form of the table on stderr.", "none", qb_record_forms),
    STRING("report-dir", NULL, report_dir, "DIR", "Also write tables and charts into this folder.", NULL),
    FLAG("progress", progress, "Print progress also where stderr is not a terminal.", NULL),
    {"quiet", "q", QB_OPT_FLAG, AT(quiet), NULL, "Print no notes, only errors.", NULL, 0, 0, NULL},
    FLAG("dry-run", dry_run, "Print the plan, with sizes, memory and time, and stop.", NULL),
    FLAG("list-shapes", list_shapes, "List the shapes that --model takes, and stop.", NULL),
};

/* Rows go to stdout, perhaps to stderr, and are kept for the report folder. */
struct sink {
    struct qb_record_writer out, err_out;
    struct qb_record *rows;
    size_t n_rows;
    bool keep;
};

static enum qb_status keep_row(struct sink *s, const struct qb_record *r, struct qb_err *err)
{
    struct qb_record *rows = realloc(s->rows, (s->n_rows + 1) * sizeof *rows);
    if (!rows)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the report");
    s->rows = rows;
    QB_TRY(qb_record_copy(&rows[s->n_rows], r, err));
    s->n_rows++;
    return QB_OK;
}

static enum qb_status take_row(void *arg, const struct qb_record *r, struct qb_err *err)
{
    struct sink *s = arg;
    QB_TRY(qb_record_writer_row(&s->out, r, err));
    QB_TRY(qb_record_writer_row(&s->err_out, r, err));
    return s->keep ? keep_row(s, r, err) : QB_OK;
}

static void release_rows(struct sink *s)
{
    for (size_t i = 0; i < s->n_rows; i++)
        qb_record_release(&s->rows[i]);
    free(s->rows);
}

static void print_header(const struct qb_lab *l)
{
    const struct qb_machine *m = l->machine;
    char mem[32];
    qb_size_text(m->mem_available_bytes, mem, sizeof mem);
    qb_info("%s, %s, %s available", m->cpu[0] ? m->cpu : "unknown CPU", m->topology, mem);
    for (size_t i = 0; i < l->n_crews; i++)
        qb_info("%d thread%s, best instruction set %s, thread:cpu %s", l->crews[i].placement.n_threads,
                l->crews[i].placement.n_threads == 1 ? "" : "s", qb_isa_name(m->isa),
                l->crews[i].map.len ? l->crews[i].map.data : "-");
    if (m->governor[0] && strcmp(m->governor, "performance") != 0)
        qb_warn("the frequency governor is '%s': clocks may change between rounds", m->governor);
}

static enum qb_status measure_into(struct qb_lab *l, struct sink *s, size_t *n_failed, struct qb_err *err)
{
    const struct qb_measure_sink sink = {take_row, s};
    print_header(l);
    enum qb_status st = qb_measure(l, &sink, n_failed, err);
    if (st == QB_OK && *n_failed)
        st = qb_fail(err, QB_ERR_CHECK, "%zu row%s failed", *n_failed, *n_failed == 1 ? "" : "s");
    return st;
}

static enum qb_status benchmark(struct qb_lab *l, FILE *out, struct qb_err *err)
{
    const struct qb_bench_options *o = l->options;
    struct sink s = {.keep = o->report_dir != NULL};
    struct qb_err end_err = {0};
    size_t n_failed = 0;
    if (s.keep)
        QB_TRY(qb_report_check_dir(o->report_dir, err));
    enum qb_status st = qb_record_writer_begin(&s.out, (enum qb_writer_id)o->output, out, err);
    if (!st)
        st = qb_record_writer_begin(&s.err_out, (enum qb_writer_id)o->output_err, stderr, err);
    if (!st)
        st = measure_into(l, &s, &n_failed, err);
    enum qb_status end = qb_record_writer_end(&s.out, &end_err);
    if (!end)
        end = qb_record_writer_end(&s.err_out, &end_err);
    if (!end && s.keep && s.n_rows)
        end = qb_report_write_dir(o->report_dir, s.rows, s.n_rows, &end_err);
    release_rows(&s);
    if (end) { /* a table that was not written matters more than a failed row in it */
        *err = end_err;
        return end;
    }
    return st;
}

static int default_threads(const struct qb_topology *t, const struct qb_bench_options *o, enum qb_status *st,
                           struct qb_err *err)
{
    struct qb_placement p = {0};
    struct qb_placement_options po = {.cpu_mask = o->cpu_mask,
                                      .smt = o->smt,
                                      .numa = (enum qb_numa_policy)o->numa,
                                      .quota = qb_cgroup_cpu_quota("/")};
    *st = qb_placement_init(&p, t, &po, err);
    int n = p.n_threads;
    qb_placement_release(&p);
    return n;
}

static enum qb_status check_isa(const struct qb_suite *s, struct qb_err *err)
{
    for (size_t i = 0; i < s->n_variants; i++)
        if (!qb_cpu_runs(qb_lab_isa(&s->variants[i])))
            return qb_fail(err, QB_ERR_UNSUPPORTED, "this machine has no '%s', its best is '%s'",
                           qb_isa_name(s->variants[i].isa), qb_isa_name(qb_cpu_isa()));
    return QB_OK;
}

static enum qb_status with_lab(const struct qb_bench_options *o, const struct qb_suite *s,
                               const struct qb_topology *t, FILE *out, struct qb_err *err)
{
    struct qb_machine machine;
    struct qb_lab lab;
    qb_machine_init(&machine, t);
    QB_TRY(qb_lab_init(&lab, s, o, t, &machine, err));
    enum qb_status st =
        o->dry_run ? qb_plan_print(&lab, (enum qb_writer_id)o->output, out, err) : benchmark(&lab, out, err);
    qb_lab_release(&lab);
    return st;
}

static enum qb_status with_topology(const struct qb_bench_options *o, const struct qb_topology *t, FILE *out,
                                    struct qb_err *err)
{
    struct qb_suite suite;
    enum qb_status st;
    int threads = default_threads(t, o, &st, err);
    if (st)
        return st;
    QB_TRY(qb_suite_init(&suite, o, threads, err));
    st = check_isa(&suite, err);
    if (!st)
        st = with_lab(o, &suite, t, out, err);
    qb_suite_release(&suite);
    return st;
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    struct qb_bench_options *o = target;
    (void)operands;
    if (o->quiet)
        qb_log_set_level(QB_LOG_QUIET);
    QB_TRY(qb_bench_options_complete(o, err));
    if (o->list_shapes)
        return qb_plan_shapes((enum qb_writer_id)o->output, out, err);
    struct qb_topology *t = NULL;
    QB_TRY(qb_topology_create(&t, NULL, err));
    enum qb_status st = with_topology(o, t, out, err);
    qb_topology_free(t);
    return st;
}

const struct qb_command qb_cmd_bench = {
    .name = "bench",
    .summary = "time models in every wanted format and print the table",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct qb_bench_options),
    .run = run,
};

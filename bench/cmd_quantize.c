/*
 * qbench quantize: a model in other file types, or what it would take (--dry-run).
 */
#include "bench/cmd_quantize.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/machine.h"
#include "bench/progress.h"
#include "bench/shape_model.h"
#include "bench/size_parse.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LINE_NS 2000000000ull /* between lines of progress */

#define AT(member) offsetof(struct qb_quantize_options, member)
#define FLAG(name, member, help, normal)                                                                     \
    {                                                                                                        \
        name, NULL, QB_OPT_FLAG, AT(member), NULL, help, normal, 0, 0, NULL                                  \
    }
#define STRING(name, s, member, value, help)                                                                 \
    {                                                                                                        \
        name, s, QB_OPT_STRING, AT(member), value, help, NULL, 0, 0, NULL                                    \
    }
#define LIST(name, s, member, value, help)                                                                   \
    {                                                                                                        \
        name, s, QB_OPT_LIST, AT(member), value, help, NULL, 0, 0, NULL                                      \
    }
#define HEADING(text)                                                                                        \
    {                                                                                                        \
        text, NULL, QB_OPT_HEADING, 0, NULL, text, NULL, 0, 0, NULL                                          \
    }

static const struct qb_option options[] = {
    HEADING("what to make"),
    LIST("formats", "f", formats, "FTYPE",
         "File types to make in one pass, instead of the operand: names, all, or card (the 25 of model "
         "cards). OUT is "
         "then a folder, or holds {ftype}."),
    STRING("imatrix", NULL, imatrix, "FILE", "Importance matrix, of either form."),
    STRING("output-tensor-type", NULL, output_type, "TYPE",
           "Type of output.weight (of a tied embedding too)."),
    STRING("token-embedding-type", NULL, embd_type, "TYPE", "Type of token_embd.weight."),
    LIST("tensor-type", NULL, tensor_types, "PATTERN=TYPE",
         "Type of the tensors whose names the expression matches; the first that matches counts."),
    FLAG("pure", pure, "Every matrix the base type of the file type: no mix.", NULL),
    FLAG("leave-output-tensor", keep_output, "Copy output.weight as it is.", NULL),
    FLAG("allow-requantize", requantize, "Quantize tensors again that are quantized already.", NULL),
    FLAG("force", force,
         "Go on where the lowest types lack an importance matrix, and where the disk seems too small.", NULL),
    HEADING("files"),
    FLAG("keep-split", keep_split, "Write parts as the input has them.", NULL),
    STRING("split-max-size", NULL, split_max_size, "SIZE",
           "Most bytes of tensors in a part: 500M, 2G, 4GiB."),
    FLAG("resume", resume,
         "Leave outputs alone that are complete: newer than what they are made of, with the right metadata "
         "and tensors.",
         "yes"),
    HEADING("threads"),
    {"threads", "t", QB_OPT_INT, AT(threads), "N",
     "Threads; 0 = one a physical core within affinity and CPU quota. The bytes do not depend on it.", "0", 0,
     4096, NULL},
    STRING("cpu-mask", "C", cpu_mask, "MASK", "CPUs to use, hexadecimal or a list as 0-3,8."),
    FLAG("smt", smt, "Use all hardware threads of a core.", NULL),
    HEADING("output"),
    FLAG("dry-run", dry_run,
         "Print types and sizes, and write nothing. IN may be shape:NAME, of any architecture.", NULL),
    FLAG("assume-imatrix", assume_imatrix, "With --dry-run: as if an importance matrix were given.", NULL),
    FLAG("per-tensor", per_tensor, "Print one row a tensor.", NULL),
    {"output", "o", QB_OPT_CHOICE, AT(output), "FORM", "Form of the table.", "md", 0, 0, qb_table_forms},
    FLAG("progress", progress, "Print progress also where stderr is not a terminal.", NULL),
    {"quiet", "q", QB_OPT_FLAG, AT(quiet), NULL, "Print no progress and no notes, only errors.", NULL, 0, 0,
     NULL},
};

struct command {
    const struct qb_quantize_options *o;
    const char *in, *out;
    struct qb_str_list formats; /* resolved names */
    struct qb_overrides overrides;
    struct qb_quant_options plan_options;
    uint64_t split_bytes;
    struct qb_gguf *source;     /* NULL: a shape */
    struct qb_hparams hp;       /* of the shape */
    struct qb_imatrix *imatrix; /* NULL: none */
    struct qb_quantize_row *rows;
    size_t n_rows;
    struct qb_pool *pool;
    struct qb_progress bar;
    uint64_t start_ns;
};

/* ---- options ---- */

static enum qb_status refuse(const struct qb_quantize_options *o, bool shape, struct qb_err *err)
{
    if (shape && !o->dry_run)
        return qb_fail(err, QB_ERR_USAGE, "a shape has no weights to quantize: --dry-run, or 'qbench synth'");
    if (o->assume_imatrix && !o->dry_run)
        return qb_fail(err, QB_ERR_USAGE, "option '--assume-imatrix' is for '--dry-run' only");
    if (o->assume_imatrix && o->imatrix)
        return qb_fail(err, QB_ERR_USAGE, "options '--assume-imatrix' and '--imatrix' contradict each other");
    if (shape && o->imatrix)
        return qb_fail(err, QB_ERR_USAGE, "a shape takes no '--imatrix': use '--assume-imatrix'");
    if (o->keep_split && o->split_max_size)
        return qb_fail(err, QB_ERR_USAGE,
                       "options '--keep-split' and '--split-max-size' contradict each other");
    if (o->quiet && o->progress)
        return qb_fail(err, QB_ERR_USAGE, "options '--quiet' and '--progress' contradict each other");
    return QB_OK;
}

/* Commas separate patterns, but may also stand in one: what has no '=' belongs to what follows. */
static enum qb_status add_overrides(struct command *c, struct qb_err *err)
{
    const struct qb_str_list *l = &c->o->tensor_types;
    struct qb_buf b;
    qb_buf_init(&b, 0);
    enum qb_status st = QB_OK;
    for (size_t i = 0; i < l->n && !st; i++) {
        qb_buf_puts(&b, l->items[i]);
        if (!strchr(l->items[i], '=') && i + 1 < l->n) {
            qb_buf_putc(&b, ',');
            continue;
        }
        st = qb_buf_status(&b, "the pattern", err);
        if (!st)
            st = qb_overrides_add(&c->overrides, b.data, err);
        qb_buf_clear(&b);
    }
    qb_buf_release(&b);
    return st;
}

static enum qb_status read_options(struct command *c, struct qb_err *err)
{
    const struct qb_quantize_options *o = c->o;
    struct qb_recipe_options *r = &c->plan_options.recipe;
    *r = (struct qb_recipe_options)QB_RECIPE_DEFAULTS;
    r->pure = o->pure;
    r->keep_output = o->keep_output;
    if (o->output_type)
        QB_TRY(qb_ggml_parse(&r->output_type, o->output_type, err));
    if (o->embd_type)
        QB_TRY(qb_ggml_parse(&r->embd_type, o->embd_type, err));
    QB_TRY(add_overrides(c, err));
    r->override = c->overrides.n ? qb_overrides_match : NULL;
    r->override_arg = &c->overrides;
    c->plan_options.keep_split = o->keep_split;
    c->plan_options.assume_imatrix = o->assume_imatrix;
    if (o->split_max_size)
        QB_TRY(qb_size_parse(&c->split_bytes, o->split_max_size, "--split-max-size", err));
    if (o->split_max_size && c->split_bytes == 0)
        return qb_fail(err, QB_ERR_USAGE, "option '--split-max-size': parts of 0 bytes hold nothing");
    return QB_OK;
}

/* ---- inputs ---- */

static enum qb_status open_inputs(struct command *c, struct qb_err *err)
{
    if (qb_shape_name(c->in))
        return qb_shape_describe(&c->hp, c->in, err);
    QB_TRY(qb_gguf_open(&c->source, c->in, err));
    if (!c->o->imatrix)
        return QB_OK;
    QB_TRY(qb_imatrix_open(&c->imatrix, c->o->imatrix, err));
    c->plan_options.imatrix = c->imatrix;
    return qb_imatrix_check_model(c->imatrix, c->source, err);
}

static void refuse_row(struct qb_quantize_row *row, const struct qb_err *why)
{
    row->state = QB_QUANTIZE_REFUSED;
    row->why = *why;
}

static struct qb_quant_job make_job(const struct command *c)
{
    return (struct qb_quant_job){.source = c->source, .imatrix = c->imatrix, .pool = c->pool};
}

static struct qb_quant_output make_output(const struct command *c, const struct qb_quantize_row *row)
{
    return (struct qb_quant_output){.plan = &row->plan,
                                    .path = row->path ? row->path : "",
                                    .keep_split = c->o->keep_split,
                                    .split_bytes = c->split_bytes};
}

/* What a shape's file holds besides tensors is known for some. */
static enum qb_status size_row(const struct command *c, struct qb_quantize_row *row, struct qb_err *err)
{
    if (c->source) {
        struct qb_quant_job job = make_job(c);
        struct qb_quant_output output = make_output(c, row);
        return qb_quant_output_bytes(&row->size_bytes, &job, &output, err);
    }
    row->size_bytes = row->plan.tensor_bytes + c->hp.metadata_bytes;
    return QB_OK;
}

static enum qb_status plan_row(const struct command *c, struct qb_quantize_row *row, struct qb_err *err)
{
    struct qb_err why = {0};
    const struct qb_quant_consent consent = {.requantize = c->o->requantize, .low = c->o->force};
    enum qb_status st = c->source
                            ? qb_quant_plan_file(&row->plan, c->source, row->ftype, &c->plan_options, &why)
                            : qb_quant_plan_shape(&row->plan, &c->hp, row->ftype, &c->plan_options, &why);
    if (st == QB_OK) {
        QB_TRY(size_row(c, row, err));
        st = qb_quant_plan_check(&row->plan, &consent, &why);
    }
    if (st == QB_ERR_USAGE || st == QB_ERR_UNSUPPORTED) {
        refuse_row(row, &why);
        return QB_OK;
    }
    if (st && err)
        *err = why;
    return st;
}

static enum qb_status plan_rows(struct command *c, struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)&c->rows, c->formats.n, sizeof *c->rows, "the file types", err));
    c->n_rows = c->formats.n;
    for (size_t i = 0; i < c->n_rows; i++)
        c->rows[i].ftype = qb_ftype_by_name(c->formats.items[i]);
    for (size_t i = 0; i < c->n_rows; i++)
        QB_TRY(plan_row(c, &c->rows[i], err));
    return QB_OK;
}

static void note_missing_entries(const struct command *c)
{
    const struct qb_quant_plan *p = &c->rows[0].plan;
    size_t missing = 0, quantized = 0;
    for (size_t i = 0; c->imatrix && i < p->n; i++) {
        bool looked_up = strcmp(p->tensors[i].name, "token_embd.weight") == 0 ||
                         strcmp(p->tensors[i].name, "output.weight") == 0; /* have no entries normally */
        quantized += !p->tensors[i].kept && !looked_up;
        missing += !p->tensors[i].kept && !looked_up && !p->tensors[i].importance;
    }
    if (missing)
        qb_warn("%zu of %zu matrices have no entry in '%s'", missing, quantized, c->o->imatrix);
    const char *unused = p->n ? qb_overrides_unused(&c->overrides) : NULL;
    if (unused)
        qb_warn("'%s' matches no tensor that is quantized", unused);
}

/* ---- outputs ---- */

static enum qb_status name_outputs(struct command *c, struct qb_err *err)
{
    struct qb_str_list paths = {0};
    struct qb_quant_job job = make_job(c);
    enum qb_status st = QB_OK;
    for (size_t i = 0; i < c->n_rows && !st; i++) {
        struct qb_quantize_row *row = &c->rows[i];
        st = qb_quantize_path(&row->path, c->in, c->out, row->ftype, c->n_rows == 1, err);
        struct qb_quant_output output = make_output(c, row);
        if (!st && row->state == QB_QUANTIZE_OK)
            st = qb_quant_output_paths(&paths, &job, &output, err);
    }
    if (!st)
        st = qb_quantize_check_paths(&paths, c->source, c->o->imatrix, err);
    qb_str_list_release(&paths);
    return st;
}

static void skip_finished(struct command *c)
{
    struct qb_quant_job job = make_job(c);
    for (size_t i = 0; i < c->n_rows && c->o->resume; i++) {
        struct qb_quantize_row *row = &c->rows[i];
        struct qb_quant_output output = make_output(c, row);
        if (row->state != QB_QUANTIZE_OK || !qb_quant_output_is_done(&job, &output))
            continue;
        row->state = QB_QUANTIZE_SKIPPED;
        qb_info("'%s' is complete and newer than its input: skipped (--no-resume makes it again)", row->path);
    }
}

/* A folder that the user names with a slash at its end is made. */
static enum qb_status make_folder(const struct command *c, struct qb_err *err)
{
    size_t len = c->out ? strlen(c->out) : 0;
    return len > 1 && c->out[len - 1] == '/' ? qb_mkdirs(c->out, err) : QB_OK;
}

/* ---- running ---- */

static bool show_progress(void *arg, double share, const char *tensor)
{
    struct command *c = arg;
    struct qb_progress *bar = &c->bar;
    uint64_t now = qb_now_ns();
    bar->done = (double)(now - c->start_ns);
    bar->total = share > 0 ? bar->done / share : 0;
    if (bar->mode == QB_PROGRESS_BAR || now - bar->last_ns > LINE_NS) {
        bool line = bar->mode == QB_PROGRESS_LINES;
        qb_progress_step(bar, 0, tensor);
        bar->last_ns = line ? now : bar->last_ns;
    }
    return !qb_interrupted();
}

static enum qb_status make_pool(struct command *c, struct qb_err *err)
{
    struct qb_topology *topology;
    struct qb_placement placement = {0};
    struct qb_placement_options o = {
        .cpu_mask = c->o->cpu_mask, .smt = c->o->smt, .quota = qb_cgroup_cpu_quota("/")};
    QB_TRY(qb_topology_create(&topology, NULL, err));
    enum qb_status st = qb_pool_for(&c->pool, &placement, topology, o, (int)c->o->threads, err);
    qb_placement_release(&placement);
    qb_topology_free(topology);
    return st;
}

static enum qb_status run_job(struct command *c, struct qb_quant_output *outputs, struct qb_err *err)
{
    struct qb_quant_job job = make_job(c);
    job.outputs = outputs;
    job.progress = show_progress;
    job.progress_arg = c;
    for (size_t i = 0; i < c->n_rows; i++)
        if (c->rows[i].state == QB_QUANTIZE_OK)
            outputs[job.n_outputs++] = make_output(c, &c->rows[i]);
    if (job.n_outputs == 0)
        return QB_OK;
    QB_TRY(make_pool(c, err));
    job.pool = c->pool;
    qb_progress_init(&c->bar, c->o->progress, c->o->quiet);
    c->start_ns = qb_now_ns();
    enum qb_status st = qb_quant_run(&job, err);
    qb_progress_end(&c->bar);
    return st;
}

static enum qb_status quantize(struct command *c, struct qb_err *err)
{
    QB_TRY(name_outputs(c, err));
    QB_TRY(make_folder(c, err));
    skip_finished(c);
    if (!c->o->force)
        QB_TRY(qb_quantize_check_space(c->rows, c->n_rows, err));
    struct qb_quant_output *outputs;
    QB_TRY(qb_calloc((void **)&outputs, c->n_rows, sizeof *outputs, "the outputs", err));
    enum qb_status st = run_job(c, outputs, err);
    free(outputs);
    return st;
}

/* ---- the command ---- */

static enum qb_status print(const struct command *c, FILE *out, struct qb_err *err)
{
    enum qb_writer_id id = (enum qb_writer_id)c->o->output;
    if (c->o->per_tensor)
        return qb_quantize_print_tensors(c->rows, c->n_rows, id, out, err);
    return qb_quantize_print(c->rows, c->n_rows, id, out, err);
}

/* Refused: an error where there is nothing else to do, a row of the table where there is. */
static enum qb_status judge(const struct command *c, struct qb_err *err)
{
    size_t refused = 0;
    for (size_t i = 0; i < c->n_rows; i++)
        refused += c->rows[i].state == QB_QUANTIZE_REFUSED;
    if (refused == 0 || c->o->dry_run)
        return QB_OK;
    return qb_fail(err, QB_ERR_CHECK, "%zu of %zu file types were refused", refused, c->n_rows);
}

static enum qb_status run_command(struct command *c, FILE *out, struct qb_err *err)
{
    const struct qb_quantize_row *first;
    QB_TRY(refuse(c->o, qb_shape_name(c->in) != NULL, err));
    QB_TRY(read_options(c, err));
    QB_TRY(open_inputs(c, err));
    QB_TRY(plan_rows(c, err));
    note_missing_entries(c);
    first = &c->rows[0];
    if (c->n_rows == 1 && first->state == QB_QUANTIZE_REFUSED && (!c->o->dry_run || first->plan.n == 0)) {
        if (err)
            *err = first->why;
        return first->why.code;
    }
    if (!c->o->dry_run)
        QB_TRY(quantize(c, err));
    QB_TRY(print(c, out, err));
    return judge(c, err);
}

static void release(struct command *c)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        free(c->rows[i].path);
        qb_quant_plan_release(&c->rows[i].plan);
    }
    free(c->rows);
    qb_pool_free(c->pool);
    qb_imatrix_close(c->imatrix);
    qb_gguf_close(c->source);
    qb_overrides_release(&c->overrides);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    struct qb_quantize_options *o = target;
    if (o->quiet)
        qb_log_set_level(QB_LOG_QUIET);
    struct command *c;
    QB_TRY(qb_calloc((void **)&c, 1, sizeof *c, "the command", err));
    c->o = o;
    enum qb_status st = qb_quantize_operands(operands, &o->formats, &c->in, &c->out, err);
    c->formats = o->formats; /* released with the options */
    if (!st)
        st = run_command(c, out, err);
    release(c);
    free(c);
    return st;
}

const struct qb_command qb_cmd_quantize = {
    .name = "quantize",
    .summary = "make other file types of a model, or tell their sizes",
    .operands = "IN.gguf [OUT] [FTYPE]",
    .min_operands = 1,
    .max_operands = 3,
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct qb_quantize_options),
    .run = run,
};

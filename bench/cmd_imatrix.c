/*
 * qbench imatrix: make, merge, convert and describe importance matrices. Options are those of llama-imatrix
 * where it has one, so -o names the output file; the form of the table is --table.
 */
#include "base/log.h"
#include "bench/commands.h"
#include "bench/imatrix_run.h"
#include "bench/imatrix_table.h"
#include <stddef.h>
#include <string.h>

static const char *const path_choices[] = {"kernels", "reference", NULL};
static const char *const kv_choices[] = {"f16", "q8_0", "f32", NULL};
static const char *const form_choices[] = {"auto", "gguf", "dat", NULL};

#define AT(member) offsetof(struct qb_imatrix_options, member)
#define STRING(name, short_name, member, value, help)                                                        \
    {                                                                                                        \
        name, short_name, QB_OPT_STRING, AT(member), value, help, NULL, 0, 0, NULL                           \
    }
#define INT(name, short_name, member, help, initial, min, max)                                               \
    {                                                                                                        \
        name, short_name, QB_OPT_INT, AT(member), "N", help, initial, min, max, NULL                         \
    }
#define FLAG(name, short_name, member, help, initial)                                                        \
    {                                                                                                        \
        name, short_name, QB_OPT_FLAG, AT(member), NULL, help, initial, 0, 0, NULL                           \
    }
#define CHOICE(name, short_name, member, value, help, initial, choices)                                      \
    {                                                                                                        \
        name, short_name, QB_OPT_CHOICE, AT(member), value, help, initial, 0, 0, choices                     \
    }
#define HEADING(title)                                                                                       \
    {                                                                                                        \
        NULL, NULL, QB_OPT_HEADING, 0, NULL, title, NULL, 0, 0, NULL                                         \
    }

static const struct qb_option options[] = {
    STRING("model", "m", model, "FILE", "GGUF file, any part of a split set."),
    STRING("file", "f", file, "FILE", "The text. Without text and in-files: a built-in one."),
    STRING("prompt", "p", text, "TEXT", "The text itself."),
    STRING("ids", NULL, ids_file, "FILE",
           "Token ids instead of a text: integers, as 'qbench tokenize --ids' prints them."),
    FLAG("parse-special", NULL, parse_special, "The text of a special token becomes that token.", NULL),
    HEADING("output"),
    STRING("output", "o", output, "FILE", "The importance matrix (default imatrix.gguf, imatrix.dat)."),
    STRING("output-file", NULL, output, "FILE", NULL),
    CHOICE("output-format", NULL, form, "FORM",
           "Form of the file; auto: dat when its name ends so, otherwise gguf.", "auto", form_choices),
    INT("output-frequency", "ofreq", output_frequency,
        "Write the output, and a checkpoint for '--resume' beside it, after every N chunks; 0 = only at the "
        "end and on interruption.",
        "10", 0, 1000000000),
    INT("save-frequency", NULL, save_frequency,
        "Write a copy, FILE.at_CHUNK, after every N chunks; 0 = none.", "0", 0, 1000000000),
    FLAG("resume", NULL, resume, "Go on from the checkpoint of an interrupted run, if there is one.", NULL),
    HEADING("what to collect"),
    INT("chunks", NULL, chunks, "Most chunks to evaluate; -1 = all.", "-1", -1, 1000000000),
    INT("chunk", NULL, from_chunk, "Leave out the first N chunks.", "0", 0, 1000000000),
    INT("from-chunk", NULL, from_chunk, NULL, "0", 0, 1000000000),
    INT("ctx-size", "c", n_ctx, "Tokens of a chunk; 0 = what the model was trained for.", "512", 0, 1 << 24),
    FLAG("process-output", NULL, process_output, "Collect for the matrix of the output, too.", NULL),
    FLAG("ppl", NULL, ppl, "Tell the perplexity (--no-ppl: save the time).", "yes"),
    {"in-file", NULL, QB_OPT_LIST, AT(in_files), "FILE",
     "Add this importance matrix, of either form; repeat for more. Without a text nothing is collected: the "
     "files are merged, or converted.",
     NULL, 0, 0, NULL},
    HEADING("statistics"),
    FLAG("show-statistics", NULL, show_statistics,
         "Print a table of the tensors: of the in-files, and write nothing; without in-files of what was "
         "collected.",
         NULL),
    CHOICE("table", NULL, table, "FORM", "Form of that table.", "md", qb_table_forms),
    HEADING("engine"),
    CHOICE("path", NULL, path, "PATH",
           "kernels: as in a benchmark; reference: weights decoded to f32, f32 throughout.", "kernels",
           path_choices),
    {"isa", NULL, QB_OPT_STRING, AT(isa), "ISA", "Highest instruction set level (see 'qbench kernels list').",
     "auto", 0, 0, NULL},
    CHOICE("layout", NULL, layout, "LAYOUT", "Layout of the weights in memory.", "plain", qb_layout_names),
    CHOICE("cache-type-k", "ctk", type_k, "TYPE", "Format of the K cache.", "f16", kv_choices),
    CHOICE("cache-type-v", "ctv", type_v, "TYPE", "Format of the V cache.", "f16", kv_choices),
    INT("batch-size", "b", n_batch, "Most tokens in one evaluation.", "2048", 1, 1000000),
    INT("ubatch-size", "ub", n_ubatch, "Most tokens multiplied at once.", "512", 1, 65536),
    INT("threads", "t", threads, "Threads; 0 = one a physical core within affinity and CPU quota.", "0", 0,
        4096),
    STRING("cpu-mask", "C", cpu_mask, "MASK", "CPUs to use, hexadecimal or a list as 0-3,8."),
    FLAG("smt", NULL, smt, "Use all hardware threads of a core.", NULL),
    FLAG("progress", NULL, progress, "Print progress also where stderr is not a terminal.", NULL),
    FLAG("quiet", "q", quiet, "Print no notes, only errors.", NULL),
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Choices become the engine's numbers; the output gets its name and form. */
static void settle(struct qb_imatrix_options *o)
{
    enum qb_layout_id layout;
    enum qb_kv_type k, v;
    if (!qb_layout_parse(qb_layout_names[o->layout], &layout) ||
        !qb_kv_type_parse(kv_choices[o->type_k], &k) || !qb_kv_type_parse(kv_choices[o->type_v], &v))
        QB_BUG("a choice of 'imatrix' is unknown");
    o->layout = (int)layout;
    o->type_k = (int)k;
    o->type_v = (int)v;
    bool dat = !strcmp(form_choices[o->form], "dat") ||
               (!strcmp(form_choices[o->form], "auto") && o->output && ends_with(o->output, ".dat"));
    o->output_form = dat ? QB_IMATRIX_DAT : QB_IMATRIX_GGUF;
    o->output = o->output ? o->output : dat ? "imatrix.dat" : "imatrix.gguf";
}

/* Do the in-files fit the model? Only asked when one is named. */
static enum qb_status check_model(const struct qb_imatrix *im, const char *model, struct qb_err *err)
{
    struct qb_gguf *g;
    if (!model)
        return QB_OK;
    QB_TRY(qb_gguf_open(&g, model, err));
    enum qb_status st = qb_imatrix_check_model(im, g, err);
    qb_gguf_close(g);
    return st;
}

/* Only files: merge or convert them, or show what they hold. */
static enum qb_status from_files(const struct qb_imatrix_options *o, FILE *out, struct qb_err *err)
{
    struct qb_imatrix *im;
    QB_TRY(qb_imatrix_create(&im, 0, err));
    enum qb_status st = qb_imatrix_add_files(im, &o->in_files, (uint32_t)(o->n_ctx ? o->n_ctx : 512), err);
    if (!st)
        st = check_model(im, o->model, err);
    if (!st)
        st = qb_imatrix_notes(im, err);
    if (!st && o->show_statistics)
        st = qb_imatrix_table(im, (enum qb_writer_id)o->table, out, err);
    else if (!st)
        st = qb_imatrix_write(im, o->output, o->output_form, NULL, 0, err);
    if (!st && !o->show_statistics)
        qb_info("wrote '%s': %zu tensors, %u chunks", o->output, im->n, im->n_chunks);
    qb_imatrix_close(im);
    return st;
}

static enum qb_status from_text(const struct qb_imatrix_options *o, FILE *out, struct qb_err *err)
{
    struct qb_imatrix *im;
    QB_TRY(qb_imatrix_run(&im, o, err));
    enum qb_status st = qb_imatrix_notes(im, err);
    if (!st && o->show_statistics)
        st = qb_imatrix_table(im, (enum qb_writer_id)o->table, out, err);
    qb_imatrix_close(im);
    return st;
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    struct qb_imatrix_options *o = target;
    int n_texts = (o->file != NULL) + (o->text != NULL) + (o->ids_file != NULL);
    settle(o);
    if (o->quiet)
        qb_log_set_level(QB_LOG_QUIET);
    if (n_texts > 1)
        return qb_fail(err, QB_ERR_USAGE, "only one of '--file', '--prompt' and '--ids' can be the text");
    if (o->in_files.n && (n_texts == 0 || o->show_statistics))
        return from_files(o, out, err);
    return from_text(o, out, err);
}

const struct qb_command qb_cmd_imatrix = {
    .name = "imatrix",
    .summary = "make, merge and show importance matrices",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct qb_imatrix_options),
    .run = run,
};

/*
 * qbench quality: perplexity and KL divergence of models, and of what one model becomes in every format.
 */
#include "base/log.h"
#include "bench/commands.h"
#include "bench/quality.h"
#include "kernels/cpu.h"
#include "reports/report.h"
#include <stddef.h>

static const char *const path_choices[] = {"kernels", "reference", NULL};
static const char *const kv_choices[] = {"auto", "f16", "q8_0", "f32", NULL};

#define AT(member) offsetof(struct qb_quality_options, member)
#define HEADING(text)                                                                                        \
    {                                                                                                        \
        NULL, NULL, QB_OPT_HEADING, 0, NULL, text, NULL, 0, 0, NULL                                          \
    }

static const struct qb_option options[] = {
    HEADING("what to measure"),
    {"model", "m", QB_OPT_LIST, AT(models), "FILE", "GGUF file, any part of a split set; several are rows.",
     NULL, 0, 0, NULL},
    {"formats", NULL, QB_OPT_LIST, AT(formats), "FTYPE[@LAYOUT]",
     "Quantize the model in memory to these file types, and measure each against it; all; card: the 25 of "
     "model cards.",
     NULL, 0, 0, NULL},
    {"imatrix", NULL, QB_OPT_STRING, AT(imatrix), "FILE", "Importance matrix for --formats.", NULL, 0, 0,
     NULL},
    {"base", NULL, QB_OPT_STRING, AT(base), "FILE",
     "What KL divergences are against: a GGUF file, or a file of log-probabilities as llama-perplexity "
     "writes it (default with --formats: the model).",
     NULL, 0, 0, NULL},
    {"save-base", NULL, QB_OPT_STRING, AT(save_base), "FILE",
     "Write the log-probabilities of the base, or of the model, for --base and for llama-perplexity.", NULL,
     0, 0, NULL},
    HEADING("text"),
    {"text", "f", QB_OPT_STRING, AT(text), "FILE", "Text to predict (default: the one in the program).", NULL,
     0, 0, NULL},
    {"ctx-size", "c", QB_OPT_INT, AT(n_ctx), "N",
     "Tokens of a chunk; the second half is scored (default 512, or that of the base).", NULL, 8, 1 << 20,
     NULL},
    {"chunks", NULL, QB_OPT_INT, AT(n_chunks), "N", "Most chunks; 0 = the whole text.", "0", 0, 1e9, NULL},
    HEADING("engine"),
    {"path", NULL, QB_OPT_CHOICE, AT(path), "PATH",
     "kernels: as in a benchmark; reference: weights decoded to f32, f32 throughout.", "kernels", 0, 0,
     path_choices},
    {"isa", NULL, QB_OPT_STRING, AT(isa), "ISA", "Highest instruction set level.", "auto", 0, 0,
     qb_isa_choices},
    {"layout", NULL, QB_OPT_STRING, AT(layout), "LAYOUT",
     "Layout of the weights in memory where a format names none: plain, 4x4, 4x8, 8x8, r16, x16 or auto.",
     "plain", 0, 0, qb_layout_names},
    {"cache-type-k", "ctk", QB_OPT_CHOICE, AT(type_k), "TYPE",
     "Format of the K cache; auto: f16, on the reference path f32.", "auto", 0, 0, kv_choices},
    {"cache-type-v", "ctv", QB_OPT_CHOICE, AT(type_v), "TYPE", "Format of the V cache.", "auto", 0, 0,
     kv_choices},
    {"ubatch-size", "ub", QB_OPT_INT, AT(n_ubatch), "N", "Most tokens multiplied at once.", "512", 1, 65536,
     NULL},
    {"threads", "t", QB_OPT_INT, AT(threads), "N",
     "Threads; 0 = one a physical core within affinity and CPU quota.", "0", 0, 4096, NULL},
    {"cpu-mask", "C", QB_OPT_STRING, AT(cpu_mask), "MASK", "CPUs to use, hexadecimal or a list as 0-3,8.",
     NULL, 0, 0, NULL},
    {"smt", NULL, QB_OPT_FLAG, AT(smt), NULL, "Use all hardware threads of a core.", NULL, 0, 0, NULL},
    HEADING("output"),
    {"output", "o", QB_OPT_CHOICE, AT(output), "FORM", "Form of the table.", "md", 0, 0, qb_table_forms},
    {"report-dir", NULL, QB_OPT_STRING, AT(report_dir), "DIR", "Also write tables and the chart there.", NULL,
     0, 0, NULL},
    {"progress", NULL, QB_OPT_FLAG, AT(progress), NULL, "Print progress also where stderr is not a terminal.",
     NULL, 0, 0, NULL},
    {"quiet", "q", QB_OPT_FLAG, AT(quiet), NULL, "Print no notes, only errors.", NULL, 0, 0, NULL},
};

static enum qb_status print(const struct qb_quality_options *o, const struct qb_quality_rows *r, FILE *out,
                            struct qb_err *err)
{
    QB_TRY(qb_quality_write((enum qb_writer_id)o->output, out, r->rows, r->n, err));
    return o->report_dir ? qb_quality_write_dir(o->report_dir, r->rows, r->n, err) : QB_OK;
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    struct qb_quality_options *o = target;
    struct qb_quality_rows rows;
    o->stop = qb_interrupted;
    if (o->quiet)
        qb_log_set_level(QB_LOG_QUIET);
    if (o->report_dir)
        QB_TRY(qb_report_check_dir(o->report_dir, err));
    enum qb_status st = qb_quality_measure(&rows, o, err);
    if (!st || st == QB_ERR_INTERRUPTED) {
        struct qb_err print_err = {0};
        enum qb_status printed = print(o, &rows, out, &print_err);
        if (printed && err)
            *err = print_err;
        st = printed ? printed : st;
    }
    if (!st && rows.n_failed)
        st = qb_fail(err, QB_ERR_CHECK, "%zu row%s failed", rows.n_failed, rows.n_failed == 1 ? "" : "s");
    qb_quality_rows_release(&rows);
    return st;
}

const struct qb_command qb_cmd_quality = {
    .name = "quality",
    .summary = "measure perplexity and KL divergence",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct qb_quality_options),
    .run = run,
};

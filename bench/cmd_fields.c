/*
 * qbench fields: the records, field by field.
 */
#include "bench/commands.h"
#include "reports/quality_record.h"
#include "reports/record.h"
#include <stddef.h>

struct target {
    int output, record;
};

static const char *const record_choices[] = {"bench", "quality", NULL};

static const struct qb_option options[] = {
    {"output", "o", QB_OPT_CHOICE, offsetof(struct target, output), "FORM", "Form of the table.", "md", 0, 0,
     qb_table_forms},
    {"record", NULL, QB_OPT_CHOICE, offsetof(struct target, record), "COMMAND", "Whose record.", "bench", 0,
     0, record_choices},
};

static const char *kind_name(enum qb_value_kind kind)
{
    static const char *const names[] = {"", "text", "integer", "real", "boolean", "list"};
    return names[kind];
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    static const struct qb_column columns[] = {{"n", QB_VALUE_INT, 0, 0},
                                               {"field", QB_VALUE_TEXT, 0, 0},
                                               {"type", QB_VALUE_TEXT, 0, 0},
                                               {"unit", QB_VALUE_TEXT, 0, 0},
                                               {"help", QB_VALUE_TEXT, 0, 0}};
    const struct target *t = target;
    const struct qb_field *fields = t->record ? qb_quality_fields : qb_record_fields;
    size_t n = t->record ? (size_t)QB_QUALITY_FIELD_COUNT : (size_t)QB_FIELD_COUNT;
    struct qb_writer w;
    enum qb_status st =
        qb_writer_begin(&w, (enum qb_writer_id)t->output, out, "fields", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < n && !st; i++) {
        const struct qb_field *f = &fields[i];
        struct qb_value row[] = {qb_int((int64_t)i + 1), qb_text(f->name), qb_text(kind_name(f->kind)),
                                 qb_text(f->unit), qb_text(f->help)};
        st = qb_writer_row(&w, row, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

const struct qb_command qb_cmd_fields = {
    .name = "fields",
    .summary = "list the fields of a result record",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

/*
 * The record's fields as data.
 */
#include "reports/record.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(QB_FIELD_stddev_ts + 1 == QB_RECORD_LLAMA_FIELDS, "llama-bench's fields come first");

const struct qb_field qb_record_fields[QB_FIELD_COUNT] = {
#define QB_FIELD(kind, name, unit, help)                                                                     \
    {#name, unit, help, QB_VALUE_##kind, offsetof(struct qb_record, name)},
#include "reports/record.def"
#undef QB_FIELD
};

const struct qb_column *qb_record_columns(void)
{
    static const struct qb_column columns[QB_FIELD_COUNT] = {
#define QB_FIELD(type, id, unit, help) {.name = #id, .kind = QB_VALUE_##type, .decimals = 2},
#include "reports/record.def"
#undef QB_FIELD
    };
    return columns;
}

static void *member(const struct qb_record *r, const struct qb_field *f)
{
    return (char *)r + f->offset;
}

static void set_constants(struct qb_record *r)
{
    r->cpu_strict = 1;
    r->poll = 100;
    r->n_gpu_layers = r->n_cpu_moe = r->main_gpu = r->no_kv_offload = 0;
    r->flash_attn = 1;
    r->embeddings = r->no_op_offload = r->no_host = r->repack = 0;
    r->fit_target = r->fit_min_ctx = 0;
    r->schema = QB_RECORD_SCHEMA;
}

void qb_record_init(struct qb_record *r)
{
    memset(r, 0, sizeof *r);
    qb_fields_init(qb_record_fields, QB_FIELD_COUNT, r);
    set_constants(r);
}

void qb_record_release(struct qb_record *r)
{
    qb_fields_release(qb_record_fields, QB_FIELD_COUNT, r);
    memset(r, 0, sizeof *r);
}

static enum qb_status copy_samples(struct qb_samples *to, const struct qb_samples *from, struct qb_err *err)
{
    if (from->n == 0)
        return QB_OK;
    QB_TRY(qb_calloc((void **)&to->v, from->n, sizeof *to->v, "samples", err));
    memcpy(to->v, from->v, from->n * sizeof *to->v);
    to->n = from->n;
    return QB_OK;
}

enum qb_status qb_record_copy(struct qb_record *to, const struct qb_record *from, struct qb_err *err)
{
    enum qb_status st = QB_OK;
    *to = *from;
    for (size_t i = 0; i < QB_FIELD_COUNT; i++) /* nothing of `from` may be freed through `to` */
        if (qb_record_fields[i].kind == QB_VALUE_TEXT)
            *(char **)member(to, &qb_record_fields[i]) = NULL;
    to->samples_ns = to->samples_ts = (struct qb_samples){0};
    for (size_t i = 0; i < QB_FIELD_COUNT && !st; i++) {
        const struct qb_field *f = &qb_record_fields[i];
        if (f->kind == QB_VALUE_TEXT)
            st = qb_record_text(member(to, f), *(char **)member(from, f), err);
        if (f->kind == QB_VALUE_LIST)
            st = copy_samples(member(to, f), member(from, f), err);
    }
    if (st)
        qb_record_release(to);
    return st;
}

void qb_record_values(const struct qb_record *r, struct qb_value *values)
{
    for (size_t i = 0; i < QB_FIELD_COUNT; i++)
        values[i] = qb_field_value(&qb_record_fields[i], r);
    values[QB_FIELD_samples_ns].whole = true;
}

void qb_record_model_text(const struct qb_record *r, char *out, size_t size)
{
    /* model_type is "ARCH CLASS FILETYPE IN WORDS": keep the first two words */
    const char *type = r->model_type ? r->model_type : "";
    const char *space = strchr(type, ' ');
    const char *second = space ? strchr(space + 1, ' ') : NULL;
    const char *variant = r->variant ? r->variant : "?";
    if (second)
        snprintf(out, size, "%.*s %s", (int)(second - type), type, variant);
    else if (strcmp(variant, "?") != 0)
        snprintf(out, size, "%s %s", r->model_filename ? r->model_filename : "?", variant);
    else
        snprintf(out, size, "%s", r->model_filename ? r->model_filename : "?");
}

void qb_size_text(uint64_t bytes, char *out, size_t size)
{
    double mib = (double)bytes / 1048576;
    if (mib < 1024)
        snprintf(out, size, "%.2f MiB", mib);
    else
        snprintf(out, size, "%.2f GiB", mib / 1024);
}

void qb_params_text(uint64_t n, char *out, size_t size)
{
    if (n < 1000000000u)
        snprintf(out, size, "%.2f M", (double)n * 1e-6);
    else
        snprintf(out, size, "%.2f B", (double)n * 1e-9);
}

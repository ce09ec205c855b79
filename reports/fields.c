/*
 * The members of a record by their descriptions.
 */
#include "reports/fields.h"
#include "base/mem.h"
#include <math.h>
#include <stdlib.h>

static void *member(const struct qb_field *f, const void *record)
{
    return (char *)(uintptr_t)record + f->offset;
}

void qb_fields_init(const struct qb_field *f, size_t n, void *record)
{
    for (const struct qb_field *end = f + n; f < end; f++) {
        if (f->kind == QB_VALUE_TEXT)
            *(char **)member(f, record) = NULL;
        if (f->kind == QB_VALUE_REAL)
            *(double *)member(f, record) = NAN;
        if (f->kind == QB_VALUE_INT || f->kind == QB_VALUE_BOOL)
            *(int64_t *)member(f, record) = QB_ABSENT_INT;
        if (f->kind == QB_VALUE_LIST)
            *(struct qb_samples *)member(f, record) = (struct qb_samples){0};
    }
}

void qb_fields_release(const struct qb_field *f, size_t n, void *record)
{
    for (const struct qb_field *end = f + n; f < end; f++) {
        if (f->kind == QB_VALUE_TEXT)
            free(*(char **)member(f, record));
        if (f->kind == QB_VALUE_LIST)
            free(((struct qb_samples *)member(f, record))->v);
    }
}

struct qb_value qb_field_value(const struct qb_field *f, const void *record)
{
    const void *p = member(f, record);
    int64_t i;
    switch (f->kind) {
    case QB_VALUE_TEXT:
        return qb_text(*(char *const *)p);
    case QB_VALUE_REAL:
        return qb_real(*(const double *)p);
    case QB_VALUE_LIST: {
        const struct qb_samples *s = p;
        return (struct qb_value){.kind = QB_VALUE_LIST, .list = s->v, .n = s->n};
    }
    default:
        i = *(const int64_t *)p;
        if (i == QB_ABSENT_INT)
            return (struct qb_value){.kind = QB_VALUE_NULL};
        return f->kind == QB_VALUE_BOOL ? qb_bool(i != 0) : qb_int(i);
    }
}

enum qb_status qb_record_text(char **field, const char *text, struct qb_err *err)
{
    char *copy = NULL;
    if (text)
        QB_TRY(qb_strdup(&copy, text, err));
    free(*field);
    *field = copy;
    return QB_OK;
}

/*
 * Records whose struct, columns and documentation come from one X-list: QB_FIELD(kind, name, unit, help).
 * Texts are owned by the record (NULL = absent), reals are absent when NaN, integers and booleans when
 * QB_ABSENT_INT.
 */
#ifndef QB_REPORTS_FIELDS_H
#define QB_REPORTS_FIELDS_H

#include "reports/table.h"

#define QB_ABSENT_INT INT64_MIN

struct qb_samples {
    double *v; /* owned */
    size_t n;
};

#define QB_RECORD_TYPE_TEXT char *
#define QB_RECORD_TYPE_INT  int64_t
#define QB_RECORD_TYPE_REAL double
#define QB_RECORD_TYPE_BOOL int64_t
#define QB_RECORD_TYPE_LIST struct qb_samples

/* A field as data. */
struct qb_field {
    const char *name, *unit, *help;
    enum qb_value_kind kind;
    size_t offset;
};

void qb_fields_init(const struct qb_field *f, size_t n, void *record); /* all absent */
void qb_fields_release(const struct qb_field *f, size_t n, void *record);
/* Borrows from the record. */
struct qb_value qb_field_value(const struct qb_field *f, const void *record);
/* Set a text field (the address of the member): frees the old one, copies. NULL = absent. */
enum qb_status qb_record_text(char **field, const char *text, struct qb_err *err);

#endif

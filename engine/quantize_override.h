/*
 * PATTERN=TYPE: the type that a user gives to the tensors whose names a regular expression matches.
 */
#ifndef QB_ENGINE_QUANTIZE_OVERRIDE_H
#define QB_ENGINE_QUANTIZE_OVERRIDE_H

#include "base/err.h"

struct qb_override;
struct qb_overrides {
    struct qb_override *items; /* owned; pair: qb_overrides_release */
    size_t n;
};

/*
 * Add "PATTERN=TYPE": a POSIX extended expression, searched anywhere in the name in any case; also \d, \w,
 * \s,
 * (?:...) and lazy quantifiers, which scripts for other quantizers use. QB_ERR_USAGE names what is wrong.
 */
enum qb_status qb_overrides_add(struct qb_overrides *o, const char *text, struct qb_err *err);
void qb_overrides_release(struct qb_overrides *o);
/* GGUF type id of the first pattern that matches, -1 when none does. `o` is a struct qb_overrides; it notes
 * the use. */
int qb_overrides_match(const void *o, const char *tensor);
/* The first text whose pattern matched nothing yet (a misspelt one), NULL when all did. */
const char *qb_overrides_unused(const struct qb_overrides *o);

/* A GGUF type id by name. QB_ERR_USAGE says which one may have been meant. */
enum qb_status qb_ggml_parse(int *type_id, const char *name, struct qb_err *err);

#endif

/*
 * Lists of file types as users write them: names, and the words `all` and `card`.
 */
#ifndef QB_BENCH_FTYPE_LIST_H
#define QB_BENCH_FTYPE_LIST_H

#include "base/options.h"
#include "engine/ftype.h"

/* Replace the words `all` and `card` by the names that they stand for. */
enum qb_status qb_ftype_list_expand(struct qb_str_list *names, struct qb_err *err);
/* The file type of a name. QB_ERR_USAGE says which one may have been meant. */
enum qb_status qb_ftype_parse(const struct qb_ftype **out, const char *name, struct qb_err *err);

#endif

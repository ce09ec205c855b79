/*
 * Pre-tokenizers of byte-level vocabularies: text to words, by regular expressions.
 */
#ifndef QB_ENGINE_PRETOK_H
#define QB_ENGINE_PRETOK_H

#include "base/err.h"

/* A row of pretok.def. */
struct qb_pretok_row {
    const char *name;
    const char *const *expressions; /* NULL-terminated */
    bool add_bos, ignore_merges;
};
const struct qb_pretok_row *qb_pretok_rows(size_t *n);
/* NULL when the name is unknown. */
const struct qb_pretok_row *qb_pretok_find(const char *name, size_t len);

struct qb_pretok; /* compiled */
/* Pair: qb_pretok_free (accepts NULL). */
enum qb_status qb_pretok_create(struct qb_pretok **out, const struct qb_pretok_row *row, struct qb_err *err);
void qb_pretok_free(struct qb_pretok *p);

typedef enum qb_status qb_word_fn(void *arg, const char *word, size_t len, struct qb_err *err);
/*
 * Call fn for every word, in order; together they are the text. A byte that is not part of a valid UTF-8
 * character is a word of its own.
 */
enum qb_status qb_pretok_split(const struct qb_pretok *p, const char *text, size_t len, qb_word_fn *fn,
                               void *arg, struct qb_err *err);

#endif

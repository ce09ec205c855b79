/*
 * A growable byte string with a cap. Invariants: data is always NUL-terminated (also when empty), len
 * excludes the NUL. A failed append leaves the buffer as it was and sets `failed`, which sticks: write many,
 * test once.
 */
#ifndef QB_BASE_BUF_H
#define QB_BASE_BUF_H

#include "base/err.h"
#include <stdarg.h>

struct qb_buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};

void qb_buf_init(struct qb_buf *b, size_t max); /* allocates nothing; max = 0 means 1 GiB */
void qb_buf_release(struct qb_buf *b);
void qb_buf_clear(struct qb_buf *b); /* len = 0, failed = false, keeps the memory */
bool qb_buf_append(struct qb_buf *b, const void *data, size_t len);
bool qb_buf_puts(struct qb_buf *b, const char *s);
bool qb_buf_putc(struct qb_buf *b, char c);
bool qb_buf_printf(struct qb_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool qb_buf_vprintf(struct qb_buf *b, const char *fmt, va_list ap);
/* QB_ERR_MEMORY naming what when `failed` is set. */
enum qb_status qb_buf_status(const struct qb_buf *b, const char *what, struct qb_err *err);

#endif

/*
 * The growable byte string of base/buf.h.
 */
#include "base/buf.h"

#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX ((size_t)1 << 30)

/* What data points at while nothing is allocated (cap == 0). Never written to. */
static char empty_text[1];

void qb_buf_init(struct qb_buf *b, size_t max)
{
    *b = (struct qb_buf){.data = empty_text, .max = max ? max : DEFAULT_MAX};
}

void qb_buf_release(struct qb_buf *b)
{
    if (b->cap)
        free(b->data);
    qb_buf_init(b, b->max);
}

void qb_buf_clear(struct qb_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->cap)
        b->data[0] = '\0';
}

/* Make room for `more` bytes and the NUL. */
static bool reserve(struct qb_buf *b, size_t more)
{
    size_t need;
    if (b->failed || !qb_size_add(b->len, more, &need) || need > b->max) {
        b->failed = true;
        return false;
    }
    if (b->cap && need < b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap <= need)
        cap = cap > SIZE_MAX / 2 ? need + 1 : cap * 2;
    char *data = realloc(b->cap ? b->data : NULL, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool qb_buf_append(struct qb_buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return false;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool qb_buf_puts(struct qb_buf *b, const char *s)
{
    return qb_buf_append(b, s, strlen(s));
}

bool qb_buf_putc(struct qb_buf *b, char c)
{
    return qb_buf_append(b, &c, 1);
}

bool qb_buf_printf(struct qb_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool ok = qb_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return ok;
}

bool qb_buf_vprintf(struct qb_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    bool ok = len >= 0 && reserve(b, (size_t)len);
    if (ok) {
        vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    } else {
        b->failed = true;
    }
    va_end(again);
    return ok;
}

enum qb_status qb_buf_status(const struct qb_buf *b, const char *what, struct qb_err *err)
{
    if (!b->failed)
        return QB_OK;
    return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %s (%zu bytes used, limit %zu)", what, b->len,
                   b->max);
}

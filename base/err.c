/*
 * Error values: formats messages and stops the program on a bug.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Messages are built aside first: an argument may point into the message that is being replaced. */
static void set_message(struct qb_err *err, enum qb_status code, const char *text)
{
    err->code = code;
    snprintf(err->message, sizeof err->message, "%s", text);
}

enum qb_status qb_fail(struct qb_err *err, enum qb_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    char text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    set_message(err, code, text);
    return code;
}

/* Append ": tail" where it fits; a longer text is cut. */
static void append_tail(char *text, size_t size, const char *tail)
{
    size_t used = strlen(text), room = size - used;
    if (room < 3)
        return;
    memcpy(text + used, ": ", 3);
    size_t len = strnlen(tail, room - 3);
    memcpy(text + used + 2, tail, len);
    text[used + 2 + len] = '\0';
}

enum qb_status qb_fail_errno(struct qb_err *err, enum qb_status code, const char *fmt, ...)
{
    int saved = errno;
    if (!err)
        return code;
    char text[sizeof err->message], reason[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* the GNU variant: returns the text, which may or may not lie in `reason` */
    append_tail(text, sizeof text, strerror_r(saved, reason, sizeof reason));
    set_message(err, code, text);
    return code;
}

enum qb_status qb_err_prefix(struct qb_err *err, enum qb_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    char text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    append_tail(text, sizeof text, err->message);
    set_message(err, err->code, text);
    return err->code;
}

void qb_bug(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "qbench: bug at %s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

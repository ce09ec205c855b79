/*
 * Notes on stderr. One write a line, so that lines of several threads do not mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int current_level = QB_LOG_INFO;

void qb_log_set_level(enum qb_log_level level)
{
    atomic_store(&current_level, (int)level);
}

enum qb_log_level qb_log_get_level(void)
{
    return (enum qb_log_level)atomic_load(&current_level);
}

static void emit(enum qb_log_level level, const char *prefix, const char *fmt, va_list ap)
{
    if (qb_log_get_level() < level)
        return;
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    fprintf(stderr, "%s%s\n", prefix, text);
}

void qb_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(QB_LOG_WARN, "qbench: warning: ", fmt, ap);
    va_end(ap);
}

void qb_info(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(QB_LOG_INFO, "qbench: ", fmt, ap);
    va_end(ap);
}

void qb_debug(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(QB_LOG_DEBUG, "qbench: debug: ", fmt, ap);
    va_end(ap);
}

/*
 * Notes for people on stderr. Libraries call qb_warn for what a user should know but that is no failure.
 * bench/main.c sets the level (quiet: errors only) and colour (NO_COLOR, terminal).
 */
#ifndef QB_BASE_LOG_H
#define QB_BASE_LOG_H

enum qb_log_level { QB_LOG_QUIET, QB_LOG_WARN, QB_LOG_INFO, QB_LOG_DEBUG };
void qb_log_set_level(enum qb_log_level level);
enum qb_log_level qb_log_get_level(void);
void qb_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "qbench: warning: ..." */
void qb_info(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "qbench: ..." */
void qb_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

/*
 * Errors as values. Every function that can fail returns enum qb_status and takes struct qb_err *err last.
 * Libraries never print and never exit: bench/main.c does. Bad input is always a status; only a bug in the
 * code itself stops the program (QB_BUG).
 */
#ifndef QB_BASE_ERR_H
#define QB_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qb_status {
    QB_OK = 0,
    QB_ERR_IO,          /* the operating system refused a file operation */
    QB_ERR_FORMAT,      /* the content of a file is malformed */
    QB_ERR_MEMORY,      /* not enough memory */
    QB_ERR_USAGE,       /* an option or argument makes no sense */
    QB_ERR_UNSUPPORTED, /* well-formed, but not supported by this build or machine */
    QB_ERR_NOT_FOUND,   /* a named thing does not exist */
    QB_ERR_CHECK,       /* a correctness check failed */
    QB_ERR_INTERRUPTED, /* the user asked to stop */
};

struct qb_err {
    enum qb_status code;
    char message[512]; /* one finished line: lower case, cause first, names quoted, no full stop */
};

/*
 * Fill err (may be NULL) and return code, so that a failing function can end with `return qb_fail(...)`.
 * The message replaces an earlier one.
 */
enum qb_status qb_fail(struct qb_err *err, enum qb_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As qb_fail, with ": strerror(errno)" appended. errno is read before anything else. */
enum qb_status qb_fail_errno(struct qb_err *err, enum qb_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of a message that is already there; returns err->code (code when err is NULL). */
enum qb_status qb_err_prefix(struct qb_err *err, enum qb_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Return from the calling function when expr is not QB_OK. For functions that hold nothing to release. */
#define QB_TRY(expr)                                                                                         \
    do {                                                                                                     \
        enum qb_status qb_try_status_ = (expr);                                                              \
        if (qb_try_status_ != QB_OK)                                                                         \
            return qb_try_status_;                                                                           \
    } while (0)

/* Stop the program: the code is wrong. Never for bad input. */
#define QB_BUG(...) qb_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void qb_bug(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define QB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif

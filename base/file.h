/*
 * Files: read-only mappings and atomic writes.
 */
#ifndef QB_BASE_FILE_H
#define QB_BASE_FILE_H

#include "base/err.h"
#include <stdio.h>

struct qb_mapping {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
    int fd; /* of the file that data maps; -1 for memory of another kind */
};

/* Map a regular file. Directories, devices, absent and unreadable files fail with a message that names path.
 */
enum qb_status qb_mapping_open(struct qb_mapping *m, const char *path, struct qb_err *err);
void qb_mapping_close(struct qb_mapping *m);
/* Tell the kernel that [offset, offset + size) will not be read again (drops the pages of a repacked tensor).
 */
void qb_mapping_drop(const struct qb_mapping *m, size_t offset, size_t size);
/* Copy bytes that are read once: by a read, which costs less than mapping their pages, where the file allows.
 */
void qb_mapping_copy(const struct qb_mapping *m, size_t offset, size_t size, uint8_t *out);

/*
 * Write a file so that it appears complete or not at all: a temporary name in the same folder, fsync, rename.
 * `qb_atomic_commit` publishes; `qb_atomic_abort` removes the temporary. Both end the writer. Write errors
 * (full disk) stick in the FILE and are reported by commit, which then removes the temporary.
 */
struct qb_atomic {
    FILE *file;
    char *path, *tmp_path;
};
enum qb_status qb_atomic_open(struct qb_atomic *a, const char *path, struct qb_err *err);
enum qb_status qb_atomic_commit(struct qb_atomic *a, struct qb_err *err);
void qb_atomic_abort(struct qb_atomic *a);

/* mkdir -p; an existing directory is fine. */
enum qb_status qb_mkdirs(const char *path, struct qb_err *err);
/* Whole small file as a NUL-terminated string (for /proc and /sys too: reads until the end). Pair: free(). */
enum qb_status qb_read_file(char **out, size_t *len, const char *path, size_t max, struct qb_err *err);
/* First line without the newline into out; false when it cannot be read. For /proc and /sys. */
bool qb_read_line(const char *path, char *out, size_t size);

#endif

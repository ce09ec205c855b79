/*
 * Golden data: finding a set, reading its files (F or F.xz) and index files, counting cases. A set is a
 * folder with the parts formats/, models/, tokenizers/, ..., each with an index.json that names its cases.
 */
#ifndef QB_TESTS_GOLDEN_H
#define QB_TESTS_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOLDEN_PATH    1024
#define GOLDEN_SKIPPED 77 /* exit code: the part is absent */

struct golden {
    char dir[GOLDEN_PATH]; /* of the part */
    const char *part;
    int passed, failed, skipped;
};

/*
 * The folder of a part: argv[1], else the environment variable QBENCH_GOLDEN, else the set of this source
 * tree; with "/part" unless the folder given has itself no such part but an index.json. False, and said on
 * stdout, when the part is absent.
 */
bool golden_open(struct golden *g, const char *part, int argc, char **argv);
/* The counts on stdout; the exit code. */
int golden_close(const struct golden *g);

/* One case more; what it is in printf style. failed and skipped cases are printed. */
void golden_pass(struct golden *g);
void golden_fail(struct golden *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void golden_skip(struct golden *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Is there a file name or name.xz? */
bool golden_has(const struct golden *g, const char *name);
/* dir/name or dir/name.xz, unpacked; NULL when neither is there or it does not unpack. Pair: free(). */
void *golden_read(const struct golden *g, const char *name, size_t *n);
/* A file that must be mapped by the code under test: the path of dir/name, or of an unpacked copy of
 * dir/name.xz in a temporary folder, which golden_forget removes. False when absent. */
bool golden_path(const struct golden *g, const char *name, char *path, size_t size);
void golden_forget(const struct golden *g, const char *name, const char *path);
/* A model of the part real/, in the folder QBENCH_REAL_MODELS or among those of this source tree. False when
 * absent. */
bool golden_real_model(const char *file, char *path, size_t size);

/* index.json of the part, or of a folder below it ("repack/index.json"). NULL and a failed case when broken.
 */
json_t *golden_index(struct golden *g, const char *name);
/* Members with defaults, so that a broken index gives failed cases and no crash. */
const char *golden_string(const json_t *o, const char *key);
int64_t golden_int(const json_t *o, const char *key);

#endif

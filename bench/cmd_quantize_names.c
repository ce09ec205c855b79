/*
 * Operands, file names and sizes of `qbench quantize`.
 */
#include "base/file.h"
#include "base/mem.h"
#include "bench/cmd_quantize.h"
#include "bench/ftype_list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* ---- operands ---- */

static enum qb_status split_commas(struct qb_str_list *out, const char *text, struct qb_err *err)
{
    char item[64];
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        int len = (int)strcspn(p, ",");
        if (len == 0 || len >= (int)sizeof item)
            return qb_fail(err, QB_ERR_USAGE, "unknown file type '%.60s'", text);
        snprintf(item, sizeof item, "%.*s", len, p);
        QB_TRY(qb_str_list_add(out, item, err));
    }
    return QB_OK;
}

/* Names as the table has them, each once, in the order given. */
static enum qb_status resolve(struct qb_str_list *names, struct qb_err *err)
{
    struct qb_str_list out = {0};
    enum qb_status st = qb_ftype_list_expand(names, err);
    for (size_t i = 0; i < names->n && !st; i++) {
        const struct qb_ftype *f;
        size_t k = 0;
        st = qb_ftype_parse(&f, names->items[i], err);
        while (!st && k < out.n && strcmp(out.items[k], f->name) != 0)
            k++;
        if (!st && k == out.n)
            st = qb_str_list_add(&out, f->name, err);
    }
    if (st) {
        qb_str_list_release(&out);
        return st;
    }
    qb_str_list_release(names);
    *names = out;
    return QB_OK;
}

enum qb_status qb_quantize_operands(const struct qb_str_list *operands, struct qb_str_list *formats,
                                    const char **in, const char **out, struct qb_err *err)
{
    size_t n = operands->n;
    bool listed = formats->n > 0;
    *in = operands->items[0];
    if (n > (listed ? 2u : 3u))
        return qb_fail(err, QB_ERR_USAGE, "unexpected argument '%s'", operands->items[n - 1]);
    if (!listed && (n < 2 || (n == 2 && strstr(operands->items[1], ".gguf"))))
        return qb_fail(err, QB_ERR_USAGE, "no file type is named (for example: Q4_K_M, or --formats card)");
    if (!listed)
        QB_TRY(split_commas(formats, operands->items[n - 1], err));
    *out = n == 3 || (listed && n == 2) ? operands->items[1] : NULL;
    return resolve(formats, err);
}

/* ---- names ---- */

#define FTYPE_MARK "{ftype}"

static bool is_folder(const char *path)
{
    struct stat st;
    size_t len = strlen(path);
    return (len > 0 && path[len - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* How much of a name is left without "-00001-of-00003". */
static size_t without_part(const char *name, size_t len)
{
    static const char part[] = "-00001-of-00001";
    const size_t n = sizeof part - 1;
    if (len <= n)
        return len;
    for (size_t i = 0; i < n; i++) {
        char c = name[len - n + i];
        bool digit = c >= '0' && c <= '9';
        if (part[i] >= '0' && part[i] <= '9' ? !digit : c != part[i])
            return len;
    }
    return len - n;
}

/* ... and without the file type at its end ("-F16", ".q8_0"). */
static size_t without_ftype(const char *name, size_t len)
{
    size_t n;
    const struct qb_ftype *all = qb_ftypes(&n);
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(all[i].name);
        if (len > m + 1 && strchr("-._", name[len - m - 1]) &&
            strncasecmp(name + len - m, all[i].name, m) == 0)
            return len - m - 1;
    }
    return len;
}

/* "models/tiny-F16.gguf": "tiny". */
static void stem_of(const char *in, const char **stem, int *len)
{
    const char *slash = strrchr(in, '/');
    *stem = slash ? slash + 1 : in;
    size_t n = strlen(*stem);
    if (n > 5 && strcasecmp(*stem + n - 5, ".gguf") == 0)
        n -= 5;
    *len = (int)without_ftype(*stem, without_part(*stem, n));
}

static void put_marked(struct qb_buf *b, const char *out, const char *ftype)
{
    for (const char *mark; (mark = strstr(out, FTYPE_MARK)); out = mark + strlen(FTYPE_MARK)) {
        qb_buf_append(b, out, (size_t)(mark - out));
        qb_buf_puts(b, ftype);
    }
    qb_buf_puts(b, out);
}

enum qb_status qb_quantize_path(char **path, const char *in, const char *out, const struct qb_ftype *ftype,
                                bool single, struct qb_err *err)
{
    struct qb_buf b;
    const char *stem, *slash = strrchr(in, '/');
    int len;
    *path = NULL;
    stem_of(in, &stem, &len);
    qb_buf_init(&b, 0);
    if (out && strstr(out, FTYPE_MARK)) {
        put_marked(&b, out, ftype->name);
    } else if (out && is_folder(out)) {
        qb_buf_printf(&b, "%s%s%.*s-%s.gguf", out, out[strlen(out) - 1] == '/' ? "" : "/", len, stem,
                      ftype->name);
    } else if (!out) {
        qb_buf_printf(&b, "%.*s%.*s-%s.gguf", slash ? (int)(slash + 1 - in) : 0, in, len, stem, ftype->name);
    } else if (single) {
        qb_buf_puts(&b, out);
    } else {
        qb_buf_release(&b);
        return qb_fail(err, QB_ERR_USAGE,
                       "'%s' cannot be several files: name a folder, or put {ftype} into the name", out);
    }
    enum qb_status st = qb_buf_status(&b, "the file name", err);
    if (!st)
        st = qb_strdup(path, b.data, err);
    qb_buf_release(&b);
    return st;
}

/* ---- what is in the way ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum qb_status qb_quantize_check_paths(const struct qb_str_list *paths, const struct qb_gguf *g,
                                       const char *imatrix, struct qb_err *err)
{
    for (size_t i = 0; i < paths->n; i++) {
        for (int p = 0; p < qb_gguf_n_files(g); p++)
            if (same_file(paths->items[i], qb_gguf_file_path(g, p)))
                return qb_fail(err, QB_ERR_USAGE, "'%s' would overwrite the input", paths->items[i]);
        if (imatrix && same_file(paths->items[i], imatrix))
            return qb_fail(err, QB_ERR_USAGE, "'%s' would overwrite the importance matrix", paths->items[i]);
        if (is_folder(paths->items[i]))
            return qb_fail(err, QB_ERR_USAGE, "cannot write '%s': is a directory", paths->items[i]);
    }
    return QB_OK;
}

/* The folder of a path, or ".". */
static void folder_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

static uint64_t needed_there(const struct qb_quantize_row *rows, size_t n, dev_t device)
{
    uint64_t sum = 0;
    char folder[4096];
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        folder_of(rows[i].path ? rows[i].path : "", folder, sizeof folder);
        if (rows[i].state == QB_QUANTIZE_OK && stat(folder, &st) == 0 && st.st_dev == device)
            sum += rows[i].size_bytes;
    }
    return sum;
}

enum qb_status qb_quantize_check_space(const struct qb_quantize_row *rows, size_t n, struct qb_err *err)
{
    char folder[4096];
    for (size_t i = 0; i < n; i++) {
        struct stat st, target;
        struct statvfs fs;
        if (rows[i].state != QB_QUANTIZE_OK || (stat(rows[i].path, &target) == 0 && !S_ISREG(target.st_mode)))
            continue; /* a pipe or /dev/null takes everything */
        folder_of(rows[i].path, folder, sizeof folder);
        if (stat(folder, &st) != 0 || statvfs(folder, &fs) != 0 || fs.f_blocks == 0)
            continue;
        uint64_t needed = needed_there(rows, n, st.st_dev), free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
        if (needed > free_bytes)
            return qb_fail(err, QB_ERR_IO, "not enough space in '%s': %.2f GB are needed, %.2f GB are free",
                           folder, (double)needed / 1e9, (double)free_bytes / 1e9);
    }
    return QB_OK;
}

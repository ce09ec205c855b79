/*
 * Reading golden sets. Compressed files are .xz (liblzma).
 */
#include "tests/golden/golden.h"
#include "base/file.h"
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)1 << 30)

static bool exists(const char *dir, const char *name)
{
    char path[GOLDEN_PATH + 256];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0;
}

bool golden_open(struct golden *g, const char *part, int argc, char **argv)
{
    const char *set = argc > 1 ? argv[1] : getenv("QBENCH_GOLDEN");
    if (!set || !*set)
        set = QB_SOURCE_DIR "/tests/golden";
    *g = (struct golden){.part = part};
    if (!exists(set, part) && exists(set, "index.json"))
        snprintf(g->dir, sizeof g->dir, "%s", set);
    else
        snprintf(g->dir, sizeof g->dir, "%s/%s", set, part);
    if (exists(g->dir, "index.json"))
        return true;
    printf("skipped: no %s in '%s'\n", part, set);
    return false;
}

bool golden_has(const struct golden *g, const char *name)
{
    char packed[GOLDEN_PATH];
    snprintf(packed, sizeof packed, "%s.xz", name);
    return exists(g->dir, name) || exists(g->dir, packed);
}

int golden_close(const struct golden *g)
{
    printf("%s: %d passed, %d failed, %d skipped ('%s')\n", g->part, g->passed, g->failed, g->skipped,
           g->dir);
    return g->failed > 0 || g->passed == 0;
}

static void note(const char *label, const char *fmt, va_list ap)
{
    printf("%s ", label);
    vprintf(fmt, ap);
    putchar('\n');
    fflush(stdout);
}

void golden_pass(struct golden *g)
{
    g->passed++;
}

void golden_fail(struct golden *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note("FAIL", fmt, ap);
    va_end(ap);
    g->failed++;
}

void golden_skip(struct golden *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note("skip", fmt, ap);
    va_end(ap);
    g->skipped++;
}

/* Unpack a whole .xz stream; the size is not known before. */
static void *unpack(const uint8_t *in, size_t n_in, size_t *n)
{
    lzma_stream s = LZMA_STREAM_INIT;
    size_t cap = n_in * 4 + 4096;
    uint8_t *out = NULL;
    lzma_ret ret = lzma_stream_decoder(&s, (uint64_t)256 << 20, 0);
    s.next_in = in;
    s.avail_in = n_in;
    while (ret == LZMA_OK && cap <= MAX_FILE) {
        uint8_t *grown = realloc(out, cap);
        if (!grown)
            break;
        out = grown;
        s.next_out = out + s.total_out;
        s.avail_out = cap - s.total_out;
        ret = lzma_code(&s, LZMA_FINISH);
        cap *= 2;
    }
    *n = s.total_out;
    lzma_end(&s);
    if (ret == LZMA_STREAM_END)
        return out;
    free(out);
    return NULL;
}

void *golden_read(const struct golden *g, const char *name, size_t *n)
{
    char path[GOLDEN_PATH + 256];
    char *data = NULL, *packed;
    snprintf(path, sizeof path, "%s/%s", g->dir, name);
    if (qb_read_file(&data, n, path, MAX_FILE, NULL) == QB_OK)
        return data;
    snprintf(path, sizeof path, "%s/%s.xz", g->dir, name);
    if (qb_read_file(&packed, n, path, MAX_FILE, NULL) != QB_OK)
        return NULL;
    data = unpack((const uint8_t *)packed, *n, n);
    free(packed);
    return data;
}

/* Write data to a new temporary file whose name ends like name. */
static bool write_copy(const char *name, const void *data, size_t n, char *path, size_t size)
{
    const char *tmp = getenv("TMPDIR"), *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    snprintf(path, size, "%s/golden-XXXXXX-%s", tmp && *tmp ? tmp : "/tmp", base);
    int fd = mkstemps(path, (int)strlen(base) + 1);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!f)
        return false;
    bool ok = fwrite(data, 1, n, f) == n;
    return fclose(f) == 0 && ok;
}

bool golden_path(const struct golden *g, const char *name, char *path, size_t size)
{
    size_t n;
    snprintf(path, size, "%s/%s", g->dir, name);
    if (exists(g->dir, name))
        return true;
    void *data = golden_read(g, name, &n);
    bool ok = data && write_copy(name, data, n, path, size);
    free(data);
    return ok;
}

void golden_forget(const struct golden *g, const char *name, const char *path)
{
    if (!exists(g->dir, name))
        unlink(path);
}

json_t *golden_index(struct golden *g, const char *name)
{
    size_t n;
    json_error_t error = {.text = "no such file"};
    char *text = golden_read(g, name, &n);
    json_t *root = text ? json_loadb(text, n, JSON_ALLOW_NUL, &error) : NULL;
    free(text);
    if (!root)
        golden_fail(g, "%s: %s (line %d)", name, error.text, error.line);
    return root;
}

const char *golden_string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

int64_t golden_int(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

bool golden_real_model(const char *file, char *path, size_t size)
{
    const char *dirs[] = {getenv("QBENCH_REAL_MODELS"), QB_SOURCE_DIR "/datasets/models"};
    for (size_t i = 0; i < 2; i++) {
        if (!dirs[i])
            continue;
        snprintf(path, size, "%s/%s", dirs[i], file);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

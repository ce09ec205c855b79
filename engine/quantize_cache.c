/*
 * One file a tensor and type: a head of 64 bytes with length and hash of what follows, and the blocks. No
 * fsync: a file that a crash damaged fails its hash and is made again. Hash: XXH3 (Collet).
 */
#include "engine/quantize_cache.h"
#include "base/buf.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC         "qbtensor"
#define SUFFIX        ".qbt"
#define TMP_SUFFIX    ".tmp"
#define STALE_SECONDS 3600 /* a temporary file of this age belongs to nobody */

struct head {
    char magic[8];
    uint64_t bytes, hash;
    uint8_t zero[40];
};
_Static_assert(sizeof(struct head) == 64, "the blocks are aligned");

struct qb_quant_cache {
    char *folder;
    uint64_t salt, max_bytes, used_bytes;
    unsigned n_written;
    bool full; /* a write failed: no more */
};

/* ---- the folder ---- */

static enum qb_status default_folder(char **out, struct qb_err *err)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (xdg && xdg[0] == '/') /* the specification ignores relative ones */
        n = asprintf(out, "%s/qbench/quantized", xdg);
    else if (home && home[0])
        n = asprintf(out, "%s/.cache/qbench/quantized", home);
    else
        return qb_fail(err, QB_ERR_NOT_FOUND,
                       "no folder for a cache: neither XDG_CACHE_HOME nor HOME is set");
    return n < 0 ? qb_fail(err, QB_ERR_MEMORY, "not enough memory for the cache") : QB_OK;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

struct file {
    char name[64];
    struct timespec used;
    uint64_t bytes;
};

struct file_list {
    struct file *items;
    size_t n, cap;
};

static bool add_file(struct file_list *l, const char *name, const struct stat *st)
{
    size_t name_bytes = strlen(name) + 1;
    if (name_bytes > sizeof l->items->name)
        return true; /* none of ours */
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        struct file *more = realloc(l->items, cap * sizeof *more);
        if (!more)
            return false;
        l->items = more;
        l->cap = cap;
    }
    struct file *f = &l->items[l->n++];
    memcpy(f->name, name, name_bytes);
    f->used = st->st_mtim;
    f->bytes = (uint64_t)st->st_size;
    return true;
}

/* The entries of the cache; what a killed process left behind is removed. */
static void list_files(struct qb_quant_cache *c, struct file_list *l)
{
    DIR *d = opendir(c->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        bool entry = ends_in(e->d_name, SUFFIX), tmp = ends_in(e->d_name, TMP_SUFFIX);
        if ((!entry && !tmp) || strlen(e->d_name) >= sizeof l->items->name ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (tmp && st.st_mtim.tv_sec + STALE_SECONDS < time(NULL))
            unlinkat(dirfd(d), e->d_name, 0);
        if (entry && !add_file(l, e->d_name, &st))
            break;
    }
    if (d)
        closedir(d);
}

static int compare_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct file *)a)->used, *y = &((const struct file *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Remove the least recently used entries until `wanted` more bytes fit. Mappings of removed files stay valid.
 */
static void make_room(struct qb_quant_cache *c, uint64_t wanted)
{
    struct file_list l = {0};
    list_files(c, &l);
    if (l.n)
        qsort(l.items, l.n, sizeof *l.items, compare_use);
    c->used_bytes = 0;
    for (size_t i = 0; i < l.n; i++)
        c->used_bytes += l.items[i].bytes;
    for (size_t i = 0; i < l.n && c->used_bytes + wanted > c->max_bytes; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", c->folder, l.items[i].name) < 0)
            break;
        if (unlink(path) == 0 || errno == ENOENT)
            c->used_bytes -= l.items[i].bytes;
        free(path);
    }
    free(l.items);
}

enum qb_status qb_quant_cache_open(struct qb_quant_cache **out, const char *folder, const char *salt,
                                   uint64_t max_bytes, struct qb_err *err)
{
    struct qb_quant_cache *c;
    *out = NULL;
    QB_TRY(qb_calloc((void **)&c, 1, sizeof *c, "the cache", err));
    c->salt = XXH3_64bits(salt, strlen(salt));
    c->max_bytes = max_bytes;
    enum qb_status st = folder ? qb_strdup(&c->folder, folder, err) : default_folder(&c->folder, err);
    if (!st)
        st = qb_mkdirs(c->folder, err);
    if (st) {
        qb_quant_cache_close(c);
        return st;
    }
    make_room(c, 0);
    *out = c;
    return QB_OK;
}

void qb_quant_cache_close(struct qb_quant_cache *c)
{
    if (!c)
        return;
    free(c->folder);
    free(c);
}

/* ---- names ---- */

struct qb_quant_origin qb_quant_cache_origin(const struct qb_quant_cache *c, const struct qb_gguf_tensor *t,
                                             const struct qb_imatrix_entry *importance)
{
    XXH128_hash_t data = XXH3_128bits(t->data, t->bytes);
    uint64_t facts[10] = {data.low64, data.high64, c->salt, (uint64_t)t->type_id, 0, 0};
    for (int d = 0; d < 4; d++)
        facts[6 + d] = (uint64_t)t->ne[d];
    if (importance) {
        size_t n = qb_imatrix_n_values(importance);
        facts[4] = XXH3_64bits(importance->sum2, n * sizeof *importance->sum2);
        facts[5] =
            XXH3_64bits(importance->counts, (size_t)importance->n_mat * sizeof *importance->counts) | 1;
    }
    XXH128_hash_t all = XXH3_128bits(facts, sizeof facts);
    return (struct qb_quant_origin){{all.low64, all.high64}};
}

static char *path_of(const struct qb_quant_cache *c, const struct qb_quant_origin *o, int type_id)
{
    char *path;
    int n = asprintf(&path, "%s/%016" PRIx64 "%016" PRIx64 "-%02d" SUFFIX, c->folder, o->hash[0], o->hash[1],
                     type_id);
    return n < 0 ? NULL : path;
}

/* ---- entries ---- */

static bool is_whole(const struct qb_mapping *map, size_t bytes)
{
    struct head h;
    if (map->size != sizeof h + bytes)
        return false;
    memcpy(&h, map->data, sizeof h);
    return memcmp(h.magic, MAGIC, sizeof h.magic) == 0 && h.bytes == bytes &&
           h.hash == XXH3_64bits(map->data + sizeof h, bytes);
}

bool qb_quant_cache_find(struct qb_quant_cache *c, const struct qb_quant_origin *o, int type_id, size_t bytes,
                         struct qb_mapping *map, const uint8_t **data)
{
    char *path = path_of(c, o, type_id);
    bool found = path && qb_mapping_open(map, path, NULL) == QB_OK;
    if (found && !is_whole(map, bytes)) {
        qb_mapping_close(map);
        unlink(path);
        found = false;
    }
    if (found) {
        utimensat(AT_FDCWD, path, NULL, 0); /* used now */
        *data = map->data + sizeof(struct head);
    }
    free(path);
    return found;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    while (bytes > 0) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool write_entry(const char *tmp, const char *path, const void *data, size_t bytes)
{
    struct head h = {.bytes = bytes, .hash = XXH3_64bits(data, bytes)};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, &h, sizeof h) && write_all(fd, data, bytes);
    int saved = errno;
    if (close(fd) != 0 && ok) {
        saved = errno;
        ok = false;
    }
    ok = ok && rename(tmp, path) == 0;
    if (!ok) {
        saved = saved ? saved : errno;
        unlink(tmp);
        errno = saved;
    }
    return ok;
}

enum qb_status qb_quant_cache_put(struct qb_quant_cache *c, const struct qb_quant_origin *o, int type_id,
                                  const void *data, size_t bytes, struct qb_err *err)
{
    uint64_t size = bytes + sizeof(struct head);
    if (c->full || size > c->max_bytes)
        return QB_OK;
    if (c->used_bytes + size > c->max_bytes)
        make_room(c, size);
    char *path = path_of(c, o, type_id), *tmp = NULL;
    if (!path || asprintf(&tmp, "%s.%ld-%u" TMP_SUFFIX, path, (long)getpid(), c->n_written++) < 0) {
        free(path);
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the cache");
    }
    errno = 0;
    enum qb_status st = QB_OK;
    if (write_entry(tmp, path, data, bytes)) {
        c->used_bytes += size;
    } else {
        c->full = true;
        st = qb_fail_errno(err, QB_ERR_IO, "cannot write to the cache '%s'", c->folder);
    }
    free(path);
    free(tmp);
    return st;
}

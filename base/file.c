/*
 * Read-only mappings, atomic writes, small files.
 */
#include "base/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only regular files: anything else may block, have no size or change under us. */
static enum qb_status check_regular(int fd, const char *path, struct stat *st, struct qb_err *err)
{
    if (fstat(fd, st) != 0)
        return qb_fail_errno(err, QB_ERR_IO, "cannot read '%s'", path);
    if (S_ISDIR(st->st_mode))
        return qb_fail(err, QB_ERR_IO, "cannot read '%s': is a directory", path);
    if (!S_ISREG(st->st_mode))
        return qb_fail(err, QB_ERR_IO, "cannot read '%s': not a regular file", path);
    return QB_OK;
}

static enum qb_status map_fd(struct qb_mapping *m, int fd, const char *path, struct qb_err *err)
{
    struct stat st;
    QB_TRY(check_regular(fd, path, &st, err));
    if ((uintmax_t)st.st_size > SIZE_MAX)
        return qb_fail(err, QB_ERR_MEMORY, "cannot map '%s': too large for this machine", path);
    if (st.st_size == 0)
        return QB_OK;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return qb_fail_errno(err, QB_ERR_IO, "cannot map '%s'", path);
    /* for what is not in memory yet; where files have no huge pages, nothing is lost */
    madvise(data, (size_t)st.st_size, MADV_HUGEPAGE);
    *m = (struct qb_mapping){.data = data, .size = (size_t)st.st_size, .fd = fd};
    return QB_OK;
}

enum qb_status qb_mapping_open(struct qb_mapping *m, const char *path, struct qb_err *err)
{
    *m = (struct qb_mapping){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (fd < 0)
        return qb_fail_errno(err, errno == ENOENT ? QB_ERR_NOT_FOUND : QB_ERR_IO, "cannot open '%s'", path);
    enum qb_status status = map_fd(m, fd, path, err);
    if (!m->data)
        close(fd);
    return status;
}

void qb_mapping_close(struct qb_mapping *m)
{
    if (m->data) {
        munmap((void *)(uintptr_t)m->data, m->size);
        close(m->fd);
    }
    *m = (struct qb_mapping){0};
}

void qb_mapping_drop(const struct qb_mapping *m, size_t offset, size_t size)
{
    if (!m->data || offset > m->size)
        return;
    if (size > m->size - offset)
        size = m->size - offset;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = qb_align_up(offset, page), end = (offset + size) & ~(page - 1);
    if (first < end)
        madvise((void *)((uintptr_t)m->data + first), end - first, MADV_DONTNEED);
}

void qb_mapping_copy(const struct qb_mapping *m, size_t offset, size_t size, uint8_t *out)
{
    while (size > 0) {
        ssize_t n = pread(m->fd, out, size, (off_t)offset);
        if (n <= 0)
            break;
        out += n;
        offset += (size_t)n;
        size -= (size_t)n;
    }
    memcpy(out, m->data + offset, size); /* what could not be read, if anything */
}

/* path itself, or what a symbolic link at path leads to. */
static enum qb_status resolve_target(char **out, const char *path, struct qb_err *err)
{
    char *real = realpath(path, NULL);
    if (real) {
        *out = real;
        return QB_OK;
    }
    return qb_strdup(out, path, err);
}

/* Not mkstemp: that makes the file private, and the umask should decide. */
static int create_temporary(char **tmp_path, const char *path)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        if (asprintf(tmp_path, "%s.%ld-%u.tmp", path, (long)getpid(), attempt) < 0) {
            *tmp_path = NULL;
            return -1;
        }
        int fd = open(*tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            return fd;
        free(*tmp_path);
        *tmp_path = NULL;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

static void atomic_release(struct qb_atomic *a)
{
    free(a->path);
    free(a->tmp_path);
    *a = (struct qb_atomic){0};
}

enum qb_status qb_atomic_open(struct qb_atomic *a, const char *path, struct qb_err *err)
{
    *a = (struct qb_atomic){0};
    QB_TRY(resolve_target(&a->path, path, err));
    struct stat st;
    int fd;
    if (stat(a->path, &st) == 0 && !S_ISREG(st.st_mode)) /* a pipe or /dev/null is written, never replaced */
        fd = open(a->path, O_WRONLY | O_CLOEXEC);
    else
        fd = create_temporary(&a->tmp_path, a->path);
    if (fd >= 0)
        a->file = fdopen(fd, "wb");
    if (a->file)
        return QB_OK;
    enum qb_status status = qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", path);
    if (fd >= 0)
        close(fd);
    if (a->tmp_path)
        unlink(a->tmp_path);
    atomic_release(a);
    return status;
}

/* Make the rename itself survive a crash. Best effort: not every file system can sync a folder. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

enum qb_status qb_atomic_commit(struct qb_atomic *a, struct qb_err *err)
{
    if (!a->file)
        QB_BUG("commit of a writer that is not open");
    errno = EIO; /* for an earlier write error, whose errno is gone */
    bool ok = !ferror(a->file) && fflush(a->file) == 0 && (!a->tmp_path || fsync(fileno(a->file)) == 0);
    int saved = errno;
    if (fclose(a->file) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok && a->tmp_path && rename(a->tmp_path, a->path) != 0) {
        ok = false;
        saved = errno;
    }
    enum qb_status status = QB_OK;
    if (!ok) {
        if (a->tmp_path)
            unlink(a->tmp_path);
        errno = saved;
        status = qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", a->path);
    } else if (a->tmp_path) {
        sync_folder(a->path);
    }
    atomic_release(a);
    return status;
}

void qb_atomic_abort(struct qb_atomic *a)
{
    if (a->file)
        fclose(a->file);
    if (a->tmp_path)
        unlink(a->tmp_path);
    atomic_release(a);
}

static enum qb_status make_folder(const char *path, struct qb_err *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return QB_OK;
    int saved = errno;
    if (saved == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return QB_OK;
    errno = saved == EEXIST ? ENOTDIR : saved;
    return qb_fail_errno(err, QB_ERR_IO, "cannot make folder '%s'", path);
}

enum qb_status qb_mkdirs(const char *path, struct qb_err *err)
{
    char *part;
    QB_TRY(qb_strdup(&part, path, err));
    enum qb_status status = QB_OK;
    for (char *slash = strchr(part + (part[0] == '/'), '/'); slash && status == QB_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_folder(part, err);
        *slash = '/';
    }
    if (status == QB_OK)
        status = make_folder(path, err);
    free(part);
    return status;
}

static enum qb_status read_all(struct qb_buf *b, FILE *f, const char *path, struct qb_err *err)
{
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        if (n > b->max - b->len)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': larger than %zu bytes", path, b->max);
        qb_buf_append(b, part, n);
    }
    if (ferror(f))
        return qb_fail_errno(err, QB_ERR_IO, "cannot read '%s'", path);
    return qb_buf_status(b, path, err);
}

enum qb_status qb_read_file(char **out, size_t *len, const char *path, size_t max, struct qb_err *err)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return qb_fail_errno(err, errno == ENOENT ? QB_ERR_NOT_FOUND : QB_ERR_IO, "cannot open '%s'", path);
    struct qb_buf b;
    qb_buf_init(&b, max);
    qb_buf_puts(&b, ""); /* the result is on the heap even for an empty file */
    enum qb_status status = read_all(&b, f, path, err);
    fclose(f);
    if (status != QB_OK) {
        qb_buf_release(&b);
        return status;
    }
    *out = b.data;
    if (len)
        *len = b.len;
    return QB_OK;
}

bool qb_read_line(const char *path, char *out, size_t size)
{
    FILE *f = size && size <= INT_MAX ? fopen(path, "re") : NULL;
    if (!f)
        return false;
    bool ok = fgets(out, (int)size, f) != NULL;
    fclose(f);
    if (ok)
        out[strcspn(out, "\n")] = '\0';
    return ok;
}

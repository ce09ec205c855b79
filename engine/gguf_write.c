/*
 * The GGUF writer: version 3, alignment 32 or what general.alignment says, tensors back to back in the order
 * added, every one padded with zeros. Source: the GGUF specification; docs/formats.md.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "engine/gguf.h"
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT     32
#define MAX_ALIGNMENT 65536
#define VERSION       3
#define MAX_KEY_BYTES 65535

struct tensor_info {
    char name[64];
    int n_dims;
    int64_t ne[4];
    int type_id;
    uint64_t offset;
    size_t bytes;
};

/* The page cache keeps what one write brings in one piece, as far as it can: pieces of a huge page are mapped
 * as huge pages later, and weights that are used where they lie in the file are read a tenth faster. */
#define WRITE_BYTES ((size_t)2 << 20)

struct qb_gguf_writer {
    struct qb_atomic file;
    char *buffer; /* of the file: WRITE_BYTES */
    bool open, in_data;
    size_t alignment;
    struct qb_buf kv;
    struct qb_buf keys; /* "\nkey\n...": to find duplicates */
    uint64_t n_kv;
    struct tensor_info *tensors;
    size_t n_tensors, cap;
    uint64_t data_bytes; /* padded, of all tensors so far */
    uint64_t pos;        /* bytes written to the file */
    size_t current;      /* tensor being written */
    size_t written;      /* of it */
};

static enum qb_status fail_path(const struct qb_gguf_writer *w, struct qb_err *err, const char *what,
                                const char *name)
{
    return qb_fail(err, QB_ERR_FORMAT, "cannot write '%s': %s '%s'", w->file.path, what, name);
}

enum qb_status qb_gguf_writer_create(struct qb_gguf_writer **out, const char *path, struct qb_err *err)
{
    struct qb_gguf_writer *w;
    *out = NULL;
    QB_TRY(qb_calloc((void **)&w, 1, sizeof *w, "writer", err));
    qb_buf_init(&w->kv, 0);
    qb_buf_init(&w->keys, 0);
    enum qb_status status = qb_calloc((void **)&w->buffer, 1, WRITE_BYTES, "writer", err);
    if (status == QB_OK)
        status = qb_atomic_open(&w->file, path, err);
    if (status != QB_OK) {
        free(w->buffer);
        free(w);
        return status;
    }
    setvbuf(w->file.file, w->buffer, _IOFBF, WRITE_BYTES);
    w->open = true;
    w->alignment = ALIGNMENT;
    *out = w;
    return QB_OK;
}

void qb_gguf_writer_free(struct qb_gguf_writer *w)
{
    if (!w)
        return;
    if (w->open)
        qb_atomic_abort(&w->file);
    qb_buf_release(&w->kv);
    qb_buf_release(&w->keys);
    free(w->tensors);
    free(w->buffer);
    free(w);
}

/* ---- metadata ---- */

static void put_bytes(struct qb_gguf_writer *w, const void *data, size_t n)
{
    qb_buf_append(&w->kv, data, n);
}

static void put_u32(struct qb_gguf_writer *w, uint32_t v)
{
    put_bytes(w, &v, sizeof v);
}

static void put_string(struct qb_gguf_writer *w, const char *s, size_t len)
{
    uint64_t n = len;
    put_bytes(w, &n, sizeof n);
    put_bytes(w, s, len);
}

static enum qb_status begin_kv(struct qb_gguf_writer *w, const char *key, size_t len, enum qb_gguf_type type,
                               struct qb_err *err)
{
    if (w->in_data || len == 0 || len > MAX_KEY_BYTES || memchr(key, '\n', len))
        return fail_path(w, err, "bad or late key", key);
    struct qb_buf probe;
    qb_buf_init(&probe, 0);
    qb_buf_putc(&probe, '\n');
    qb_buf_append(&probe, key, len);
    qb_buf_putc(&probe, '\n');
    bool known = !probe.failed && w->keys.len && memmem(w->keys.data, w->keys.len, probe.data, probe.len);
    qb_buf_append(&w->keys, probe.data, probe.len);
    enum qb_status status = qb_buf_status(&probe, "key", err);
    if (status == QB_OK && known)
        status = fail_path(w, err, "duplicate key", probe.data);
    qb_buf_release(&probe);
    if (status != QB_OK)
        return status;
    put_string(w, key, len);
    put_u32(w, (uint32_t)type);
    w->n_kv++;
    return QB_OK;
}

static enum qb_status end_kv(struct qb_gguf_writer *w, struct qb_err *err)
{
    return qb_buf_status(&w->kv, "metadata", err);
}

/* A record that says how tensors are aligned binds this writer too. */
static enum qb_status note_alignment(struct qb_gguf_writer *w, const char *key, size_t len, const void *v,
                                     size_t n, struct qb_err *err)
{
    static const char name[] = "general.alignment";
    uint32_t alignment;
    if (len != sizeof name - 1 || memcmp(key, name, len) != 0)
        return QB_OK;
    if (n != sizeof alignment)
        return fail_path(w, err, "no 32-bit value for", name);
    memcpy(&alignment, v, sizeof alignment);
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return fail_path(w, err, "bad value for", name);
    w->alignment = alignment;
    return QB_OK;
}

static enum qb_status put_scalar(struct qb_gguf_writer *w, const char *key, enum qb_gguf_type type,
                                 const void *v, size_t n, struct qb_err *err)
{
    QB_TRY(note_alignment(w, key, strlen(key), v, n, err));
    QB_TRY(begin_kv(w, key, strlen(key), type, err));
    put_bytes(w, v, n);
    return end_kv(w, err);
}

enum qb_status qb_gguf_put_u32(struct qb_gguf_writer *w, const char *key, uint32_t v, struct qb_err *err)
{
    return put_scalar(w, key, QB_GGUF_U32, &v, sizeof v, err);
}

enum qb_status qb_gguf_put_f32(struct qb_gguf_writer *w, const char *key, float v, struct qb_err *err)
{
    return put_scalar(w, key, QB_GGUF_F32, &v, sizeof v, err);
}

enum qb_status qb_gguf_put_bool(struct qb_gguf_writer *w, const char *key, bool v, struct qb_err *err)
{
    uint8_t byte = v;
    return put_scalar(w, key, QB_GGUF_BOOL, &byte, 1, err);
}

enum qb_status qb_gguf_put_str(struct qb_gguf_writer *w, const char *key, const char *v, struct qb_err *err)
{
    QB_TRY(begin_kv(w, key, strlen(key), QB_GGUF_STRING, err));
    put_string(w, v, strlen(v));
    return end_kv(w, err);
}

enum qb_status qb_gguf_put_u32_array(struct qb_gguf_writer *w, const char *key, const uint32_t *v, size_t n,
                                     struct qb_err *err)
{
    QB_TRY(begin_kv(w, key, strlen(key), QB_GGUF_ARRAY, err));
    uint64_t count = n;
    put_u32(w, QB_GGUF_U32);
    put_bytes(w, &count, sizeof count);
    put_bytes(w, v, n * sizeof *v);
    return end_kv(w, err);
}

enum qb_status qb_gguf_put_kv(struct qb_gguf_writer *w, const struct qb_gguf_kv *kv, struct qb_err *err)
{
    QB_TRY(note_alignment(w, kv->key.s, kv->key.len, kv->data, kv->bytes, err));
    QB_TRY(begin_kv(w, kv->key.s, kv->key.len, kv->type, err));
    if (kv->type == QB_GGUF_ARRAY) {
        put_u32(w, (uint32_t)kv->elem_type);
        put_bytes(w, &kv->n, sizeof kv->n);
    }
    if (kv->type == QB_GGUF_STRING)
        put_string(w, (const char *)kv->data, kv->bytes);
    else
        put_bytes(w, kv->data, kv->bytes);
    return end_kv(w, err);
}

/* ---- tensors ---- */

static enum qb_status check_tensor(const struct qb_gguf_writer *w, const char *name, int n_dims,
                                   const int64_t *ne, int type_id, size_t bytes, struct qb_err *err)
{
    if (w->in_data || strlen(name) == 0 || strlen(name) >= sizeof w->tensors->name || n_dims < 1 ||
        n_dims > 4)
        return fail_path(w, err, "bad or late tensor", name);
    int64_t full[4] = {1, 1, 1, 1};
    for (int d = 0; d < n_dims; d++)
        full[d] = ne[d];
    size_t expected;
    if (!qb_ggml_bytes(type_id, full, &expected) || expected != bytes || bytes == 0)
        return fail_path(w, err, "impossible shape or size of tensor", name);
    for (size_t i = 0; i < w->n_tensors; i++)
        if (strcmp(w->tensors[i].name, name) == 0)
            return fail_path(w, err, "duplicate tensor", name);
    return QB_OK;
}

static enum qb_status grow(struct qb_gguf_writer *w, struct qb_err *err)
{
    if (w->n_tensors < w->cap)
        return QB_OK;
    size_t cap = w->cap ? 2 * w->cap : 64;
    struct tensor_info *more = realloc(w->tensors, cap * sizeof *more);
    if (!more)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu tensors", cap);
    w->tensors = more;
    w->cap = cap;
    return QB_OK;
}

enum qb_status qb_gguf_add_tensor(struct qb_gguf_writer *w, const char *name, int n_dims, const int64_t *ne,
                                  int type_id, size_t bytes, struct qb_err *err)
{
    QB_TRY(check_tensor(w, name, n_dims, ne, type_id, bytes, err));
    QB_TRY(grow(w, err));
    struct tensor_info *t = &w->tensors[w->n_tensors];
    *t = (struct tensor_info){.n_dims = n_dims, .type_id = type_id, .bytes = bytes, .offset = w->data_bytes};
    strcpy(t->name, name);
    memcpy(t->ne, ne, (size_t)n_dims * sizeof *ne);
    uint64_t padded = bytes + (w->alignment - bytes % w->alignment) % w->alignment;
    if (padded < bytes || __builtin_add_overflow(w->data_bytes, padded, &w->data_bytes))
        return fail_path(w, err, "size overflows with tensor", name);
    w->n_tensors++;
    return QB_OK;
}

static void write_bytes(struct qb_gguf_writer *w, const void *data, size_t n)
{
    fwrite(data, 1, n, w->file.file); /* errors stick in the FILE; commit reports them */
    w->pos += n;
}

static void write_padding(struct qb_gguf_writer *w, uint64_t pos)
{
    static const uint8_t zeros[MAX_ALIGNMENT];
    write_bytes(w, zeros, (size_t)((w->alignment - pos % w->alignment) % w->alignment));
}

static void write_info(struct qb_gguf_writer *w, const struct tensor_info *t)
{
    uint64_t len = strlen(t->name);
    uint32_t n_dims = (uint32_t)t->n_dims, type = (uint32_t)t->type_id;
    write_bytes(w, &len, sizeof len);
    write_bytes(w, t->name, len);
    write_bytes(w, &n_dims, sizeof n_dims);
    write_bytes(w, t->ne, n_dims * sizeof t->ne[0]);
    write_bytes(w, &type, sizeof type);
    write_bytes(w, &t->offset, sizeof t->offset);
}

enum qb_status qb_gguf_begin_data(struct qb_gguf_writer *w, struct qb_err *err)
{
    if (w->in_data)
        return fail_path(w, err, "data begins twice", "");
    w->in_data = true;
    uint32_t version = VERSION;
    uint64_t n_tensors = w->n_tensors;
    write_bytes(w, "GGUF", 4);
    write_bytes(w, &version, sizeof version);
    write_bytes(w, &n_tensors, sizeof n_tensors);
    write_bytes(w, &w->n_kv, sizeof w->n_kv);
    write_bytes(w, w->kv.data ? w->kv.data : "", w->kv.len);
    for (size_t i = 0; i < w->n_tensors; i++)
        write_info(w, &w->tensors[i]);
    write_padding(w, w->pos);
    if (ferror(w->file.file))
        return qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", w->file.path);
    return QB_OK;
}

enum qb_status qb_gguf_write(struct qb_gguf_writer *w, const void *data, size_t bytes, struct qb_err *err)
{
    if (!w->in_data || w->current >= w->n_tensors || bytes > w->tensors[w->current].bytes - w->written)
        return fail_path(w, err, "more data than announced after tensor",
                         w->n_tensors ? w->tensors[w->n_tensors - 1].name : "");
    write_bytes(w, data, bytes);
    if (ferror(w->file.file))
        return qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", w->file.path);
    w->written += bytes;
    if (w->written == w->tensors[w->current].bytes) {
        write_padding(w, w->written);
        w->written = 0;
        w->current++;
    }
    return QB_OK;
}

enum qb_status qb_gguf_writer_finish(struct qb_gguf_writer *w, struct qb_err *err)
{
    if (!w->in_data || w->current != w->n_tensors)
        return fail_path(w, err, "data is missing from tensor",
                         w->current < w->n_tensors ? w->tensors[w->current].name : "");
    w->open = false;
    return qb_atomic_commit(&w->file, err);
}

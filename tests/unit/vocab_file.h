/*
 * Small GGUF files with a vocabulary, built in memory.
 */
#ifndef QB_TESTS_VOCAB_FILE_H
#define QB_TESTS_VOCAB_FILE_H

#include "base/buf.h"
#include "engine/gguf.h"
#include <stdlib.h>
#include <string.h>

struct vocab_file {
    struct qb_buf kv;
    uint64_t n_kv;
    void *bytes; /* aligned to 8 */
    size_t size;
};

static inline void vocab_file_init(struct vocab_file *f)
{
    *f = (struct vocab_file){0};
    qb_buf_init(&f->kv, 0);
}

static inline void vocab_file_release(struct vocab_file *f)
{
    qb_buf_release(&f->kv);
    free(f->bytes);
}

static inline void vocab_file_text(struct vocab_file *f, const char *s, size_t n)
{
    uint64_t len = n;
    qb_buf_append(&f->kv, &len, sizeof len);
    qb_buf_append(&f->kv, s, n);
}

static inline void vocab_file_key(struct vocab_file *f, const char *key, uint32_t type)
{
    vocab_file_text(f, key, strlen(key));
    qb_buf_append(&f->kv, &type, sizeof type);
    f->n_kv++;
}

static inline void vocab_file_str(struct vocab_file *f, const char *key, const char *value)
{
    vocab_file_key(f, key, QB_GGUF_STRING);
    vocab_file_text(f, value, strlen(value));
}

static inline void vocab_file_u32(struct vocab_file *f, const char *key, uint32_t value)
{
    vocab_file_key(f, key, QB_GGUF_U32);
    qb_buf_append(&f->kv, &value, sizeof value);
}

static inline void vocab_file_bool(struct vocab_file *f, const char *key, bool value)
{
    vocab_file_key(f, key, QB_GGUF_BOOL);
    qb_buf_putc(&f->kv, (char)value);
}

/* Then n items follow. */
static inline void vocab_file_array(struct vocab_file *f, const char *key, uint32_t type, uint64_t n)
{
    vocab_file_key(f, key, QB_GGUF_ARRAY);
    qb_buf_append(&f->kv, &type, sizeof type);
    qb_buf_append(&f->kv, &n, sizeof n);
}

static inline void vocab_file_strs(struct vocab_file *f, const char *key, const char *const *items, size_t n)
{
    vocab_file_array(f, key, QB_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        vocab_file_text(f, items[i], strlen(items[i]));
}

/* Parse what was put in. The bytes stay with f. */
static inline enum qb_status vocab_file_open(struct vocab_file *f, struct qb_gguf **g, struct qb_err *err)
{
    const uint32_t version = 3;
    const uint64_t counts[2] = {0, f->n_kv};
    f->size = 24 + f->kv.len;
    f->bytes = aligned_alloc(64, (f->size + 63) / 64 * 64);
    if (!f->bytes)
        return qb_fail(err, QB_ERR_MEMORY, "no memory");
    memcpy(f->bytes, "GGUF", 4);
    memcpy((char *)f->bytes + 4, &version, 4);
    memcpy((char *)f->bytes + 8, counts, 16);
    memcpy((char *)f->bytes + 24, f->kv.data, f->kv.len);
    return qb_gguf_open_memory(g, f->bytes, f->size, "vocab", err);
}

#endif

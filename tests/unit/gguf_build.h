/*
 * GGUF files made by hand in memory, valid or not: every field is written as the test says.
 */
#ifndef QB_TESTS_GGUF_BUILD_H
#define QB_TESTS_GGUF_BUILD_H

#include "base/buf.h"
#include "engine/gguf.h"
#include <stdlib.h>
#include <string.h>

static inline void put_u32(struct qb_buf *b, uint32_t v)
{
    qb_buf_append(b, &v, sizeof v);
}

static inline void put_u64(struct qb_buf *b, uint64_t v)
{
    qb_buf_append(b, &v, sizeof v);
}

static inline void put_str(struct qb_buf *b, const char *s)
{
    put_u64(b, strlen(s));
    qb_buf_puts(b, s);
}

static inline void put_header(struct qb_buf *b, uint64_t n_tensors, uint64_t n_kv)
{
    qb_buf_append(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, n_tensors);
    put_u64(b, n_kv);
}

static inline void put_kv_u32(struct qb_buf *b, const char *key, uint32_t v)
{
    put_str(b, key);
    put_u32(b, QB_GGUF_U32);
    put_u32(b, v);
}

static inline void put_kv_f32(struct qb_buf *b, const char *key, float v)
{
    put_str(b, key);
    put_u32(b, QB_GGUF_F32);
    qb_buf_append(b, &v, sizeof v);
}

static inline void put_kv_str(struct qb_buf *b, const char *key, const char *v)
{
    put_str(b, key);
    put_u32(b, QB_GGUF_STRING);
    put_str(b, v);
}

static inline void put_tensor(struct qb_buf *b, const char *name, uint64_t ne0, uint64_t ne1, uint32_t type,
                              uint64_t offset)
{
    put_str(b, name);
    put_u32(b, 2);
    put_u64(b, ne0);
    put_u64(b, ne1);
    put_u32(b, type);
    put_u64(b, offset);
}

/* Zeros up to a multiple of 32, then n more. */
static inline void put_data(struct qb_buf *b, size_t n)
{
    while (b->len % 32)
        qb_buf_putc(b, 0);
    while (n--)
        qb_buf_putc(b, 0);
}

static inline enum qb_status open_buf(struct qb_gguf **g, const struct qb_buf *b, struct qb_err *err)
{
    return qb_gguf_open_memory(g, b->data, b->len, "test.gguf", err);
}

#endif

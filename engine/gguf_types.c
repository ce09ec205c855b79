/*
 * Names and sizes of value types and ggml type ids (gguf_types.def).
 */
#include "base/mem.h"
#include "engine/gguf.h"
#include <strings.h>

struct ggml_type {
    const char *name;
    int elems, bytes;
};

static const struct ggml_type types[QB_GGML_ID_END] = {
#define QB_GGML(id, value, elems, bytes) [value] = {#id, elems, bytes},
#include "engine/gguf_types.def"
#undef QB_GGML
};

static const char *const value_names[QB_GGUF_TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

const char *qb_gguf_type_name(int id)
{
    return id >= 0 && id < QB_GGML_ID_END ? types[id].name : "?";
}

const char *qb_gguf_value_type_name(enum qb_gguf_type t)
{
    return (unsigned)t < QB_GGUF_TYPE_COUNT ? value_names[t] : "?";
}

bool qb_ggml_block(int id, int *elems, int *bytes)
{
    if (id < 0 || id >= QB_GGML_ID_END || types[id].bytes == 0)
        return false;
    *elems = types[id].elems;
    *bytes = types[id].bytes;
    return true;
}

int qb_ggml_id_by_name(const char *name)
{
    for (int id = 0; id < QB_GGML_ID_END; id++)
        if (strcasecmp(name, types[id].name) == 0)
            return id;
    return -1;
}

bool qb_ggml_bytes(int id, const int64_t ne[4], size_t *out)
{
    int elems, bytes;
    if (!qb_ggml_block(id, &elems, &bytes) || ne[0] < 0 || ne[0] % elems != 0)
        return false;
    size_t size;
    if (!qb_size_mul((size_t)(ne[0] / elems), (size_t)bytes, &size))
        return false;
    for (int d = 1; d < 4; d++)
        if (ne[d] < 0 || !qb_size_mul(size, (size_t)ne[d], &size))
            return false;
    if (size > INT64_MAX)
        return false;
    *out = size;
    return true;
}

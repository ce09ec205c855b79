/*
 * A GGUF model as its users see it: metadata of the first file, tensors of all files, typed getters.
 */
#include "engine/gguf.h"
#include "base/mem.h"
#include "engine/gguf_part.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct qb_gguf {
    char *path; /* as given */
    struct qb_gguf_part *parts;
    int n_parts;
    struct qb_gguf_tensor *tensors; /* of all parts, in file order */
    uint32_t *order;                /* their indices by name */
    size_t n_tensors;
};

/* ---- opening ---- */

static int compare_name(const void *a, const void *b, void *tensors)
{
    const struct qb_gguf_tensor *t = tensors;
    return strcmp(t[*(const uint32_t *)a].name, t[*(const uint32_t *)b].name);
}

/* Several parts: one table. One part: its own table moves over. */
static enum qb_status collect_tensors(struct qb_gguf *g, struct qb_err *err)
{
    for (int f = 0; f < g->n_parts; f++)
        g->n_tensors += g->parts[f].n_tensors;
    if (g->n_parts == 1) {
        g->tensors = g->parts[0].tensors;
        g->parts[0].tensors = NULL;
        return QB_OK;
    }
    QB_TRY(qb_calloc((void **)&g->tensors, g->n_tensors + 1, sizeof *g->tensors, "tensor table", err));
    size_t n = 0;
    for (int f = 0; f < g->n_parts; f++) {
        struct qb_gguf_part *p = &g->parts[f];
        for (size_t i = 0; i < p->n_tensors; i++) {
            g->tensors[n] = p->tensors[i];
            g->tensors[n++].file = f;
        }
        free(p->tensors);
        p->tensors = NULL;
    }
    return QB_OK;
}

static enum qb_status index_tensors(struct qb_gguf *g, struct qb_err *err)
{
    if (g->n_tensors > QB_GGUF_MAX_RECORDS)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': too many tensors (%zu)", g->path, g->n_tensors);
    QB_TRY(qb_calloc((void **)&g->order, g->n_tensors + 1, sizeof *g->order, "tensor index", err));
    for (size_t i = 0; i < g->n_tensors; i++)
        g->order[i] = (uint32_t)i;
    qsort_r(g->order, g->n_tensors, sizeof *g->order, compare_name, g->tensors);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (compare_name(&g->order[i - 1], &g->order[i], g->tensors) == 0) {
            const char *name = g->tensors[g->order[i]].name;
            return qb_fail(err, QB_ERR_FORMAT, "'%s': duplicate tensor '%s'", g->path,
                           qb_gguf_label((struct qb_gguf_str){name, strlen(name)}).text);
        }
    return QB_OK;
}

/* Takes over first, also on failure. */
static enum qb_status finish_open(struct qb_gguf **out, struct qb_gguf_part *first, bool siblings,
                                  struct qb_err *err)
{
    struct qb_gguf *g;
    enum qb_status status = qb_calloc((void **)&g, 1, sizeof *g, "model file", err);
    if (status != QB_OK) {
        qb_gguf_part_release(first);
        return status;
    }
    status = qb_strdup(&g->path, first->path, err);
    if (status == QB_OK && siblings) {
        status = qb_gguf_split_open(first, &g->parts, &g->n_parts, err);
    } else if (status == QB_OK &&
               (status = qb_calloc((void **)&g->parts, 1, sizeof *g->parts, "file table", err)) == QB_OK) {
        g->parts[0] = *first;
        g->n_parts = 1;
        *first = (struct qb_gguf_part){0};
    }
    qb_gguf_part_release(first); /* empty when it was moved */
    if (status == QB_OK)
        status = collect_tensors(g, err);
    if (status == QB_OK)
        status = index_tensors(g, err);
    if (status != QB_OK) {
        qb_gguf_close(g);
        return status;
    }
    *out = g;
    return QB_OK;
}

enum qb_status qb_gguf_open(struct qb_gguf **out, const char *path, struct qb_err *err)
{
    *out = NULL;
    struct qb_gguf_part first;
    QB_TRY(qb_gguf_part_open(&first, path, err));
    return finish_open(out, &first, true, err);
}

enum qb_status qb_gguf_open_memory(struct qb_gguf **out, const void *data, size_t size, const char *name,
                                   struct qb_err *err)
{
    *out = NULL;
    struct qb_gguf_part first = {.map = {.data = data, .size = size, .fd = -1}};
    QB_TRY(qb_strdup(&first.path, name, err));
    enum qb_status status = qb_gguf_part_parse(&first, err);
    if (status != QB_OK) {
        qb_gguf_part_release(&first);
        return status;
    }
    return finish_open(out, &first, false, err);
}

void qb_gguf_close(struct qb_gguf *g)
{
    if (!g)
        return;
    for (int f = 0; f < g->n_parts; f++)
        qb_gguf_part_release(&g->parts[f]);
    free(g->parts);
    free(g->tensors);
    free(g->order);
    free(g->path);
    free(g);
}

/* ---- facts ---- */

const char *qb_gguf_path(const struct qb_gguf *g)
{
    return g->path;
}

int qb_gguf_n_files(const struct qb_gguf *g)
{
    return g->n_parts;
}

const char *qb_gguf_file_path(const struct qb_gguf *g, int file)
{
    return file >= 0 && file < g->n_parts ? g->parts[file].path : NULL;
}

uint64_t qb_gguf_file_bytes(const struct qb_gguf *g)
{
    uint64_t sum = 0;
    for (int f = 0; f < g->n_parts; f++)
        sum += g->parts[f].map.size;
    return sum;
}

uint32_t qb_gguf_version(const struct qb_gguf *g)
{
    return g->parts[0].version;
}

size_t qb_gguf_alignment(const struct qb_gguf *g)
{
    return g->parts[0].alignment;
}

const struct qb_mapping *qb_gguf_mapping(const struct qb_gguf *g, int file)
{
    return file >= 0 && file < g->n_parts ? &g->parts[file].map : NULL;
}

size_t qb_gguf_n_kv(const struct qb_gguf *g)
{
    return g->parts[0].n_kv;
}

const struct qb_gguf_kv *qb_gguf_kv_at(const struct qb_gguf *g, size_t i)
{
    return i < g->parts[0].n_kv ? &g->parts[0].kv[i] : NULL;
}

const struct qb_gguf_kv *qb_gguf_find(const struct qb_gguf *g, const char *key)
{
    return qb_gguf_part_find(&g->parts[0], key);
}

size_t qb_gguf_n_tensors(const struct qb_gguf *g)
{
    return g->n_tensors;
}

const struct qb_gguf_tensor *qb_gguf_tensor_at(const struct qb_gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const struct qb_gguf_tensor *qb_gguf_tensor_find(const struct qb_gguf *g, const char *name)
{
    size_t lo = 0, hi = g->n_tensors;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct qb_gguf_tensor *t = &g->tensors[g->order[mid]];
        int c = strcmp(name, t->name);
        if (c == 0)
            return t;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

void qb_gguf_tensor_drop(const struct qb_gguf *g, const struct qb_gguf_tensor *t)
{
    const struct qb_gguf_part *p = &g->parts[t->file];
    if (p->mapped)
        qb_mapping_drop(&p->map, (size_t)(t->data - p->map.data), t->bytes);
}

/* ---- values ---- */

/* An integer of any width; *negative tells that out holds a two's complement value below zero. */
static bool load_int(enum qb_gguf_type type, const uint8_t *p, uint64_t *out, bool *negative)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } v;
    int64_t s = 0;
    switch (type) {
    case QB_GGUF_U8:
        *out = *p;
        break;
    case QB_GGUF_U16:
        memcpy(&v.u16, p, 2);
        *out = v.u16;
        break;
    case QB_GGUF_U32:
        memcpy(&v.u32, p, 4);
        *out = v.u32;
        break;
    case QB_GGUF_U64:
        memcpy(&v.u64, p, 8);
        *out = v.u64;
        break;
    case QB_GGUF_I8:
        memcpy(&v.i8, p, 1);
        *out = (uint64_t)(s = v.i8);
        break;
    case QB_GGUF_I16:
        memcpy(&v.i16, p, 2);
        *out = (uint64_t)(s = v.i16);
        break;
    case QB_GGUF_I32:
        memcpy(&v.i32, p, 4);
        *out = (uint64_t)(s = v.i32);
        break;
    case QB_GGUF_I64:
        memcpy(&v.i64, p, 8);
        *out = (uint64_t)(s = v.i64);
        break;
    default:
        return false;
    }
    *negative = s < 0;
    return true;
}

static bool load_float(enum qb_gguf_type type, const uint8_t *p, double *out)
{
    float f;
    uint64_t u;
    bool negative;
    if (type == QB_GGUF_F64) {
        memcpy(out, p, sizeof *out);
    } else if (type == QB_GGUF_F32) {
        memcpy(&f, p, sizeof f);
        *out = f;
    } else if (load_int(type, p, &u, &negative)) {
        *out = negative ? (double)(int64_t)u : (double)u;
    } else {
        return false;
    }
    return true;
}

bool qb_gguf_kv_u64(const struct qb_gguf_kv *kv, uint64_t *out)
{
    uint64_t v;
    bool negative;
    if (!load_int(kv->type, kv->data, &v, &negative) || negative)
        return false;
    *out = v;
    return true;
}

bool qb_gguf_get_u64(const struct qb_gguf *g, const char *key, uint64_t *out)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, key);
    return kv && qb_gguf_kv_u64(kv, out);
}

bool qb_gguf_get_f64(const struct qb_gguf *g, const char *key, double *out)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, key);
    return kv && load_float(kv->type, kv->data, out);
}

bool qb_gguf_get_bool(const struct qb_gguf *g, const char *key, bool *out)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, key);
    if (!kv || kv->type != QB_GGUF_BOOL)
        return false;
    *out = kv->data[0] != 0;
    return true;
}

bool qb_gguf_get_str(const struct qb_gguf *g, const char *key, struct qb_gguf_str *out)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, key);
    if (!kv || kv->type != QB_GGUF_STRING)
        return false;
    *out = (struct qb_gguf_str){(const char *)kv->data, kv->bytes};
    return true;
}

static const uint8_t *array_item(const struct qb_gguf_kv *kv, uint64_t i)
{
    if (kv->type != QB_GGUF_ARRAY || i >= kv->n || kv->elem_type == QB_GGUF_STRING)
        return NULL;
    return kv->data + (size_t)i * (kv->bytes / (size_t)kv->n);
}

bool qb_gguf_array_i64(const struct qb_gguf_kv *kv, uint64_t i, int64_t *out)
{
    const uint8_t *p = array_item(kv, i);
    uint64_t v;
    bool negative;
    double f;
    if (!p)
        return false;
    if (load_int(kv->elem_type, p, &v, &negative)) {
        if (!negative && v > INT64_MAX)
            return false;
        *out = (int64_t)v;
        return true;
    }
    /* whole numbers only, and in range before the conversion */
    if (!load_float(kv->elem_type, p, &f) || !(f >= -0x1p53 && f <= 0x1p53) || f != floor(f))
        return false;
    *out = (int64_t)f;
    return true;
}

bool qb_gguf_array_f64(const struct qb_gguf_kv *kv, uint64_t i, double *out)
{
    const uint8_t *p = array_item(kv, i);
    return p && load_float(kv->elem_type, p, out);
}

bool qb_gguf_array_next_str(const struct qb_gguf_kv *kv, size_t *pos, struct qb_gguf_str *out)
{
    if (kv->type != QB_GGUF_ARRAY || kv->elem_type != QB_GGUF_STRING || *pos >= kv->bytes)
        return false;
    uint64_t len; /* checked when the file was opened */
    memcpy(&len, kv->data + *pos, sizeof len);
    *out = (struct qb_gguf_str){(const char *)kv->data + *pos + sizeof len, (size_t)len};
    *pos += sizeof len + (size_t)len;
    return true;
}

/*
 * One GGUF file from bytes to records and tensors. The input is hostile: a length is compared with the bytes
 * that are left before it is used, duplicates and overlaps are found by sorting, and every tensor lies inside
 * the data section. Source: the GGUF specification, versions 2 and 3; docs/formats.md lists what is checked.
 */
#include "base/mem.h"
#include "base/reader.h"
#include "engine/gguf_part.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEY_BYTES     65535
#define MAX_STRING_BYTES  ((uint64_t)1 << 30)
#define MAX_ARRAY_ITEMS   ((uint64_t)1 << 30)
#define MIN_ALIGNMENT     8 /* of the specification; f32 data can be used in place */
#define MAX_ALIGNMENT     ((uint64_t)1 << 30)
#define MIN_KV_BYTES      (8 + 1 + 4 + 1)
#define MIN_TENSOR_BYTES  (8 + 1 + 4 + 8 + 4 + 8)
#define HEADER_BYTES      24
#define DEFAULT_ALIGNMENT 32

static const uint8_t scalar_bytes[QB_GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct qb_gguf_label qb_gguf_label(struct qb_gguf_str s)
{
    struct qb_gguf_label label;
    size_t room = sizeof label.text - 4, n = s.len < room ? s.len : room;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        label.text[i] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
    }
    memcpy(label.text + n, "...", 4);
    if (n == s.len)
        label.text[n] = 0;
    return label;
}

/* ---- what else people hand in ---- */

static const struct {
    const char *magic;
    size_t len;
    const char *what;
} other_files[] = {
    {"ggml", 4, "is a ggml file, older than GGUF: convert the model again"},
    {"lmgg", 4, "is a ggml file, older than GGUF: convert the model again"},
    {"ggmf", 4, "is a ggmf file, older than GGUF: convert the model again"},
    {"fmgg", 4, "is a ggmf file, older than GGUF: convert the model again"},
    {"ggjt", 4, "is a ggjt file, older than GGUF: convert the model again"},
    {"tjgg", 4, "is a ggjt file, older than GGUF: convert the model again"},
    {"ggla", 4, "is an old LoRA file, not a model"},
    {"algg", 4, "is an old LoRA file, not a model"},
    {"PK\003\004", 4, "is a zip archive (a PyTorch checkpoint?), not GGUF: convert the model first"},
    {"\200\002", 2, "is a Python pickle (a PyTorch checkpoint?), not GGUF: convert the model first"},
    {"\x89HDF", 4, "is an HDF5 file, not GGUF: convert the model first"},
    {"\x1f\x8b", 2, "is compressed (gzip): unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "is compressed (xz): unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "is compressed (zstd): unpack it first"},
    {"version https://git-lfs", 23, "is a Git LFS pointer: fetch the real file first"},
    {"<!DOCTYPE", 9, "is a web page: the download failed"},
    {"<html", 5, "is a web page: the download failed"},
};

static enum qb_status refuse_other(const struct qb_gguf_part *p, struct qb_err *err)
{
    const uint8_t *d = p->map.data;
    size_t size = p->map.size;
    if (size == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s' is empty", p->path);
    for (size_t i = 0; i < QB_ARRAY_LEN(other_files); i++)
        if (size >= other_files[i].len && memcmp(d, other_files[i].magic, other_files[i].len) == 0)
            return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s' %s", p->path, other_files[i].what);
    if (size > 9 && d[8] == '{') { /* safetensors: u64 length of a JSON header, then the header */
        uint64_t len;
        memcpy(&len, d, sizeof len);
        if (len <= size - 8)
            return qb_fail(err, QB_ERR_UNSUPPORTED,
                           "'%s' is a safetensors file, not GGUF: convert the model first", p->path);
    }
    return qb_fail(err, QB_ERR_FORMAT, "'%s' is not a GGUF file: wrong magic at offset 0", p->path);
}

/* ---- header ---- */

static enum qb_status check_version(const struct qb_gguf_part *p, struct qb_err *err)
{
    uint32_t v = p->version;
    if (v == 2 || v == 3)
        return QB_OK;
    if (v != 0 && (v & 0xffffu) == 0)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s': big-endian GGUF file on a little-endian machine",
                       p->path);
    if (v == 1)
        return qb_fail(err, QB_ERR_UNSUPPORTED,
                       "'%s': GGUF version 1 is too old (2 and 3 are read): convert the model again",
                       p->path);
    return qb_fail(err, v == 0 ? QB_ERR_FORMAT : QB_ERR_UNSUPPORTED,
                   "'%s': unknown GGUF version %" PRIu32 " at offset 4", p->path, v);
}

static enum qb_status parse_header(struct qb_gguf_part *p, struct qb_reader *r, struct qb_err *err)
{
    if (p->map.size < 4 || memcmp(p->map.data, "GGUF", 4) != 0)
        return refuse_other(p, err);
    qb_read_u32(r, "magic");
    p->version = qb_read_u32(r, "version");
    QB_TRY(qb_reader_status(r, p->path, err));
    QB_TRY(check_version(p, err));
    uint64_t n_tensors = qb_read_u64(r, "tensor count");
    uint64_t n_kv = qb_read_u64(r, "metadata count");
    QB_TRY(qb_reader_status(r, p->path, err));
    uint64_t left = p->map.size - HEADER_BYTES;
    if (n_kv > left / MIN_KV_BYTES || n_kv > QB_GGUF_MAX_RECORDS)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': %" PRIu64 " metadata records at offset 16 do not fit in the file", p->path,
                       n_kv);
    if (n_tensors > (left - n_kv * MIN_KV_BYTES) / MIN_TENSOR_BYTES || n_tensors > QB_GGUF_MAX_RECORDS)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': %" PRIu64 " tensors at offset 8 do not fit in the file",
                       p->path, n_tensors);
    p->n_kv = (size_t)n_kv;
    p->n_tensors = (size_t)n_tensors;
    return QB_OK;
}

/* ---- metadata ---- */

static struct qb_gguf_str read_string(struct qb_reader *r, uint64_t max, const char *what)
{
    uint64_t len = qb_read_u64(r, what);
    struct qb_gguf_str s = {"", 0};
    /* an absurd length fails like one that is too long for the file */
    const uint8_t *bytes = qb_read_bytes(r, len > max ? SIZE_MAX : (size_t)len, what);
    if (bytes)
        s = (struct qb_gguf_str){(const char *)bytes, (size_t)len};
    return s;
}

static enum qb_status bad_record(const struct qb_gguf_part *p, const struct qb_gguf_kv *kv, size_t pos,
                                 const char *why, struct qb_err *err)
{
    return qb_fail(err, QB_ERR_FORMAT, "'%s': key '%s': %s at offset %zu", p->path,
                   qb_gguf_label(kv->key).text, why, pos);
}

static enum qb_status check_bools(const struct qb_gguf_part *p, const struct qb_gguf_kv *kv, size_t pos,
                                  struct qb_err *err)
{
    for (size_t i = 0; i < kv->bytes; i++)
        if (kv->data[i] > 1)
            return bad_record(p, kv, pos + i, "boolean is neither 0 nor 1", err);
    return QB_OK;
}

static enum qb_status parse_array(const struct qb_gguf_part *p, struct qb_gguf_kv *kv, struct qb_reader *r,
                                  struct qb_err *err)
{
    size_t pos = r->pos;
    uint32_t type = qb_read_u32(r, "array element type");
    kv->n = qb_read_u64(r, "array length");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (type == QB_GGUF_ARRAY)
        return bad_record(p, kv, pos, "array of arrays", err);
    if (type >= QB_GGUF_TYPE_COUNT)
        return bad_record(p, kv, pos, "unknown array element type", err);
    kv->elem_type = (enum qb_gguf_type)type;
    size_t item = type == QB_GGUF_STRING ? 8 : scalar_bytes[type];
    if (kv->n > MAX_ARRAY_ITEMS || kv->n > qb_reader_left(r) / item)
        return bad_record(p, kv, pos + 4, "array does not fit in the file", err);
    size_t start = r->pos;
    if (type == QB_GGUF_STRING) {
        kv->data = p->map.data + start;
        for (uint64_t i = 0; i < kv->n && !r->failed; i++)
            read_string(r, MAX_STRING_BYTES, "string in array");
        QB_TRY(qb_reader_status(r, p->path, err));
    } else {
        kv->data = qb_read_bytes(r, (size_t)kv->n * item, "array");
    }
    kv->bytes = r->pos - start;
    return type == QB_GGUF_BOOL ? check_bools(p, kv, start, err) : QB_OK;
}

static enum qb_status parse_kv(const struct qb_gguf_part *p, struct qb_gguf_kv *kv, struct qb_reader *r,
                               struct qb_err *err)
{
    size_t pos = r->pos;
    kv->key = read_string(r, MAX_KEY_BYTES, "key");
    uint32_t type = qb_read_u32(r, "value type");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (kv->key.len == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': empty key at offset %zu", p->path, pos);
    if (type >= QB_GGUF_TYPE_COUNT)
        return bad_record(p, kv, r->pos - 4, "unknown value type", err);
    kv->type = (enum qb_gguf_type)type;
    if (type == QB_GGUF_ARRAY)
        return parse_array(p, kv, r, err);
    pos = r->pos;
    if (type == QB_GGUF_STRING) {
        struct qb_gguf_str s = read_string(r, MAX_STRING_BYTES, "string");
        kv->data = (const uint8_t *)s.s;
        kv->bytes = s.len;
    } else {
        kv->bytes = scalar_bytes[type];
        kv->data = qb_read_bytes(r, kv->bytes, "value");
    }
    QB_TRY(qb_reader_status(r, p->path, err));
    return type == QB_GGUF_BOOL ? check_bools(p, kv, pos, err) : QB_OK;
}

static int compare_str(struct qb_gguf_str a, struct qb_gguf_str b)
{
    int c = memcmp(a.s, b.s, a.len < b.len ? a.len : b.len);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare_key(const void *a, const void *b, void *kv)
{
    const struct qb_gguf_kv *records = kv;
    return compare_str(records[*(const uint32_t *)a].key, records[*(const uint32_t *)b].key);
}

static enum qb_status index_keys(struct qb_gguf_part *p, struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)&p->kv_order, p->n_kv + 1, sizeof *p->kv_order, "metadata index", err));
    for (size_t i = 0; i < p->n_kv; i++)
        p->kv_order[i] = (uint32_t)i;
    qsort_r(p->kv_order, p->n_kv, sizeof *p->kv_order, compare_key, p->kv);
    for (size_t i = 1; i < p->n_kv; i++)
        if (compare_key(&p->kv_order[i - 1], &p->kv_order[i], p->kv) == 0)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': duplicate key '%s'", p->path,
                           qb_gguf_label(p->kv[p->kv_order[i]].key).text);
    return QB_OK;
}

const struct qb_gguf_kv *qb_gguf_part_find(const struct qb_gguf_part *p, const char *key)
{
    struct qb_gguf_str wanted = {key, strlen(key)};
    size_t lo = 0, hi = p->n_kv;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct qb_gguf_kv *kv = &p->kv[p->kv_order[mid]];
        int c = compare_str(wanted, kv->key);
        if (c == 0)
            return kv;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static enum qb_status read_alignment(struct qb_gguf_part *p, struct qb_err *err)
{
    p->alignment = DEFAULT_ALIGNMENT;
    const struct qb_gguf_kv *kv = qb_gguf_part_find(p, "general.alignment");
    if (!kv)
        return QB_OK;
    uint64_t a;
    if (!qb_gguf_kv_u64(kv, &a))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': general.alignment is not an unsigned integer", p->path);
    if (a < MIN_ALIGNMENT || (a & (a - 1)) != 0 || a > MAX_ALIGNMENT)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': general.alignment %" PRIu64 " is not a usable power of two",
                       p->path, a);
    p->alignment = (size_t)a;
    return QB_OK;
}

/* ---- tensors ---- */

static enum qb_status bad_tensor(const struct qb_gguf_part *p, const struct qb_gguf_tensor *t,
                                 const char *why, uint64_t value, size_t pos, struct qb_err *err)
{
    struct qb_gguf_str name = {t->name, strlen(t->name)};
    return qb_fail(err, QB_ERR_FORMAT, "'%s': tensor '%s': %s (%" PRIu64 ") at offset %zu", p->path,
                   qb_gguf_label(name).text, why, value, pos);
}

static enum qb_status parse_name(const struct qb_gguf_part *p, struct qb_gguf_tensor *t, struct qb_reader *r,
                                 struct qb_err *err)
{
    size_t pos = r->pos;
    struct qb_gguf_str name = read_string(r, MAX_STRING_BYTES, "tensor name");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (name.len == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': empty tensor name at offset %zu", p->path, pos);
    if (name.len >= sizeof t->name)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': tensor name '%s' of %zu bytes at offset %zu (63 are allowed)", p->path,
                       qb_gguf_label(name).text, name.len, pos);
    if (memchr(name.s, 0, name.len))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': tensor name '%s' with a NUL byte at offset %zu", p->path,
                       qb_gguf_label(name).text, pos);
    memcpy(t->name, name.s, name.len);
    return QB_OK;
}

static enum qb_status parse_dims(const struct qb_gguf_part *p, struct qb_gguf_tensor *t, struct qb_reader *r,
                                 struct qb_err *err)
{
    size_t pos = r->pos;
    uint32_t n_dims = qb_read_u32(r, "number of dimensions");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (n_dims < 1 || n_dims > 4)
        return bad_tensor(p, t, "number of dimensions is not 1 to 4", n_dims, pos, err);
    t->n_dims = (int)n_dims;
    int64_t elements = 1;
    for (uint32_t d = 0; d < 4; d++) {
        t->ne[d] = 1;
        if (d >= n_dims)
            continue;
        pos = r->pos;
        uint64_t ne = qb_read_u64(r, "dimension");
        QB_TRY(qb_reader_status(r, p->path, err));
        if (ne == 0 || ne > INT64_MAX)
            return bad_tensor(p, t, "dimension is not positive", ne, pos, err);
        if (__builtin_mul_overflow(elements, (int64_t)ne, &elements))
            return bad_tensor(p, t, "number of elements overflows", ne, pos, err);
        t->ne[d] = (int64_t)ne;
    }
    return QB_OK;
}

static enum qb_status parse_type(const struct qb_gguf_part *p, struct qb_gguf_tensor *t, struct qb_reader *r,
                                 struct qb_err *err)
{
    size_t pos = r->pos;
    uint32_t id = qb_read_u32(r, "tensor type");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (id >= QB_GGML_ID_END)
        return bad_tensor(p, t, "unknown type", id, pos, err);
    t->type_id = (int)id;
    int elems, bytes;
    if (!qb_ggml_block(t->type_id, &elems, &bytes)) {
        struct qb_gguf_str name = {t->name, strlen(t->name)};
        return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s': tensor '%s': type %s was removed from GGUF", p->path,
                       qb_gguf_label(name).text, qb_gguf_type_name(t->type_id));
    }
    if (t->ne[0] % elems != 0)
        return bad_tensor(p, t, "row length is not a multiple of the block size", (uint64_t)t->ne[0], pos,
                          err);
    if (!qb_ggml_bytes(t->type_id, t->ne, &t->bytes))
        return bad_tensor(p, t, "size overflows", (uint64_t)t->ne[0], pos, err);
    enum qb_format_id format;
    if (qb_layout_from_gguf_id(t->type_id, &format, &t->layout)) {
        t->format = qb_format_get(format);
        if (!qb_layout_fits(t->layout, t->format, t->ne[1]))
            return bad_tensor(p, t, "rows do not fill the interleaved groups", (uint64_t)t->ne[1], pos, err);
    }
    return QB_OK;
}

/* The offset can only become a pointer when the start of the data section is known. */
static enum qb_status parse_tensor(const struct qb_gguf_part *p, struct qb_gguf_tensor *t, uint64_t *offset,
                                   struct qb_reader *r, struct qb_err *err)
{
    QB_TRY(parse_name(p, t, r, err));
    QB_TRY(parse_dims(p, t, r, err));
    QB_TRY(parse_type(p, t, r, err));
    size_t pos = r->pos;
    *offset = qb_read_u64(r, "tensor offset");
    QB_TRY(qb_reader_status(r, p->path, err));
    if (*offset & (p->alignment - 1))
        return bad_tensor(p, t, "data offset is not aligned", *offset, pos, err);
    return QB_OK;
}

static enum qb_status place_tensors(struct qb_gguf_part *p, const uint64_t *offsets, struct qb_err *err)
{
    size_t room = p->map.size - p->data_start;
    for (size_t i = 0; i < p->n_tensors; i++) {
        struct qb_gguf_tensor *t = &p->tensors[i];
        if (offsets[i] > room || t->bytes > room - offsets[i])
            return qb_fail(err, QB_ERR_FORMAT,
                           "'%s': truncated: tensor '%s' needs %zu bytes at offset %zu + %" PRIu64
                           ", the file has %zu",
                           p->path, qb_gguf_label((struct qb_gguf_str){t->name, strlen(t->name)}).text,
                           t->bytes, p->data_start, offsets[i], p->map.size);
        t->data = p->map.data + p->data_start + offsets[i];
    }
    return QB_OK;
}

static int compare_data(const void *a, const void *b)
{
    const struct qb_gguf_tensor *x = *(const struct qb_gguf_tensor *const *)a,
                                *y = *(const struct qb_gguf_tensor *const *)b;
    return (x->data > y->data) - (x->data < y->data);
}

static enum qb_status check_overlap(const struct qb_gguf_part *p, struct qb_err *err)
{
    const struct qb_gguf_tensor **order;
    QB_TRY(qb_calloc((void **)&order, p->n_tensors + 1, sizeof(*order), "tensor order", err));
    for (size_t i = 0; i < p->n_tensors; i++)
        order[i] = &p->tensors[i];
    qsort(order, p->n_tensors, sizeof(*order), compare_data);
    enum qb_status status = QB_OK;
    for (size_t i = 1; i < p->n_tensors && status == QB_OK; i++)
        if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data)
            status = bad_tensor(p, order[i], "data overlaps another tensor",
                                (uint64_t)(order[i]->data - p->map.data), p->data_start, err);
    free(order);
    return status;
}

static enum qb_status parse_tensors(struct qb_gguf_part *p, struct qb_reader *r, uint64_t *offsets,
                                    struct qb_err *err)
{
    for (size_t i = 0; i < p->n_tensors; i++)
        QB_TRY(parse_tensor(p, &p->tensors[i], &offsets[i], r, err));
    p->data_start = r->pos;
    if (p->n_tensors == 0)
        return QB_OK;
    size_t padding = (0 - r->pos) & (p->alignment - 1);
    qb_read_bytes(r, padding, "padding before the tensor data");
    QB_TRY(qb_reader_status(r, p->path, err));
    p->data_start = r->pos;
    QB_TRY(place_tensors(p, offsets, err));
    return check_overlap(p, err);
}

enum qb_status qb_gguf_part_parse(struct qb_gguf_part *p, struct qb_err *err)
{
    struct qb_reader r;
    qb_reader_init(&r, p->map.data, p->map.size);
    QB_TRY(parse_header(p, &r, err));
    QB_TRY(qb_calloc((void **)&p->kv, p->n_kv + 1, sizeof *p->kv, "metadata", err));
    QB_TRY(qb_calloc((void **)&p->tensors, p->n_tensors + 1, sizeof *p->tensors, "tensor table", err));
    for (size_t i = 0; i < p->n_kv; i++)
        QB_TRY(parse_kv(p, &p->kv[i], &r, err));
    QB_TRY(index_keys(p, err));
    QB_TRY(read_alignment(p, err));
    uint64_t *offsets;
    QB_TRY(qb_calloc((void **)&offsets, p->n_tensors + 1, sizeof *offsets, "tensor offsets", err));
    enum qb_status status = parse_tensors(p, &r, offsets, err);
    free(offsets);
    return status;
}

enum qb_status qb_gguf_part_open(struct qb_gguf_part *p, const char *path, struct qb_err *err)
{
    *p = (struct qb_gguf_part){0};
    enum qb_status status = qb_strdup(&p->path, path, err);
    if (status == QB_OK)
        status = qb_mapping_open(&p->map, path, err);
    p->mapped = status == QB_OK;
    if (status == QB_OK)
        status = qb_gguf_part_parse(p, err);
    if (status != QB_OK)
        qb_gguf_part_release(p);
    return status;
}

void qb_gguf_part_release(struct qb_gguf_part *p)
{
    if (p->mapped)
        qb_mapping_close(&p->map);
    free(p->path);
    free(p->kv);
    free(p->kv_order);
    free(p->tensors);
    *p = (struct qb_gguf_part){0};
}

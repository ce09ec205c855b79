/*
 * Reading importance matrices. A GGUF file has for every weight NAME the F32 tensors NAME.in_sum2
 * {n_in, n_mat}, NAME.counts {1, n_mat} and perhaps NAME.in_sum. The older form has no magic:
 *
 *   i32 entries; entries times: i32 length, name, i32 chunks, i32 values, f32 values (mean square * chunks);
 *   then, where the writer was new enough: i32 chunks; i32 length, name of the text
 */
#include "base/mem.h"
#include "base/reader.h"
#include "engine/imatrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME        255
#define MAX_TEXT_NAME   4096
#define MIN_ENTRY_BYTES 17 /* a name of one byte and one value */
#define MAX_COUNT       1e15f

/* ---- both forms ---- */

/* Make room for `n` entries; im->n counts those that are filled. */
static enum qb_status start(struct qb_imatrix **out, const char *name, enum qb_imatrix_form form, size_t n,
                            struct qb_err *err)
{
    struct qb_imatrix *im;
    QB_TRY(qb_calloc((void **)&im, 1, sizeof *im, "the importance matrix", err));
    im->form = form;
    enum qb_status st =
        qb_calloc((void **)&im->entries, n, sizeof *im->entries, "the importance matrix", err);
    if (!st)
        st = qb_strdup(&im->path, name, err);
    if (st)
        qb_imatrix_close(im);
    else
        *out = im;
    return st;
}

static enum qb_status copy_floats(float **out, const void *data, size_t n, struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)out, n, sizeof **out, "the importance matrix", err));
    memcpy(*out, data, n * sizeof **out);
    return QB_OK;
}

/* Text names come from anywhere and end on terminals. */
static enum qb_status add_dataset(struct qb_imatrix *im, const char *s, size_t len, struct qb_err *err)
{
    if (len > MAX_TEXT_NAME)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': the name of a text has %zu bytes", im->path, len);
    char *copy;
    QB_TRY(qb_calloc((void **)&copy, len + 1, 1, "the name of a text", err));
    for (size_t i = 0; i < len; i++)
        copy[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
    enum qb_status st = qb_str_list_add(&im->datasets, copy, err);
    free(copy);
    return st;
}

static enum qb_status check_floats(const struct qb_imatrix *im, const char *name, const char *what,
                                   const float *v, size_t n, bool may_be_negative, struct qb_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return qb_fail(err, QB_ERR_FORMAT, "'%s': %s %zu of '%s' is not finite", im->path, what, i, name);
        if (v[i] < 0 && !may_be_negative)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': %s %zu of '%s' is negative", im->path, what, i, name);
    }
    return QB_OK;
}

static enum qb_status check_entry(const struct qb_imatrix *im, const struct qb_imatrix_entry *e,
                                  struct qb_err *err)
{
    size_t n = qb_imatrix_n_values(e);
    QB_TRY(check_floats(im, e->name, "sum of squares", e->sum2, n, false, err));
    if (e->sum)
        QB_TRY(check_floats(im, e->name, "sum", e->sum, n, true, err));
    QB_TRY(check_floats(im, e->name, "count", e->counts, (size_t)e->n_mat, false, err));
    for (int64_t m = 0; m < e->n_mat; m++)
        if (e->counts[m] > MAX_COUNT)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': count %" PRId64 " of '%s' is impossible: %g", im->path,
                           m, e->name, (double)e->counts[m]);
    return QB_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct qb_imatrix_entry *)a)->name, ((const struct qb_imatrix_entry *)b)->name);
}

static enum qb_status finish(struct qb_imatrix *im, struct qb_err *err)
{
    if (im->n == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': no entries", im->path);
    qsort(im->entries, im->n, sizeof *im->entries, compare_entries);
    for (size_t i = 0; i < im->n; i++) {
        if (i > 0 && strcmp(im->entries[i - 1].name, im->entries[i].name) == 0)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': two entries for '%s'", im->path, im->entries[i].name);
        QB_TRY(check_entry(im, &im->entries[i], err));
    }
    return QB_OK;
}

/* ---- GGUF ---- */

/* Does the name end so? *len is the length of what stands before. */
static bool ends_with(const char *name, const char *suffix, size_t *len)
{
    size_t n = strlen(name), s = strlen(suffix);
    *len = n > s ? n - s : 0;
    return n > s && strcmp(name + n - s, suffix) == 0;
}

/* The tensor NAME + suffix, NULL when there is none. */
static const struct qb_gguf_tensor *part_of(const struct qb_gguf *g, const char *name, const char *suffix)
{
    char full[2 * sizeof((struct qb_gguf_tensor *)0)->name];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return qb_gguf_tensor_find(g, full);
}

static enum qb_status check_shape(const struct qb_imatrix *im, const struct qb_gguf_tensor *t, int64_t ne0,
                                  int64_t ne1, struct qb_err *err)
{
    if (t->type_id != QB_GGML_F32)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': tensor '%s' has the format %s, expected F32", im->path,
                       t->name, qb_gguf_type_name(t->type_id));
    if (t->ne[0] != ne0 || t->ne[1] != ne1 || t->ne[2] != 1 || t->ne[3] != 1)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': tensor '%s' is %" PRId64 " x %" PRId64 " x %" PRId64 ", expected %" PRId64
                       " x %" PRId64,
                       im->path, t->name, t->ne[0], t->ne[1], t->ne[2], ne0, ne1);
    return QB_OK;
}

static enum qb_status read_gguf_entry(struct qb_imatrix *im, const struct qb_gguf *g,
                                      const struct qb_gguf_tensor *sum2, size_t len, struct qb_err *err)
{
    struct qb_imatrix_entry *e = &im->entries[im->n++];
    e->n_in = sum2->ne[0];
    e->n_mat = sum2->ne[1];
    QB_TRY(qb_strdup(&e->name, sum2->name, err));
    e->name[len] = '\0';
    const struct qb_gguf_tensor *counts = part_of(g, e->name, ".counts"),
                                *sum = part_of(g, e->name, ".in_sum");
    if (!counts)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': '%s' has sums but no counts", im->path, e->name);
    QB_TRY(check_shape(im, sum2, e->n_in, e->n_mat, err));
    QB_TRY(check_shape(im, counts, 1, e->n_mat, err));
    QB_TRY(copy_floats(&e->sum2, sum2->data, qb_imatrix_n_values(e), err));
    QB_TRY(copy_floats(&e->counts, counts->data, (size_t)e->n_mat, err));
    if (!sum)
        return QB_OK;
    QB_TRY(check_shape(im, sum, e->n_in, e->n_mat, err));
    return copy_floats(&e->sum, sum->data, qb_imatrix_n_values(e), err);
}

static enum qb_status read_gguf_facts(struct qb_imatrix *im, const struct qb_gguf *g, struct qb_err *err)
{
    uint64_t chunks, size;
    const struct qb_gguf_kv *datasets = qb_gguf_find(g, "imatrix.datasets");
    if (!datasets || datasets->type != QB_GGUF_ARRAY || datasets->elem_type != QB_GGUF_STRING ||
        !qb_gguf_get_u64(g, "imatrix.chunk_count", &chunks) || chunks > UINT32_MAX ||
        !qb_gguf_get_u64(g, "imatrix.chunk_size", &size) || size > INT32_MAX)
        return qb_fail(
            err, QB_ERR_FORMAT,
            "'%s': 'imatrix.datasets', 'imatrix.chunk_count' or 'imatrix.chunk_size' is missing or "
            "of another kind",
            im->path);
    im->n_chunks = (uint32_t)chunks;
    im->chunk_size = (uint32_t)size;
    struct qb_gguf_str s;
    size_t pos = 0;
    while (qb_gguf_array_next_str(datasets, &pos, &s))
        QB_TRY(add_dataset(im, s.s, s.len, err));
    return QB_OK;
}

static enum qb_status read_gguf_entries(struct qb_imatrix *im, const struct qb_gguf *g, struct qb_err *err)
{
    size_t len;
    QB_TRY(read_gguf_facts(im, g, err));
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(g, i);
        if (ends_with(t->name, ".in_sum2", &len))
            QB_TRY(read_gguf_entry(im, g, t, len, err));
    }
    return finish(im, err);
}

static enum qb_status read_gguf(struct qb_imatrix **out, const struct qb_gguf *g, struct qb_err *err)
{
    struct qb_gguf_str type;
    if (!qb_gguf_get_str(g, "general.type", &type) || type.len != 7 || memcmp(type.s, "imatrix", 7) != 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s' is a GGUF file, but no importance matrix", qb_gguf_path(g));
    struct qb_imatrix *im;
    QB_TRY(start(&im, qb_gguf_path(g), QB_IMATRIX_GGUF, qb_gguf_n_tensors(g), err));
    enum qb_status st = read_gguf_entries(im, g, err);
    if (st)
        qb_imatrix_close(im);
    else
        *out = im;
    return st;
}

/* ---- the older form ---- */

/* A count or length: fails the reader when it is not in [min, max]. */
static size_t read_count(struct qb_reader *r, int32_t min, size_t max, const char *what)
{
    size_t at = r->pos;
    int32_t v = (int32_t)qb_read_u32(r, what);
    if (!r->failed && (v < min || (size_t)v > max)) {
        r->failed = true;
        r->fail_pos = at;
        r->fail_what = NULL; /* not the end of the file */
        return 0;
    }
    return (size_t)v;
}

static enum qb_status old_status(const struct qb_imatrix *im, const struct qb_reader *r, struct qb_err *err)
{
    if (r->failed && !r->fail_what)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': impossible count or length at offset %zu", im->path,
                       r->fail_pos);
    return qb_reader_status(r, im->path, err);
}

static bool is_name(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] <= 0x20 || s[i] == 0x7f)
            return false;
    return true;
}

/* Values are mean square times chunks: with the chunks as counts these are sums. */
static enum qb_status read_old_entry(struct qb_imatrix *im, struct qb_reader *r, struct qb_err *err)
{
    struct qb_imatrix_entry *e = &im->entries[im->n++];
    e->n_mat = 1;
    size_t name_at = r->pos + 4, len = read_count(r, 1, MAX_NAME, "the length of a name");
    const uint8_t *name = qb_read_bytes(r, len, "a name");
    size_t chunks = read_count(r, 0, INT32_MAX, "the chunks of an entry");
    size_t n = read_count(r, 1, INT32_MAX, "the number of values");
    const uint8_t *values = qb_read_bytes(r, n * sizeof(float), "values");
    QB_TRY(old_status(im, r, err));
    if (!is_name(name, len))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': the name at offset %zu is no name of a tensor", im->path,
                       name_at);
    e->n_in = (int64_t)n;
    QB_TRY(qb_calloc((void **)&e->name, len + 1, 1, "a name", err));
    memcpy(e->name, name, len);
    QB_TRY(copy_floats(&e->sum2, values, n, err));
    QB_TRY(qb_calloc((void **)&e->counts, 1, sizeof *e->counts, "the importance matrix", err));
    e->counts[0] = chunks ? (float)chunks : 1; /* no count: the values are mean squares */
    return QB_OK;
}

/* What newer writers add at the end; nothing may follow, since nothing else tells this form from others. */
static enum qb_status read_old_end(struct qb_imatrix *im, struct qb_reader *r, struct qb_err *err)
{
    if (qb_reader_left(r) > 0)
        im->n_chunks = (uint32_t)read_count(r, 0, INT32_MAX, "the number of chunks");
    if (qb_reader_left(r) > 0) {
        size_t len = read_count(r, 0, MAX_TEXT_NAME, "the length of the text's name");
        const uint8_t *name = qb_read_bytes(r, len, "the text's name");
        QB_TRY(old_status(im, r, err));
        if (len > 0)
            QB_TRY(add_dataset(im, (const char *)name, len, err));
    }
    QB_TRY(old_status(im, r, err));
    if (qb_reader_left(r) > 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': %zu bytes too many at offset %zu", im->path,
                       qb_reader_left(r), r->pos);
    return QB_OK;
}

static enum qb_status read_old_entries(struct qb_imatrix *im, struct qb_reader *r, size_t n,
                                       struct qb_err *err)
{
    for (size_t i = 0; i < n; i++)
        QB_TRY(read_old_entry(im, r, err));
    QB_TRY(read_old_end(im, r, err));
    return finish(im, err);
}

static enum qb_status read_old(struct qb_imatrix **out, const void *data, size_t size, const char *name,
                               struct qb_err *err)
{
    struct qb_reader r;
    qb_reader_init(&r, data, size);
    int32_t n = (int32_t)qb_read_u32(&r, "the number of entries");
    if (r.failed || n < 1 || (size_t)n > qb_reader_left(&r) / MIN_ENTRY_BYTES)
        return qb_fail(err, QB_ERR_FORMAT, "'%s' is no importance matrix: neither GGUF nor a list of entries",
                       name);
    struct qb_imatrix *im;
    QB_TRY(start(&im, name, QB_IMATRIX_DAT, (size_t)n, err));
    enum qb_status st = read_old_entries(im, &r, (size_t)n, err);
    if (st)
        qb_imatrix_close(im);
    else
        *out = im;
    return st;
}

/* ---- opening ---- */

static bool is_gguf(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "GGUF", 4) == 0;
}

enum qb_status qb_imatrix_open_memory(struct qb_imatrix **out, const void *data, size_t size,
                                      const char *name, struct qb_err *err)
{
    if (!is_gguf(data, size))
        return read_old(out, data, size, name, err);
    struct qb_gguf *g;
    QB_TRY(qb_gguf_open_memory(&g, data, size, name, err));
    enum qb_status st = read_gguf(out, g, err);
    qb_gguf_close(g);
    return st;
}

enum qb_status qb_imatrix_open(struct qb_imatrix **out, const char *path, struct qb_err *err)
{
    struct qb_mapping map;
    QB_TRY(qb_mapping_open(&map, path, err));
    enum qb_status st = qb_imatrix_open_memory(out, map.data, map.size, path, err);
    qb_mapping_close(&map);
    return st;
}

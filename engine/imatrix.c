/*
 * Importance matrices in memory: finding and adding entries, importance values, merging, checks
 * against a model.
 */
#include "engine/imatrix.h"

#include "base/mem.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum qb_status qb_imatrix_create(struct qb_imatrix **out, uint32_t chunk_size, struct qb_err *err)
{
    struct qb_imatrix *im;
    QB_TRY(qb_calloc((void **)&im, 1, sizeof *im, "the importance matrix", err));
    im->chunk_size = chunk_size;
    enum qb_status st = qb_strdup(&im->path, "", err);
    if (st)
        free(im);
    else
        *out = im;
    return st;
}

static void release_entry(struct qb_imatrix_entry *e)
{
    free(e->name);
    free(e->sum2);
    free(e->sum);
    free(e->counts);
}

void qb_imatrix_close(struct qb_imatrix *im)
{
    if (!im)
        return;
    for (size_t i = 0; i < im->n; i++)
        release_entry(&im->entries[i]);
    free(im->entries);
    free(im->path);
    qb_str_list_release(&im->datasets);
    free(im);
}

static int compare_name(const void *key, const void *entry)
{
    return strcmp(key, ((const struct qb_imatrix_entry *)entry)->name);
}

const struct qb_imatrix_entry *qb_imatrix_find(const struct qb_imatrix *im, const char *name)
{
    return im->n ? bsearch(name, im->entries, im->n, sizeof *im->entries, compare_name) : NULL;
}

size_t qb_imatrix_n_values(const struct qb_imatrix_entry *e)
{
    return (size_t)e->n_in * (size_t)e->n_mat;
}

void qb_imatrix_importance(const struct qb_imatrix_entry *e, size_t first, size_t n, float *out)
{
    if (first > qb_imatrix_n_values(e) || n > qb_imatrix_n_values(e) - first)
        QB_BUG("values %zu to %zu of '%s', which has %zu", first, first + n, e->name, qb_imatrix_n_values(e));
    for (size_t i = 0; i < n; i++) {
        float count = e->counts[(first + i) / (size_t)e->n_in];
        out[i] = count > 0 ? e->sum2[first + i] / count : 1;
    }
}

/* ---- adding ---- */

static enum qb_status alloc_entry(struct qb_imatrix_entry *e, const char *name, bool with_sum,
                                  struct qb_err *err)
{
    static const char what[] = "the importance matrix";
    size_t n;
    if (e->n_in < 1 || e->n_mat < 1 || !qb_size_mul((size_t)e->n_in, (size_t)e->n_mat, &n))
        return qb_fail(err, QB_ERR_FORMAT, "an entry '%s' of %" PRId64 " x %" PRId64 " values", name, e->n_in,
                       e->n_mat);
    QB_TRY(qb_strdup(&e->name, name, err));
    QB_TRY(qb_calloc((void **)&e->sum2, n, sizeof *e->sum2, what, err));
    if (with_sum)
        QB_TRY(qb_calloc((void **)&e->sum, n, sizeof *e->sum, what, err));
    return qb_calloc((void **)&e->counts, (size_t)e->n_mat, sizeof *e->counts, what, err);
}

/* Where the name is or belongs. */
static size_t position(const struct qb_imatrix *im, const char *name)
{
    size_t lo = 0, hi = im->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(im->entries[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

enum qb_status qb_imatrix_add(struct qb_imatrix *im, const char *name, int64_t n_in, int64_t n_mat,
                              bool with_sum, struct qb_imatrix_entry **out, struct qb_err *err)
{
    size_t at = position(im, name);
    *out = at < im->n ? &im->entries[at] : NULL;
    if (*out && strcmp((*out)->name, name) == 0)
        return (*out)->n_in == n_in && (*out)->n_mat == n_mat
                   ? QB_OK
                   : qb_fail(err, QB_ERR_FORMAT,
                             "entry '%s' is %" PRId64 " x %" PRId64 ", not %" PRId64 " x %" PRId64, name,
                             (*out)->n_in, (*out)->n_mat, n_in, n_mat);
    struct qb_imatrix_entry e = {.n_in = n_in, .n_mat = n_mat};
    struct qb_imatrix_entry *more = realloc(im->entries, (im->n + 1) * sizeof *more);
    enum qb_status st = more ? QB_OK : qb_fail(err, QB_ERR_MEMORY, "not enough memory for '%s'", name);
    im->entries = more ? more : im->entries;
    if (!st)
        st = alloc_entry(&e, name, with_sum, err);
    if (st) {
        release_entry(&e);
        return st;
    }
    *out = &im->entries[at];
    memmove(*out + 1, *out, (im->n - at) * sizeof **out);
    **out = e;
    im->n++;
    return QB_OK;
}

enum qb_status qb_imatrix_add_dataset(struct qb_imatrix *im, const char *name, struct qb_err *err)
{
    for (size_t i = 0; i < im->datasets.n; i++)
        if (strcmp(im->datasets.items[i], name) == 0)
            return QB_OK;
    return qb_str_list_add(&im->datasets, name, err);
}

/* ---- merging ---- */

static void scale(float *v, size_t n, float by)
{
    for (size_t i = 0; v && i < n; i++)
        v[i] *= by;
}

void qb_imatrix_set_chunk_size(struct qb_imatrix *im, uint32_t chunk_size)
{
    if (im->chunk_size || !chunk_size)
        return;
    im->chunk_size = chunk_size;
    for (size_t i = 0; i < im->n; i++) {
        struct qb_imatrix_entry *e = &im->entries[i];
        scale(e->sum2, qb_imatrix_n_values(e), (float)chunk_size);
        scale(e->sum, qb_imatrix_n_values(e), (float)chunk_size);
        scale(e->counts, (size_t)e->n_mat, (float)chunk_size);
    }
}

/* Add to `e` what `from` has; one of them may not tell experts apart. */
static void add_values(struct qb_imatrix_entry *e, const struct qb_imatrix_entry *from)
{
    size_t n = qb_imatrix_n_values(e);
    for (size_t i = 0; i < n; i++)
        e->sum2[i] += from->sum2[i];
    for (size_t i = 0; e->sum && from->sum && i < n; i++)
        e->sum[i] += from->sum[i];
    if (!from->sum) {
        free(e->sum);
        e->sum = NULL;
    }
    for (int64_t m = 0; m < e->n_mat; m++)
        e->counts[m] += from->counts[from->n_mat == 1 ? 0 : m];
}

/* Experts of an old file: the same count for each of n_mat. */
static enum qb_status split_experts(struct qb_imatrix_entry *e, int64_t n_mat, struct qb_err *err)
{
    float *counts;
    QB_TRY(qb_calloc((void **)&counts, (size_t)n_mat, sizeof *counts, "the importance matrix", err));
    for (int64_t m = 0; m < n_mat; m++)
        counts[m] = e->counts[0];
    free(e->counts);
    e->counts = counts;
    e->n_in /= n_mat;
    e->n_mat = n_mat;
    return QB_OK;
}

static enum qb_status merge_entry(struct qb_imatrix *im, const struct qb_imatrix_entry *from,
                                  const struct qb_imatrix *source, struct qb_err *err)
{
    size_t at = position(im, from->name);
    struct qb_imatrix_entry *e = at < im->n ? &im->entries[at] : NULL;
    if (!e || strcmp(e->name, from->name) != 0)
        QB_TRY(qb_imatrix_add(im, from->name, from->n_in, from->n_mat, from->sum != NULL, &e, err));
    bool fits = qb_imatrix_n_values(e) == qb_imatrix_n_values(from) &&
                (e->n_mat == from->n_mat || e->n_mat == 1 || from->n_mat == 1);
    if (!fits)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': %zu values for '%s', where '%s' has %zu", source->path,
                       qb_imatrix_n_values(from), from->name, im->path, qb_imatrix_n_values(e));
    if (e->n_mat < from->n_mat)
        QB_TRY(split_experts(e, from->n_mat, err));
    add_values(e, from);
    return QB_OK;
}

enum qb_status qb_imatrix_merge(struct qb_imatrix *im, const struct qb_imatrix *from, struct qb_err *err)
{
    if (im->n == 0 && !im->chunk_size)
        im->chunk_size = from->chunk_size;
    if (!im->chunk_size || !from->chunk_size)
        QB_BUG("merging counts of unknown units");
    for (size_t i = 0; i < from->n; i++)
        QB_TRY(merge_entry(im, &from->entries[i], from, err));
    for (size_t i = 0; i < from->datasets.n; i++)
        QB_TRY(qb_imatrix_add_dataset(im, from->datasets.items[i], err));
    if (!im->path[0]) { /* messages name the first file */
        free(im->path);
        im->path = NULL;
        QB_TRY(qb_strdup(&im->path, from->path, err));
    }
    im->n_chunks = from->n_chunks > UINT32_MAX - im->n_chunks ? UINT32_MAX : im->n_chunks + from->n_chunks;
    return QB_OK;
}

/* ---- use ---- */

const char *qb_imatrix_dataset(const struct qb_imatrix *im)
{
    return im->datasets.n ? im->datasets.items[0] : "";
}

enum qb_status qb_imatrix_check_tensor(const struct qb_imatrix *im, const char *name, const int64_t ne[4],
                                       struct qb_err *err)
{
    const struct qb_imatrix_entry *e = qb_imatrix_find(im, name);
    int64_t expected;
    if (!e || strcmp(name, "token_embd.weight") == 0)
        return QB_OK;
    if (!__builtin_mul_overflow(ne[0], ne[2], &expected) && expected >= 0 &&
        (uint64_t)expected == qb_imatrix_n_values(e))
        return QB_OK;
    return qb_fail(err, QB_ERR_FORMAT,
                   "'%s': %zu values for tensor '%s', which has %" PRId64 " x %" PRId64 " inputs", im->path,
                   qb_imatrix_n_values(e), name, ne[0], ne[2]);
}

enum qb_status qb_imatrix_check_model(const struct qb_imatrix *im, const struct qb_gguf *model,
                                      struct qb_err *err)
{
    size_t found = 0;
    for (size_t i = 0; i < qb_gguf_n_tensors(model); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(model, i);
        QB_TRY(qb_imatrix_check_tensor(im, t->name, t->ne, err));
        found += qb_imatrix_find(im, t->name) != NULL;
    }
    if (found == 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': no entry for any tensor of '%s'", im->path,
                       qb_gguf_path(model));
    return QB_OK;
}

/*
 * Importance matrices in memory: finding entries, importance values, checks against a model.
 */
#include "engine/imatrix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void qb_imatrix_close(struct qb_imatrix *im)
{
    if (!im)
        return;
    for (size_t i = 0; i < im->n; i++) {
        struct qb_imatrix_entry *e = &im->entries[i];
        free(e->name);
        free(e->sum2);
        free(e->sum);
        free(e->counts);
    }
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

/*
 * Which tensor of the file a matrix is: found by the address of its weights, so that a part of a tensor (an
 * expert, a slice of fused rows) leads there too.
 */
#include "engine/model_build.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct qb_model_tensor *x = a, *y = b;
    return (x->data > y->data) - (x->data < y->data);
}

enum qb_status qb_build_tensors(struct qb_build *b, struct qb_err *err)
{
    struct qb_model *m = b->model;
    QB_TRY(qb_calloc((void **)&m->tensors, b->n_parts, sizeof *m->tensors, "the tensor list", err));
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct qb_part *p = &b->parts[i];
        if (!p->matrix || !p->format || !p->matrix->data)
            continue;
        struct qb_model_tensor *t = &m->tensors[m->n_tensors++];
        memcpy(t->name, p->spec.name, sizeof t->name);
        memcpy(t->ne, p->spec.ne, sizeof t->ne);
        t->data = p->matrix->data;
        t->bytes = qb_matrix_row_bytes(p->matrix) * (size_t)(t->ne[1] * t->ne[2]);
    }
    qsort(m->tensors, m->n_tensors, sizeof *m->tensors, compare);
    return QB_OK;
}

const struct qb_model_tensor *qb_model_tensor_of(const struct qb_model *m, const struct qb_matrix *x,
                                                 int64_t *mat)
{
    size_t lo = 0, hi = m->n_tensors;
    while (lo < hi) { /* the first one after x */
        size_t mid = lo + (hi - lo) / 2;
        if (m->tensors[mid].data <= x->data)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    const struct qb_model_tensor *t = &m->tensors[lo - 1];
    size_t at = (size_t)(x->data - t->data);
    if (at >= t->bytes)
        return NULL;
    *mat = (int64_t)(at / (t->bytes / (size_t)t->ne[2]));
    return t;
}

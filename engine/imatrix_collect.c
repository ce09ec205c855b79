/*
 * The observer that sums up squares. Every worker has its own columns, and adds up tokens in their order.
 */
#include "engine/imatrix_collect.h"

#include "base/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 64 /* columns that are summed up at a time, in registers or nearly so */

struct account {
    const struct qb_model_tensor *tensor;
    double *sum2, *sum; /* [ne[2]][ne[0]]; NULL: not collected */
    int64_t *counts;    /* [ne[2]] */
};

struct qb_collector {
    const struct qb_model *model;
    struct account *accounts; /* one a tensor of the model, in its order */
};

static bool wanted(const struct qb_model *m, const struct qb_model_tensor *t, bool with_output)
{
    return strncmp(t->name, "blk.", 4) == 0 || (with_output && t->data == m->output.data);
}

static enum qb_status open_account(struct account *a, const struct qb_model_tensor *t, struct qb_err *err)
{
    static const char what[] = "the sums of the importance matrix";
    size_t n = (size_t)(t->ne[0] * t->ne[2]);
    a->tensor = t;
    QB_TRY(qb_calloc((void **)&a->sum2, n, sizeof *a->sum2, what, err));
    QB_TRY(qb_calloc((void **)&a->sum, n, sizeof *a->sum, what, err));
    return qb_calloc((void **)&a->counts, (size_t)t->ne[2], sizeof *a->counts, what, err);
}

enum qb_status qb_collector_create(struct qb_collector **out, const struct qb_model *m, bool with_output,
                                   struct qb_err *err)
{
    struct qb_collector *c;
    QB_TRY(qb_calloc((void **)&c, 1, sizeof *c, "the collector", err));
    c->model = m;
    enum qb_status st =
        qb_calloc((void **)&c->accounts, m->n_tensors, sizeof *c->accounts, "the collector", err);
    for (size_t i = 0; !st && i < m->n_tensors; i++)
        if (wanted(m, &m->tensors[i], with_output))
            st = open_account(&c->accounts[i], &m->tensors[i], err);
    if (st)
        qb_collector_free(c);
    else
        *out = c;
    return st;
}

void qb_collector_free(struct qb_collector *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->accounts && i < c->model->n_tensors; i++) {
        free(c->accounts[i].sum2);
        free(c->accounts[i].sum);
        free(c->accounts[i].counts);
    }
    free(c->accounts);
    free(c);
}

/* ---- observing ---- */

/* The account of a matrix and its number in the tensor; NULL when it is not collected. */
static struct account *account_of(const struct qb_collector *c, const struct qb_matrix *x, int64_t *mat)
{
    const struct qb_model_tensor *t = qb_model_tensor_of(c->model, x, mat);
    struct account *a = t ? &c->accounts[t - c->model->tensors] : NULL;
    return a && a->sum2 && t->ne[0] == x->n_cols ? a : NULL;
}

/* Columns [k0, k0 + n) over all tokens. */
static void sum_up(const struct qb_observation *o, size_t k0, size_t n, double *sum2, double *sum)
{
    memset(sum2, 0, n * sizeof *sum2);
    memset(sum, 0, n * sizeof *sum);
    for (int t = 0; t < o->n; t++) {
        const float *x = o->x + (size_t)t * o->ldx + k0;
        for (size_t k = 0; k < n; k++) {
            double v = x[k];
            sum2[k] += v * v;
            sum[k] += v;
        }
    }
}

void qb_collector_observe(struct qb_worker *w, const struct qb_observation *o, void *arg)
{
    const struct qb_collector *c = arg;
    int64_t k, end, mat, n_cols = o->to[0]->n_cols;
    qb_pool_static_range(w, n_cols, UNIT, &k, &end);
    for (; k < end; k += UNIT) {
        double sum2[UNIT], sum[UNIT];
        size_t n = (size_t)(n_cols - k < UNIT ? n_cols - k : UNIT);
        sum_up(o, (size_t)k, n, sum2, sum);
        for (int i = 0; i < o->n_to; i++) {
            struct account *a = account_of(c, o->to[i], &mat);
            size_t at = a ? (size_t)(mat * n_cols + k) : 0;
            for (size_t j = 0; a && j < n; j++) {
                a->sum2[at + j] += sum2[j];
                a->sum[at + j] += sum[j];
            }
        }
    }
    for (int i = 0; w->index == 0 && i < o->n_to; i++) {
        struct account *a = account_of(c, o->to[i], &mat);
        if (a)
            a->counts[mat] += o->n;
    }
}

/* ---- the end of a chunk ---- */

static enum qb_status check_finite(const struct account *a, struct qb_err *err)
{
    size_t n = (size_t)(a->tensor->ne[0] * a->tensor->ne[2]);
    for (size_t i = 0; i < n; i++)
        if (!isfinite((float)a->sum2[i]))
            return qb_fail(err, QB_ERR_CHECK,
                           "what comes into '%s' is not finite at column %zu: the model does not work",
                           a->tensor->name, i % (size_t)a->tensor->ne[0]);
    return QB_OK;
}

/* to NULL: only clear. */
static void add_and_clear(float *to, double *from, size_t n)
{
    for (size_t i = 0; to && i < n; i++)
        to[i] = (float)((double)to[i] + from[i]);
    memset(from, 0, n * sizeof *from);
}

static enum qb_status close_chunk(struct account *a, struct qb_imatrix *im, struct qb_err *err)
{
    const int64_t *ne = a->tensor->ne;
    struct qb_imatrix_entry *e;
    QB_TRY(qb_imatrix_add(im, a->tensor->name, ne[0], ne[2], true, &e, err));
    add_and_clear(e->sum2, a->sum2, qb_imatrix_n_values(e));
    add_and_clear(e->sum, a->sum, qb_imatrix_n_values(e));
    for (int64_t m = 0; m < ne[2]; m++) {
        e->counts[m] += (float)a->counts[m];
        a->counts[m] = 0;
    }
    return QB_OK;
}

enum qb_status qb_collector_end_chunk(struct qb_collector *c, struct qb_imatrix *im, struct qb_err *err)
{
    for (size_t i = 0; i < c->model->n_tensors; i++)
        if (c->accounts[i].sum2)
            QB_TRY(check_finite(&c->accounts[i], err));
    for (size_t i = 0; i < c->model->n_tensors; i++)
        if (c->accounts[i].sum2)
            QB_TRY(close_chunk(&c->accounts[i], im, err));
    im->n_chunks++;
    return QB_OK;
}

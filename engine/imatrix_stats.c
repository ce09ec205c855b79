/*
 * Statistics of importance matrices.
 */
#include "engine/imatrix_stats.h"

#include "base/mem.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The layer of "blk.N.REST", and where REST begins; -1 when the name is none of a layer. */
static int layer_of(const char *name, const char **rest)
{
    int layer, used = 0;
    *rest = name;
    if (sscanf(name, "blk.%9d.%n", &layer, &used) != 1 || used == 0 || layer < 0)
        return -1;
    *rest = name + used;
    return layer;
}

/* The same tensor one layer before, if it has as many values. */
static const struct qb_imatrix_entry *before(const struct qb_imatrix *im, const struct qb_imatrix_entry *e)
{
    char name[320];
    const char *rest;
    int layer = layer_of(e->name, &rest);
    if (layer < 1)
        return NULL;
    snprintf(name, sizeof name, "blk.%d.%s", layer - 1, rest);
    const struct qb_imatrix_entry *b = qb_imatrix_find(im, name);
    return b && qb_imatrix_n_values(b) == qb_imatrix_n_values(e) ? b : NULL;
}

static void count(struct qb_imatrix_stats *s, const struct qb_imatrix_entry *e)
{
    for (int64_t m = 0; m < e->n_mat; m++) {
        s->tokens = fmax(s->tokens, (double)e->counts[m]);
        s->n_unseen += !(e->counts[m] > 0);
        for (int64_t k = 0; e->counts[m] > 0 && k < e->n_in; k++)
            s->n_zero += e->sum2[m * e->n_in + k] == 0;
    }
}

static void spread(struct qb_imatrix_stats *s, const float *v, size_t n)
{
    double square = 0;
    s->min = INFINITY;
    s->max = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        s->sum2 += v[i];
        square += (double)v[i] * (double)v[i];
        s->min = fmin(s->min, v[i]);
        s->max = fmax(s->max, v[i]);
    }
    s->mean = s->sum2 / (double)n;
    s->stddev = sqrt(fmax(0, square / (double)n - s->mean * s->mean));
    for (size_t i = 0; i < n; i++) {
        double p = s->sum2 > 0 ? (double)v[i] / s->sum2 : 0;
        s->entropy -= p > 0 ? p * log2(p) : 0;
    }
    s->entropy_pct = n > 1 && s->sum2 > 0 ? 100 * s->entropy / log2((double)n) : NAN;
}

static void compare(struct qb_imatrix_stats *s, const float *v, const float *b, size_t n)
{
    double vv = 0, bb = 0, vb = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        vv += (double)v[i] * (double)v[i];
        bb += (double)b[i] * (double)b[i];
        vb += (double)v[i] * (double)b[i];
        sum += b[i];
    }
    s->cosine = vv > 0 && bb > 0 ? vb / sqrt(vv * bb) : NAN;
    s->gain = sum > 0 ? s->sum2 / sum : NAN;
}

enum qb_status qb_imatrix_stats_of(struct qb_imatrix_stats *s, const struct qb_imatrix *im,
                                   const struct qb_imatrix_entry *e, struct qb_err *err)
{
    const char *rest;
    size_t n = qb_imatrix_n_values(e);
    const struct qb_imatrix_entry *b = before(im, e);
    float *v;
    QB_TRY(qb_calloc((void **)&v, n, 2 * sizeof *v, "statistics", err));
    *s = (struct qb_imatrix_stats){.n_in = e->n_in, .n_mat = e->n_mat, .gain = NAN, .cosine = NAN};
    s->layer = layer_of(e->name, &rest);
    count(s, e);
    qb_imatrix_importance(e, 0, n, v);
    spread(s, v, n);
    if (b) {
        qb_imatrix_importance(b, 0, n, v + n);
        compare(s, v, v + n, n);
    }
    free(v);
    return QB_OK;
}

static int compare_layers(const void *a, const void *b)
{
    const struct qb_imatrix_entry *x = *(const struct qb_imatrix_entry *const *)a;
    const struct qb_imatrix_entry *y = *(const struct qb_imatrix_entry *const *)b;
    const char *rest_x, *rest_y;
    int lx = layer_of(x->name, &rest_x), ly = layer_of(y->name, &rest_y);
    lx = lx < 0 ? INT_MAX : lx;
    ly = ly < 0 ? INT_MAX : ly;
    return lx != ly ? (lx > ly) - (lx < ly) : strcmp(rest_x, rest_y);
}

enum qb_status qb_imatrix_by_layer(const struct qb_imatrix_entry ***out, const struct qb_imatrix *im,
                                   struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)out, im->n, sizeof **out, "the list of tensors", err));
    for (size_t i = 0; i < im->n; i++)
        (*out)[i] = &im->entries[i];
    qsort(*out, im->n, sizeof **out, compare_layers);
    return QB_OK;
}

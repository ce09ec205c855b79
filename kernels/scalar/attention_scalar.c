/*
 * Attention, plain code: a chunk of keys at a time is widened to f32, then each column (query and head) goes
 * through it alone with an online softmax.
 */
#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include <math.h>

struct chunk {
    int64_t base;
    int n;    /* keys */
    float *k; /* [n][dim_k] */
    float *v; /* [n][dim_v] */
};

static float k_value(const struct qb_kv *kv, int head, int64_t pos, int d)
{
    int64_t block = head * (kv->capacity / QB_KV_BLOCK) + pos / QB_KV_BLOCK, lane = pos % QB_KV_BLOCK;
    int64_t i = (block * kv->dim_k + d) * QB_KV_BLOCK + lane;
    if (kv->type_k == QB_KV_F32)
        return ((const float *)kv->k)[i];
    if (kv->type_k == QB_KV_F16)
        return qb_f16_to_f32(((const uint16_t *)kv->k)[i]);
    uint16_t scale = kv->k_scale[(block * (kv->dim_k / 32) + d / 32) * QB_KV_BLOCK + lane];
    return (float)((const int8_t *)kv->k)[i] * qb_f16_to_f32(scale);
}

static float v_value(const struct qb_kv *kv, int head, int64_t pos, int d)
{
    int64_t i = (head * kv->capacity + pos) * kv->dim_v + d;
    if (kv->type_v == QB_KV_F32)
        return ((const float *)kv->v)[i];
    if (kv->type_v == QB_KV_F16)
        return qb_f16_to_f32(((const uint16_t *)kv->v)[i]);
    return (float)((const int8_t *)kv->v)[i] * qb_f16_to_f32(kv->v_scale[i / 32]);
}

static void read_chunk(const struct qb_kv *kv, int head, struct chunk *t)
{
    for (int i = 0; i < t->n; i++) {
        for (int d = 0; d < kv->dim_k; d++)
            t->k[i * kv->dim_k + d] = k_value(kv, head, t->base + i, d);
        for (int d = 0; d < kv->dim_v; d++)
            t->v[i * kv->dim_v + d] = v_value(kv, head, t->base + i, d);
    }
}

static float score(const struct qb_attn *a, const float *q, const float *k)
{
    float s = 0;
    for (int d = 0; d < a->kv->dim_k; d++)
        s += q[d] * k[d];
    s *= a->scale;
    return a->softcap != 0 ? a->softcap * tanhf(s / a->softcap) : s;
}

/* Add the visible keys of a chunk to one column. `pos` is the column's position, ml its maximum and sum. */
static void attend_column(const struct qb_attn *a, const struct chunk *t, int64_t pos, const float *q,
                          float *out, float *ml)
{
    float s[QB_ATTN_KEYS], max = ml[0];
    int64_t lo = a->window > 0 ? pos - a->window + 1 - t->base : 0, hi = pos + 1 - t->base;
    lo = lo > 0 ? lo : 0;
    hi = hi < t->n ? hi : t->n;
    if (lo >= hi)
        return;
    for (int64_t i = lo; i < hi; i++) {
        s[i] = score(a, q, t->k + i * a->kv->dim_k);
        max = fmaxf(max, s[i]);
    }
    float alpha = expf(ml[0] - max);
    ml[0] = max;
    ml[1] *= alpha;
    for (int d = 0; d < a->kv->dim_v; d++)
        out[d] *= alpha;
    for (int64_t i = lo; i < hi; i++) {
        float e = expf(s[i] - max);
        ml[1] += e;
        for (int d = 0; d < a->kv->dim_v; d++)
            out[d] += e * t->v[i * a->kv->dim_v + d];
    }
}

void qb_attention_scalar(const struct qb_attn *a, int head, const float *q, size_t ldq, int n_q, int64_t pos0,
                         int64_t p0, int64_t p1, float *out, size_t ldo, float *ml, void *scratch)
{
    int dim_k = a->kv->dim_k, dim_v = a->kv->dim_v, n_cols = n_q * a->group;
    float own_ml[2 * QB_ATTN_MAX_COLS], *state = ml ? ml : own_ml;
    struct chunk t = {.k = scratch, .v = (float *)scratch + QB_ATTN_KEYS * dim_k};
    for (int c = 0; c < n_cols; c++) {
        state[2 * c] = -INFINITY;
        state[2 * c + 1] = 0;
        for (int d = 0; d < dim_v; d++)
            out[(size_t)(c / a->group) * ldo + (size_t)(c % a->group * dim_v + d)] = 0;
    }
    int64_t first = a->window > 0 ? pos0 - a->window + 1 : 0, end = pos0 + n_q < p1 ? pos0 + n_q : p1;
    for (t.base = first > p0 ? first : p0; t.base < end; t.base += QB_ATTN_KEYS) {
        t.n = end - t.base < QB_ATTN_KEYS ? (int)(end - t.base) : QB_ATTN_KEYS;
        read_chunk(a->kv, head, &t);
        for (int c = 0; c < n_cols; c++) {
            int i = c / a->group, h = c % a->group;
            attend_column(a, &t, pos0 + i, q + (size_t)i * ldq + (size_t)(h * dim_k),
                          out + (size_t)i * ldo + (size_t)(h * dim_v), &state[2 * c]);
        }
    }
    for (int c = 0; c < n_cols && !ml; c++) {
        float inv = state[2 * c + 1] > 0 ? 1.0f / state[2 * c + 1] : 0;
        for (int d = 0; d < dim_v; d++)
            out[(size_t)(c / a->group) * ldo + (size_t)(c % a->group * dim_v + d)] *= inv;
    }
}

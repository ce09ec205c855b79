/*
 * Attention in 16-bit integers, for many columns: twice the multiply-adds of f32 an instruction. Chunks of
 * QB_ATTN_KEYS keys; what a chunk holds is turned to integers once and then meets all columns, a tile of
 * ATTN_COLS columns at a time: scores, exponentials, sum over V, while both stay in the first-level cache.
 * Online softmax as in attention_tmpl.h. The including file defines QB_ISA_FN(name), ATTN_VECS and the
 * integer vectors (vi_*).
 *
 * Everything has a scale of its own: a column of Q, a key of K, a key of V. The scale of V is a factor of the
 * key's weight (its exponential), so a step of the weights is a step of what the key adds to the result; the
 * weights of a column get a new scale in every chunk. Products are pairs: two dimensions of a score, two keys
 * of the sum over V, 16 apart.
 *
 * No sum of products leaves 32 bits: |K|, |V| <= ATTN_UNIT and the magnitudes of a column of Q, or of its
 * weights in a chunk, sum to less than ATTN_SUM, where ATTN_UNIT x (ATTN_SUM + half a step an element) <
 * 2^31.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernel_protos.h"
#include "kernels/x86/attention_cache_tmpl.h"
#include "kernels/x86/attention_call.h"
#include "kernels/x86/attention_finish_tmpl.h"

#define ATTN_COLS       6
#define ATTN_BLOCK_VECS (QB_KV_BLOCK / VF_N)
#define ATTN_CHUNK_VECS (QB_ATTN_KEYS / VF_N)
#define ATTN_PAIRS      (QB_ATTN_KEYS / 2)
#define ATTN_UNIT       8191.0f
#define ATTN_SUM        262000.0f
/* Largest weight: a lane of the sum over a column's weights holds at most this. */
#define ATTN_WEIGHT (ATTN_SUM / VF_N < 32767.0f ? (float)(int)(ATTN_SUM / VF_N) : 32767.0f)
/* Below this a scale is as good as 0 (the smallest f16 is 6e-8). */
#define ATTN_TINY 1e-30f

/* The state of a call. */
struct i16_run {
    struct attn_call in;
    int dim_kp, dim_vp; /* dimensions rounded up to whole vectors */
    int32_t *q;         /* [col][dim_kp / 2] pairs */
    int32_t *k;         /* [ATTN_CHUNK_VECS][dim_kp / 2][VF_N] pairs */
    int32_t *v;         /* [ATTN_PAIRS][dim_vp] pairs */
    float *k_scale;     /* [QB_ATTN_KEYS] */
    float *v_scale;     /* [QB_ATTN_KEYS], 0 for keys that no column sees */
    float *o;           /* [col][dim_vp] */
    float *l;           /* [col][VF_N]: lane sums of exponentials */
    float *m;           /* [col]: running maximum, in powers of 2 */
    float *q_scale;     /* [col]: with the scale of scores (and log2 e, unless scores are capped) */
};

/* The scores of a tile, then its weights. */
struct i16_tile {
    int c0, w;
    float s[ATTN_COLS][QB_ATTN_KEYS];
    int32_t p[ATTN_COLS][ATTN_PAIRS];
    float step[ATTN_COLS]; /* what a unit of the weights is worth */
};

/* ---- keys and values to integers ---- */

/* What brings magnitudes up to `max` to ATTN_UNIT. */
INLINE vf unit_factor(vf max)
{
    return vf_div(vf_set1(ATTN_UNIT), vf_max(vf_set1(ATTN_TINY), max));
}

/* One vector of keys: all dimensions of VF_N keys. */
INLINE void quantize_keys(const struct i16_run *r, bool q8, size_t block, int j, int32_t *out, float *scale)
{
    const struct qb_kv *kv = r->in.a->kv;
    vf max[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        max[i] = vf_zero();
    int d = 0;
    for (; d + 4 <= kv->dim_k; d += 4) {
        UNROLL
        for (int i = 0; i < 4; i++)
            max[i] = vf_max(max[i], vf_abs(load_k(kv, q8, block, d + i, j)));
    }
    for (; d < kv->dim_k; d++)
        max[0] = vf_max(max[0], vf_abs(load_k(kv, q8, block, d, j)));
    max[0] = vf_max(vf_max(max[0], max[1]), vf_max(max[2], max[3]));
    vf factor = unit_factor(max[0]);
    vf_store(scale, vf_mul(max[0], vf_set1(1.0f / ATTN_UNIT)));
    for (d = 0; d + 2 <= kv->dim_k; d += 2, out += VF_N)
        vi_store(out, vi_pair(vf_to_vi(vf_mul(load_k(kv, q8, block, d, j), factor)),
                              vf_to_vi(vf_mul(load_k(kv, q8, block, d + 1, j), factor))));
    if (d < kv->dim_k)
        vi_store(out, vi_pair(vf_to_vi(vf_mul(load_k(kv, q8, block, d, j), factor)), vi_zero()));
}

INLINE void quantize_k(const struct i16_run *r, bool q8, int64_t base, struct attn_range keys)
{
    size_t vec = (size_t)r->dim_kp / 2 * VF_N;
    for (int b = keys.lo / QB_KV_BLOCK; b * QB_KV_BLOCK < keys.hi; b++) {
        size_t block = attn_k_offset(&r->in, base / QB_KV_BLOCK + b);
        for (int j = 0; j < ATTN_BLOCK_VECS; j++) {
            int at = b * ATTN_BLOCK_VECS + j;
            quantize_keys(r, q8, block, j, r->k + (size_t)at * vec, r->k_scale + at * VF_N);
        }
    }
}

INLINE float max_v(const struct i16_run *r, bool q8, size_t i)
{
    vf even = vf_zero(), odd = vf_zero();
    int d = 0;
    for (; d + 2 * VF_N <= r->dim_vp; d += 2 * VF_N) {
        even = vf_max(even, vf_abs(load_v(r->in.a->kv, q8, i, d)));
        odd = vf_max(odd, vf_abs(load_v(r->in.a->kv, q8, i, d + VF_N)));
    }
    if (d < r->dim_vp)
        even = vf_max(even, vf_abs(load_v(r->in.a->kv, q8, i, d)));
    return vf_hmax(vf_max(even, odd));
}

/* The keys i and i + 16 of a chunk. A key outside `keys` is never read: the other one takes its place with
 * the factor 0. */
INLINE void quantize_v_pair(const struct i16_run *r, bool q8, int64_t base, struct attn_range keys, int i,
                            int32_t *out)
{
    size_t at[2];
    vf factor[2];
    for (int side = 0; side < 2; side++) {
        int key = i + side * QB_KV_BLOCK;
        bool seen = key >= keys.lo && key < keys.hi;
        at[side] = attn_v_offset(&r->in, base + (seen ? key : keys.lo));
        float max = seen ? max_v(r, q8, at[side]) : 0.0f;
        factor[side] = seen ? unit_factor(vf_set1(max)) : vf_zero();
        r->v_scale[key] = max * (1.0f / ATTN_UNIT);
    }
    for (int d = 0; d < r->dim_vp; d += VF_N)
        vi_store(out + d, vi_pair(vf_to_vi(vf_mul(load_v(r->in.a->kv, q8, at[0], d), factor[0])),
                                  vf_to_vi(vf_mul(load_v(r->in.a->kv, q8, at[1], d), factor[1]))));
}

INLINE void quantize_v(const struct i16_run *r, bool q8, int64_t base, struct attn_range keys)
{
    for (int i = keys.lo / 32 * 16; i < (keys.hi + 31) / 32 * 16; i++)
        quantize_v_pair(r, q8, base, keys, i / 16 * 32 + i % 16, r->v + (size_t)i * (size_t)r->dim_vp);
}

static void quantize_k_f16(const struct i16_run *r, int64_t base, struct attn_range keys)
{
    quantize_k(r, false, base, keys);
}
static void quantize_k_q8(const struct i16_run *r, int64_t base, struct attn_range keys)
{
    quantize_k(r, true, base, keys);
}
static void quantize_v_f16(const struct i16_run *r, int64_t base, struct attn_range keys)
{
    quantize_v(r, false, base, keys);
}
static void quantize_v_q8(const struct i16_run *r, int64_t base, struct attn_range keys)
{
    quantize_v(r, true, base, keys);
}

/* ---- the register tile ---- */

/* acc[c][j] = sum over n steps of pairs a[c][step] * b[step][vector j]. */
INLINE void dot_pairs(int w, int nv, const int32_t *a, size_t lda, const int32_t *b, size_t b_step,
                      size_t b_vec, int n, vi acc[ATTN_COLS][ATTN_VECS])
{
    UNROLL
    for (int c = 0; c < w; c++) {
        UNROLL
        for (int j = 0; j < nv; j++)
            acc[c][j] = vi_zero();
    }
    for (int i = 0; i < n; i++) {
        vi x[ATTN_VECS];
        UNROLL
        for (int j = 0; j < nv; j++)
            x[j] = vi_load(b + (size_t)i * b_step + (size_t)j * b_vec);
        UNROLL
        for (int c = 0; c < w; c++) {
            vi y = vi_set1(a[(size_t)c * lda + (size_t)i]);
            UNROLL
            for (int j = 0; j < nv; j++)
                acc[c][j] = vi_dot(acc[c][j], x[j], y);
        }
    }
}

/* Scores of nv vectors of keys from vector `vec` on. */
INLINE void score_tile(const struct i16_run *r, struct i16_tile *t, int w, int nv, int vec)
{
    vi acc[ATTN_COLS][ATTN_VECS];
    size_t pairs = (size_t)r->dim_kp / 2;
    dot_pairs(w, nv, r->q + (size_t)t->c0 * pairs, pairs, r->k + (size_t)vec * pairs * VF_N, VF_N,
              pairs * VF_N, (r->in.a->kv->dim_k + 1) / 2, acc);
    UNROLL
    for (int j = 0; j < nv; j++) {
        vf scale = vf_load(r->k_scale + (vec + j) * VF_N);
        UNROLL
        for (int c = 0; c < w; c++)
            vf_store(t->s[c] + (vec + j) * VF_N, vf_mul(vi_to_vf(acc[c][j]), scale));
    }
}

/* Pairs [p0, p0 + n) of the chunk times V, nv vectors of dimensions from d on. */
INLINE void sum_tile(const struct i16_run *r, const struct i16_tile *t, int w, int nv, int d, int p0, int n)
{
    vi acc[ATTN_COLS][ATTN_VECS];
    size_t row = (size_t)r->dim_vp;
    dot_pairs(w, nv, t->p[0] + p0, ATTN_PAIRS, r->v + (size_t)p0 * row + d, row, VF_N, n, acc);
    UNROLL
    for (int c = 0; c < w; c++) {
        vf step = vf_set1(t->step[c]);
        UNROLL
        for (int j = 0; j < nv; j++) {
            float *o = r->o + (size_t)(t->c0 + c) * row + d + j * VF_N;
            vf_store(o, vf_fmadd(vi_to_vf(acc[c][j]), step, vf_load(o)));
        }
    }
}

#define I16_CASE(W, call)                                                                                    \
    case W: {                                                                                                \
        enum { w = W };                                                                                      \
        call;                                                                                                \
        break;                                                                                               \
    }
#define I16_SWITCH(call)                                                                                     \
    switch (t->w) {                                                                                          \
        I16_CASE(1, call)                                                                                    \
        I16_CASE(2, call)                                                                                    \
        I16_CASE(3, call)                                                                                    \
        I16_CASE(4, call)                                                                                    \
        I16_CASE(5, call)                                                                                    \
        I16_CASE(6, call)                                                                                    \
    }

static void score_most(const struct i16_run *r, struct i16_tile *t, int vec)
{
    I16_SWITCH(score_tile(r, t, w, ATTN_VECS, vec))
}
static void score_one(const struct i16_run *r, struct i16_tile *t, int vec)
{
    I16_SWITCH(score_tile(r, t, w, 1, vec))
}
static void sum_most(const struct i16_run *r, const struct i16_tile *t, int d, int p0, int n)
{
    I16_SWITCH(sum_tile(r, t, w, ATTN_VECS, d, p0, n))
}
static void sum_one(const struct i16_run *r, const struct i16_tile *t, int d, int p0, int n)
{
    I16_SWITCH(sum_tile(r, t, w, 1, d, p0, n))
}

/* Scores of the vectors that hold keys `keys`. */
static void tile_scores(const struct i16_run *r, struct i16_tile *t, struct attn_range keys)
{
    int vec = keys.lo / VF_N, end = (keys.hi + VF_N - 1) / VF_N;
    for (; vec + ATTN_VECS <= end; vec += ATTN_VECS)
        score_most(r, t, vec);
    for (; vec < end; vec++)
        score_one(r, t, vec);
}

static void tile_sum(const struct i16_run *r, const struct i16_tile *t, struct attn_range keys)
{
    int p0 = keys.lo / 32 * 16, n = (keys.hi + 31) / 32 * 16 - p0, d = 0;
    for (; d + ATTN_VECS * VF_N <= r->dim_vp; d += ATTN_VECS * VF_N)
        sum_most(r, t, d, p0, n);
    for (; d < r->dim_vp; d += VF_N)
        sum_one(r, t, d, p0, n);
}

/* ---- softmax ---- */

static void cap_scores(const struct i16_run *r, float *s, float q_scale)
{
    float softcap = r->in.a->softcap;
    vf in = vf_set1(q_scale / softcap), out = vf_set1(softcap * (float)M_LOG2E);
    for (int i = 0; i < QB_ATTN_KEYS; i += VF_N)
        vf_store(s + i, vf_mul(out, vf_tanh(vf_mul(vf_load(s + i), in))));
}

/* A larger maximum: what the column holds so far shrinks. */
static void raise_maximum(const struct i16_run *r, int c, float max)
{
    vf alpha = vf_exp2(vf_set1(r->m[c] - max));
    float *l = r->l + c * VF_N, *o = r->o + (size_t)c * (size_t)r->dim_vp;
    r->m[c] = max;
    vf_store(l, vf_mul(vf_load(l), alpha));
    for (int d = 0; d < r->dim_vp; d += VF_N)
        vf_store(o + d, vf_mul(vf_load(o + d), alpha));
}

/*
 * Exponentials to weights: times the scale of V, with the largest sum of a lane at ATTN_WEIGHT. @return what
 * a unit of them is worth.
 */
INLINE float store_weights(const struct i16_run *r, const vf *e, int32_t *p)
{
    vf x[ATTN_CHUNK_VECS], sum = vf_zero();
    UNROLL
    for (int i = 0; i < ATTN_CHUNK_VECS; i++) {
        x[i] = vf_mul(e[i], vf_load(r->v_scale + i * VF_N));
        sum = vf_add(sum, x[i]);
    }
    float top = vf_hmax(sum);
    vf factor = vf_set1(top < ATTN_TINY ? 0.0f : ATTN_WEIGHT / top);
    UNROLL
    for (int i = 0; i < ATTN_CHUNK_VECS; i++)
        x[i] = vf_mul(x[i], factor);
    UNROLL
    for (int i = 0; i < ATTN_CHUNK_VECS / 2; i++) {
        int lo = i / ATTN_BLOCK_VECS * 2 * ATTN_BLOCK_VECS + i % ATTN_BLOCK_VECS;
        vi_store(p + i * VF_N, vi_pair(vf_to_vi(x[lo]), vf_to_vi(x[lo + ATTN_BLOCK_VECS])));
    }
    return top < ATTN_TINY ? 0.0f : top * (1.0f / ATTN_WEIGHT);
}

static void fill(float *x, int from, int to, float v)
{
    for (int i = from; i < to; i++)
        x[i] = v;
}

/* One column of a tile from scores to weights; it sees `keys` of the chunk. */
static void weigh_column(const struct i16_run *r, struct i16_tile *t, int i, struct attn_range keys)
{
    int c = t->c0 + i;
    float *s = t->s[i], q_scale = r->q_scale[c];
    if (keys.lo >= keys.hi) {
        memset(t->p[i], 0, sizeof t->p[i]);
        t->step[i] = 0;
        return;
    }
    if (r->in.a->softcap != 0.0f) {
        cap_scores(r, s, q_scale);
        q_scale = 1;
    }
    fill(s, 0, keys.lo, -INFINITY);
    fill(s, keys.hi, QB_ATTN_KEYS, -INFINITY);
    vf x[ATTN_CHUNK_VECS], max = vf_set1(r->m[c]), sum = vf_zero();
    UNROLL
    for (int v = 0; v < ATTN_CHUNK_VECS; v++) {
        x[v] = vf_mul(vf_load(s + v * VF_N), vf_set1(q_scale));
        max = vf_max(max, x[v]);
    }
    if (vf_any_above(max, r->m[c]))
        raise_maximum(r, c, vf_hmax(max));
    vf shift = vf_set1(r->m[c]);
    UNROLL
    for (int v = 0; v < ATTN_CHUNK_VECS; v++) {
        x[v] = vf_exp2(vf_sub(x[v], shift));
        sum = vf_add(sum, x[v]);
    }
    vf_store(r->l + c * VF_N, vf_add(vf_load(r->l + c * VF_N), sum));
    t->step[i] = store_weights(r, x, t->p[i]);
}

/* ---- a call ---- */

static void attend_tile(const struct i16_run *r, struct i16_tile *t, int64_t base)
{
    struct attn_range keys = attn_visible(&r->in, t->c0, t->c0 + t->w, base);
    if (keys.lo >= keys.hi)
        return;
    tile_scores(r, t, keys);
    bool whole = attn_sees_all(&r->in, t->c0, t->c0 + t->w, base);
    for (int i = 0; i < t->w; i++)
        weigh_column(r, t, i, whole ? keys : attn_visible(&r->in, t->c0 + i, t->c0 + i + 1, base));
    tile_sum(r, t, keys);
}

static void attend_chunk(const struct i16_run *r, int64_t base)
{
    struct attn_range all = attn_visible(&r->in, 0, r->in.n_cols, base);
    const struct qb_kv *kv = r->in.a->kv;
    (kv->type_k == QB_KV_F16 ? quantize_k_f16 : quantize_k_q8)(r, base, all);
    (kv->type_v == QB_KV_F16 ? quantize_v_f16 : quantize_v_q8)(r, base, all);
    struct i16_tile t;
    for (int i = 0; i < r->in.n_tiles; i++) {
        t.c0 = attn_tile_start(&r->in, i);
        t.w = attn_tile_start(&r->in, i + 1) - t.c0;
        attn_prefetch(&r->in, base + QB_ATTN_KEYS, i);
        attend_tile(r, &t, base);
    }
}

/* A column of Q: largest magnitude at most 32767, and the magnitudes sum to less than ATTN_SUM. */
static void begin_column(const struct i16_run *r, int c, const float *x)
{
    int dim = r->in.a->kv->dim_k;
    vf max = vf_zero(), sum = vf_zero();
    for (int d = 0; d < dim; d += VF_N) {
        vf y = vf_abs(dim - d >= VF_N ? vf_load(x + d) : vf_load_n(x + d, dim - d));
        max = vf_max(max, y);
        sum = vf_add(sum, y);
    }
    float factor = fminf(32767.0f / fmaxf(vf_hmax(max), ATTN_TINY),
                         (ATTN_SUM - (float)dim) / fmaxf(vf_hsum(sum), ATTN_TINY));
    int32_t *out = r->q + (size_t)c * (size_t)(r->dim_kp / 2);
    for (int d = 0; d < dim; d += VF_N) {
        vf y = dim - d >= VF_N ? vf_load(x + d) : vf_load_n(x + d, dim - d);
        vi_store_i16(out + d / 2, vf_to_vi(vf_mul(y, vf_set1(factor))));
    }
    float scale = r->in.a->softcap != 0.0f ? r->in.a->scale : r->in.a->scale * (float)M_LOG2E;
    r->q_scale[c] = scale / factor;
    r->m[c] = -INFINITY;
}

static void begin_columns(const struct i16_run *r, const float *q, size_t ldq)
{
    int group = r->in.a->group;
    for (int c = 0; c < r->in.n_cols; c++)
        begin_column(r, c, q + (size_t)(c / group) * ldq + (size_t)(c % group) * (size_t)r->in.a->kv->dim_k);
    memset(r->o, 0, (size_t)r->in.n_cols * (size_t)r->dim_vp * sizeof *r->o);
    memset(r->l, 0, (size_t)r->in.n_cols * VF_N * sizeof *r->l);
    memset(r->v_scale, 0, QB_ATTN_KEYS * sizeof *r->v_scale);
}

static void finish_columns(const struct i16_run *r, float *out, size_t ldo, float *ml)
{
    for (int c = 0; c < r->in.n_cols; c++)
        attn_finish_column(&r->in, c, r->o + (size_t)c * (size_t)r->dim_vp, VF_N, vf_load(r->l + c * VF_N),
                           r->m[c] * (float)M_LN2, out, ldo, ml);
}

static void place_scratch(struct i16_run *r, float *at)
{
    size_t dim_k = (size_t)r->dim_kp, dim_v = (size_t)r->dim_vp;
    r->o = at;
    r->l = r->o + QB_ATTN_COLS * dim_v;
    r->q = (int32_t *)(void *)(r->l + QB_ATTN_COLS * VF_N);
    r->k = r->q + QB_ATTN_COLS * dim_k / 2;
    r->v = r->k + QB_ATTN_KEYS * dim_k / 2;
    r->k_scale = (float *)(void *)(r->v + ATTN_PAIRS * dim_v);
    r->v_scale = r->k_scale + QB_ATTN_KEYS;
    r->m = r->v_scale + QB_ATTN_KEYS;
    r->q_scale = r->m + QB_ATTN_COLS;
}

void QB_ISA_FN(attention_i16)(const struct qb_attn *a, int head, const float *q, size_t ldq, int n_q,
                              int64_t pos0, int64_t p0, int64_t p1, float *out, size_t ldo, float *ml,
                              void *scratch)
{
    struct i16_run r = {.in = {a, head, n_q * a->group, 0, QB_ATTN_KEYS, pos0, p0, p1}};
    r.in.n_tiles = (r.in.n_cols + ATTN_COLS - 1) / ATTN_COLS;
    r.dim_kp = (a->kv->dim_k + VF_N - 1) / VF_N * VF_N;
    r.dim_vp = (a->kv->dim_v + VF_N - 1) / VF_N * VF_N;
    place_scratch(&r, scratch);
    begin_columns(&r, q, ldq);
    int64_t base = attn_first_key(&r.in, 0) / QB_KV_BLOCK * QB_KV_BLOCK, end = attn_end_key(&r.in, n_q - 1);
    for (; base < end; base += QB_ATTN_KEYS)
        attend_chunk(&r, base);
    finish_columns(&r, out, ldo, ml);
}

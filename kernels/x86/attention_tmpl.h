/*
 * Attention over the vectors of simd_*.h: chunks of QB_ATTN_KEYS keys, all columns (queries x heads of a
 * group) against a chunk before the next one, online softmax in between. The including file defines
 * QB_ISA_FN(name) and ATTN_VECS.
 *
 * Both products are the same register tile: ATTN_COLS columns x ATTN_VECS vectors, one broadcast a column and
 * one vector load a vector in each step. For scores a step is a dimension and the vectors hold keys; for the
 * sum over V a step is a key and the vectors hold dimensions. With many columns K and V of a chunk are
 * widened to f32 once in scratch; with few, f16 is widened in the tile.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernel_protos.h"
#include "kernels/x86/attention_call.h"
#include "kernels/x86/attention_finish_tmpl.h"

#define ATTN_COLS       6
#define ATTN_BLOCK_VECS (QB_KV_BLOCK / VF_N)
/* Up to this many column tiles f16 is widened in the tile, not in scratch. */
#define ATTN_DIRECT_TILES 2

/* The state of a call. */
struct attn_run {
    struct attn_call in;
    int dim_k, dim_v, dim_vp; /* dim_vp: dim_v rounded up to whole vectors */
    bool direct_k, direct_v;  /* read from the cache, not from scratch */
    float *q;                 /* [col][dim_k], scaled */
    float *k;                 /* [QB_ATTN_KEYS / 16][dim_k][16] */
    float *v;                 /* [QB_ATTN_KEYS][dim_vp] */
    float *o;                 /* [col][dim_vp] */
    float *s;                 /* [col][QB_ATTN_KEYS]: scores, then their exponentials */
    float *l;                 /* [col][VF_N]: lane sums of exponentials */
    float *m, *alpha;         /* [col]: running maximum; what older sums are scaled by */
};

INLINE vf attn_load(const void *b, size_t i, bool f16)
{
    return f16 ? vf_load_f16((const uint16_t *)b + i) : vf_load((const float *)b + i);
}

/*
 * out[c][vector j] = alpha[c] * out[c][vector j] + sum over n steps of a[c][step] * b[step][vector j], w
 * columns, nv vectors. alpha NULL: out starts at 0. b_step, b_vec: distances in elements. f16: what lies
 * `ahead` elements further is asked for, since few columns read the cache at the speed of memory.
 */
INLINE void attn_tile(bool f16, int w, int nv, const float *a, size_t lda, const void *b, size_t b_step,
                      size_t b_vec, int n, size_t ahead, const float *alpha, float *out, size_t ldo)
{
    vf acc[ATTN_COLS][ATTN_VECS];
    UNROLL
    for (int c = 0; c < w; c++) {
        UNROLL
        for (int j = 0; j < nv; j++)
            acc[c][j] = vf_zero();
    }
    for (int i = 0; i < n; i++) {
        vf x[ATTN_VECS];
        UNROLL
        for (int j = 0; j < nv; j++) {
            size_t at = (size_t)i * b_step + (size_t)j * b_vec;
            if (f16)
                __builtin_prefetch((const uint16_t *)b + at + ahead);
            x[j] = attn_load(b, at, f16);
        }
        UNROLL
        for (int c = 0; c < w; c++) {
            vf y = vf_set1(a[(size_t)c * lda + (size_t)i]);
            UNROLL
            for (int j = 0; j < nv; j++)
                acc[c][j] = vf_fmadd(y, x[j], acc[c][j]);
        }
    }
    UNROLL
    for (int c = 0; c < w; c++) {
        UNROLL
        for (int j = 0; j < nv; j++) {
            float *o = out + (size_t)c * ldo + j * VF_N;
            vf_store(o, alpha ? vf_fmadd(vf_load(o), vf_set1(alpha[c]), acc[c][j]) : acc[c][j]);
        }
    }
}

#define ATTN_CASE(W)                                                                                         \
    case W:                                                                                                  \
        attn_tile(f16, W, nv, a, lda, b, b_step, b_vec, n, ahead, alpha, out, ldo);                          \
        break;
/* The tile for w columns, everything else constant. */
INLINE void attn_tile_w(bool f16, int nv, int w, const float *a, size_t lda, const void *b, size_t b_step,
                        size_t b_vec, int n, size_t ahead, const float *alpha, float *out, size_t ldo)
{
    switch (w) {
        ATTN_CASE(1)
        ATTN_CASE(2)
        ATTN_CASE(3)
        ATTN_CASE(4)
        ATTN_CASE(5)
        ATTN_CASE(6)
    }
}

#define ATTN_TILE_FN(name, f16, nv, alpha)                                                                   \
    static void name(int w, const float *a, size_t lda, const void *b, size_t b_step, size_t b_vec, int n,   \
                     size_t ahead, const float *scale, float *out, size_t ldo)                               \
    {                                                                                                        \
        attn_tile_w(f16, nv, w, a, lda, b, b_step, b_vec, n, ahead, alpha, out, ldo);                        \
        (void)scale;                                                                                         \
    }
typedef void attn_tile_fn(int w, const float *a, size_t lda, const void *b, size_t b_step, size_t b_vec,
                          int n, size_t ahead, const float *scale, float *out, size_t ldo);

ATTN_TILE_FN(score_f32_1, false, 1, NULL)
ATTN_TILE_FN(score_f32_2, false, 2, NULL)
ATTN_TILE_FN(score_f16_1, true, 1, NULL)
ATTN_TILE_FN(score_f16_2, true, 2, NULL)
ATTN_TILE_FN(sum_f32_1, false, 1, scale)
ATTN_TILE_FN(sum_f32_2, false, 2, scale)
ATTN_TILE_FN(sum_f16_1, true, 1, scale)
ATTN_TILE_FN(sum_f16_2, true, 2, scale)
#if ATTN_VECS == 4
ATTN_TILE_FN(score_f32_4, false, 4, NULL)
ATTN_TILE_FN(score_f16_4, true, 4, NULL)
ATTN_TILE_FN(sum_f32_4, false, 4, scale)
ATTN_TILE_FN(sum_f16_4, true, 4, scale)
#define ATTN_WIDEST(name) name##_4
#else
#define ATTN_WIDEST(name) name##_2
#endif

/* By [f16][vectors: 0 = the most, 1 = one, 2 = two]. */
static attn_tile_fn *const score_fns[2][3] = {{ATTN_WIDEST(score_f32), score_f32_1, score_f32_2},
                                              {ATTN_WIDEST(score_f16), score_f16_1, score_f16_2}};
static attn_tile_fn *const sum_fns[2][3] = {{ATTN_WIDEST(sum_f32), sum_f32_1, sum_f32_2},
                                            {ATTN_WIDEST(sum_f16), sum_f16_1, sum_f16_2}};

/* How many of n vectors the next tile takes, and the function for it. */
INLINE attn_tile_fn *pick_tile(attn_tile_fn *const fns[3], int n, int *take)
{
    *take = n >= ATTN_VECS ? ATTN_VECS : n >= 2 ? 2 : 1;
    return fns[n >= ATTN_VECS ? 0 : *take];
}

static void widen_f16(const uint16_t *src, float *dst, size_t n)
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(dst + i, vf_load_f16(src + i));
    if (i < n)
        vf_store(dst + i, vf_load_f16_n(src + i, (int)(n - i)));
}

/* One block of 16 keys, int8 with a scale per key and 32 dimensions. */
static void widen_k_q8(const int8_t *q, const uint16_t *scale, int dim, float *dst)
{
    for (int d0 = 0; d0 < dim; d0 += 32, scale += QB_KV_BLOCK) {
        vf s[ATTN_BLOCK_VECS];
        UNROLL
        for (int j = 0; j < ATTN_BLOCK_VECS; j++)
            s[j] = vf_load_f16(scale + j * VF_N);
        for (int d = 0; d < 32; d++, q += QB_KV_BLOCK, dst += QB_KV_BLOCK) {
            UNROLL
            for (int j = 0; j < ATTN_BLOCK_VECS; j++)
                vf_store(dst + j * VF_N, vf_mul(vf_load_i8(q + j * VF_N), s[j]));
        }
    }
}

/* K of the blocks that hold keys `keys` of the chunk: @return the element that block 0 of the chunk starts
 * at. */
static const void *chunk_k(const struct attn_run *r, int64_t base, struct attn_range keys, bool *f16)
{
    const struct qb_kv *kv = r->in.a->kv;
    size_t block = (size_t)r->dim_k * QB_KV_BLOCK, at = attn_k_offset(&r->in, base / QB_KV_BLOCK);
    *f16 = r->direct_k && kv->type_k == QB_KV_F16;
    if (kv->type_k == QB_KV_F32)
        return (const float *)kv->k + at;
    if (*f16)
        return (const uint16_t *)kv->k + at;
    for (size_t b = (size_t)keys.lo / QB_KV_BLOCK; b * QB_KV_BLOCK < (size_t)keys.hi; b++) {
        size_t from = at + b * block;
        if (kv->type_k == QB_KV_F16)
            widen_f16((const uint16_t *)kv->k + from, r->k + b * block, block);
        else
            widen_k_q8((const int8_t *)kv->k + from, kv->k_scale + from / 32, r->dim_k, r->k + b * block);
    }
    return r->k;
}

static void widen_v_row(const struct attn_run *r, size_t from, float *dst)
{
    const struct qb_kv *kv = r->in.a->kv;
    if (kv->type_v == QB_KV_F32) {
        memcpy(dst, (const float *)kv->v + from, (size_t)r->dim_v * sizeof *dst);
    } else if (kv->type_v == QB_KV_F16) {
        widen_f16((const uint16_t *)kv->v + from, dst, (size_t)r->dim_v);
    } else {
        for (int d = 0; d < r->dim_v; d += 32) {
            vf s = vf_set1(_cvtsh_ss(kv->v_scale[(from + (size_t)d) / 32]));
            UNROLL
            for (int j = 0; j < 32; j += VF_N)
                vf_store(dst + d + j, vf_mul(vf_load_i8((const int8_t *)kv->v + from + d + j), s));
        }
    }
}

/* V of keys `keys`: @return where key 0 of the chunk starts (rows of dim_v or, from scratch, dim_vp). */
static const void *chunk_v(const struct attn_run *r, int64_t base, struct attn_range keys, bool *f16)
{
    const struct qb_kv *kv = r->in.a->kv;
    size_t at = attn_v_offset(&r->in, base);
    *f16 = r->direct_v && kv->type_v == QB_KV_F16;
    if (*f16)
        return (const uint16_t *)kv->v + at;
    if (r->direct_v)
        return (const float *)kv->v + at;
    for (int i = keys.lo; i < keys.hi; i++)
        widen_v_row(r, at + (size_t)i * (size_t)r->dim_v, r->v + (size_t)i * (size_t)r->dim_vp);
    return r->v;
}

/* Scores of a column tile against the blocks of the chunk that any of its columns sees. */
static void tile_scores(const struct attn_run *r, int c0, int w, struct attn_range keys, const void *k,
                        bool f16)
{
    int vec = keys.lo / QB_KV_BLOCK * ATTN_BLOCK_VECS;
    int end = (keys.hi + QB_KV_BLOCK - 1) / QB_KV_BLOCK * ATTN_BLOCK_VECS, take;
    size_t block = (size_t)r->dim_k * QB_KV_BLOCK;
    /* Vectors of one block lie side by side, those of the next one a block further: never mixed in a tile. */
    size_t b_vec = ATTN_BLOCK_VECS == 1 ? block : VF_N;
    for (; vec < end; vec += take) {
        attn_tile_fn *fn = pick_tile(score_fns[f16], end - vec, &take);
        size_t at = (size_t)(vec / ATTN_BLOCK_VECS) * block + (size_t)(vec % ATTN_BLOCK_VECS) * VF_N;
        const void *b =
            f16 ? (const void *)((const uint16_t *)k + at) : (const void *)((const float *)k + at);
        fn(w, r->q + (size_t)c0 * (size_t)r->dim_k, (size_t)r->dim_k, b, QB_KV_BLOCK, b_vec, r->dim_k,
           QB_ATTN_KEYS * (size_t)r->dim_k, NULL, r->s + c0 * QB_ATTN_KEYS + vec * VF_N, QB_ATTN_KEYS);
    }
}

static void fill(float *x, int from, int to, float v)
{
    for (int i = from; i < to; i++)
        x[i] = v;
}

/*
 * Scores of one column to exponentials, in place. `span` are the whole blocks that were computed, `keys` what
 * the column sees of them.
 */
static void softmax_column(const struct attn_run *r, int c, struct attn_range span, struct attn_range keys)
{
    float *s = r->s + c * QB_ATTN_KEYS, *l = r->l + c * VF_N;
    if (keys.lo >= keys.hi) {
        fill(s, span.lo, span.hi, 0.0f);
        r->alpha[c] = 1.0f;
        return;
    }
    if (r->in.a->softcap != 0.0f) {
        vf cap = vf_set1(r->in.a->softcap), inv = vf_set1(1.0f / r->in.a->softcap);
        for (int i = span.lo; i < span.hi; i += VF_N)
            vf_store(s + i, vf_mul(cap, vf_tanh(vf_mul(vf_load(s + i), inv))));
    }
    fill(s, span.lo, keys.lo, -INFINITY);
    fill(s, keys.hi, span.hi, -INFINITY);
    vf m = vf_set1(r->m[c]);
    for (int i = span.lo; i < span.hi; i += VF_N)
        m = vf_max(m, vf_load(s + i));
    float max = vf_hmax(m);
    vf shift = vf_set1(max), alpha = vf_exp(vf_sub(vf_set1(r->m[c]), shift));
    vf sum = vf_mul(vf_load(l), alpha);
    for (int i = span.lo; i < span.hi; i += VF_N) {
        vf x = vf_sub(vf_load(s + i), shift);
        vf e = vf_select_neg(vf_sub(x, vf_set1(ATTN_EXP_MIN)), vf_zero(), vf_exp(x));
        vf_store(s + i, e);
        sum = vf_add(sum, e);
    }
    vf_store(l, sum);
    r->alpha[c] = vf_first(alpha);
    r->m[c] = max;
}

static void tile_sum(const struct attn_run *r, int c0, int w, struct attn_range keys, const void *v, bool f16)
{
    int n_vec = r->dim_vp / VF_N, take;
    size_t row = r->direct_v ? (size_t)r->dim_v : (size_t)r->dim_vp;
    const float *p = r->s + c0 * QB_ATTN_KEYS + keys.lo;
    for (int vec = 0; vec < n_vec; vec += take) {
        attn_tile_fn *fn = pick_tile(sum_fns[f16], n_vec - vec, &take);
        size_t at = (size_t)keys.lo * row + (size_t)vec * VF_N;
        const void *b =
            f16 ? (const void *)((const uint16_t *)v + at) : (const void *)((const float *)v + at);
        fn(w, p, QB_ATTN_KEYS, b, row, VF_N, keys.hi - keys.lo, QB_ATTN_KEYS * row, r->alpha + c0,
           r->o + (size_t)c0 * (size_t)r->dim_vp + vec * VF_N, (size_t)r->dim_vp);
    }
}

static void attend_chunk(const struct attn_run *r, int64_t base)
{
    bool f16;
    struct attn_range all = attn_visible(&r->in, 0, r->in.n_cols, base);
    const void *k = chunk_k(r, base, all, &f16);
    for (int t = 0; t < r->in.n_tiles; t++) {
        int c0 = attn_tile_start(&r->in, t), c1 = attn_tile_start(&r->in, t + 1);
        struct attn_range keys = attn_visible(&r->in, c0, c1, base);
        if (r->in.n_tiles > ATTN_DIRECT_TILES) /* fewer: the tile itself asks */
            attn_prefetch(&r->in, base + QB_ATTN_KEYS, t);
        if (keys.lo >= keys.hi)
            continue;
        tile_scores(r, c0, c1 - c0, keys, k, f16);
        struct attn_range span = {keys.lo / QB_KV_BLOCK * QB_KV_BLOCK,
                                  (keys.hi + QB_KV_BLOCK - 1) / QB_KV_BLOCK * QB_KV_BLOCK};
        for (int c = c0; c < c1; c++)
            softmax_column(r, c, span, attn_visible(&r->in, c, c + 1, base));
    }
    const void *v = chunk_v(r, base, all, &f16);
    for (int t = 0; t < r->in.n_tiles; t++) {
        int c0 = attn_tile_start(&r->in, t), c1 = attn_tile_start(&r->in, t + 1);
        struct attn_range keys = attn_visible(&r->in, c0, c1, base);
        if (keys.lo < keys.hi)
            tile_sum(r, c0, c1 - c0, keys, v, f16);
    }
}

/* Queries into scratch, scaled, one stride apart; empty sums. */
static void begin_columns(const struct attn_run *r, const float *q, size_t ldq)
{
    vf scale = vf_set1(r->in.a->scale);
    for (int c = 0; c < r->in.n_cols; c++) {
        const float *x =
            q + (size_t)(c / r->in.a->group) * ldq + (size_t)(c % r->in.a->group) * (size_t)r->dim_k;
        float *y = r->q + (size_t)c * (size_t)r->dim_k;
        int d = 0;
        for (; d + VF_N <= r->dim_k; d += VF_N)
            vf_store(y + d, vf_mul(vf_load(x + d), scale));
        if (d < r->dim_k)
            vf_store_n(y + d, vf_mul(vf_load_n(x + d, r->dim_k - d), scale), r->dim_k - d);
        r->m[c] = -INFINITY;
    }
    memset(r->o, 0, (size_t)r->in.n_cols * (size_t)r->dim_vp * sizeof *r->o);
    memset(r->l, 0, (size_t)r->in.n_cols * VF_N * sizeof *r->l);
}

static void finish_columns(const struct attn_run *r, float *out, size_t ldo, float *ml)
{
    for (int c = 0; c < r->in.n_cols; c++)
        attn_finish_column(&r->in, c, r->o + (size_t)c * (size_t)r->dim_vp, VF_N, vf_load(r->l + c * VF_N),
                           r->m[c], out, ldo, ml);
}

static void place_scratch(struct attn_run *r, float *at)
{
    size_t dim_k = (size_t)r->dim_k, dim_vp = (size_t)r->dim_vp;
    r->q = at;
    r->k = r->q + QB_ATTN_COLS * dim_k;
    r->v = r->k + QB_ATTN_KEYS * dim_k;
    r->o = r->v + QB_ATTN_KEYS * dim_vp;
    r->s = r->o + QB_ATTN_COLS * dim_vp;
    r->l = r->s + QB_ATTN_COLS * QB_ATTN_KEYS;
    r->m = r->l + QB_ATTN_COLS * VF_N;
    r->alpha = r->m + QB_ATTN_COLS;
}

void QB_ISA_FN(attention)(const struct qb_attn *a, int head, const float *q, size_t ldq, int n_q,
                          int64_t pos0, int64_t p0, int64_t p1, float *out, size_t ldo, float *ml,
                          void *scratch)
{
    const struct qb_kv *kv = a->kv;
    struct attn_run r = {.in = {a, head, n_q * a->group, 0, QB_ATTN_KEYS, pos0, p0, p1}};
    r.in.n_tiles = (r.in.n_cols + ATTN_COLS - 1) / ATTN_COLS;
    r.dim_k = kv->dim_k;
    r.dim_v = kv->dim_v;
    r.dim_vp = (kv->dim_v + VF_N - 1) / VF_N * VF_N;
    bool few = r.in.n_tiles <= ATTN_DIRECT_TILES;
    r.direct_k = kv->type_k == QB_KV_F32 || (kv->type_k == QB_KV_F16 && few);
    r.direct_v = r.dim_v == r.dim_vp && (kv->type_v == QB_KV_F32 || (kv->type_v == QB_KV_F16 && few));
    place_scratch(&r, scratch);
    if (!r.direct_v && r.dim_v != r.dim_vp) /* the padding takes part in the sums */
        memset(r.v, 0, QB_ATTN_KEYS * (size_t)r.dim_vp * sizeof *r.v);
    begin_columns(&r, q, ldq);
    int64_t base = attn_first_key(&r.in, 0) / QB_KV_BLOCK * QB_KV_BLOCK, end = attn_end_key(&r.in, n_q - 1);
    for (; base < end; base += QB_ATTN_KEYS)
        attend_chunk(&r, base);
    finish_columns(&r, out, ldo, ml);
}

/*
 * What a call of attention asks for, and which keys its columns see.
 */
#ifndef QB_KERNELS_X86_ATTENTION_CALL_H
#define QB_KERNELS_X86_ATTENTION_CALL_H

#include "kernels/simd.h"
#include "kernels/vector.h"

/*
 * Keys that are so far below the largest (a factor of e^82 in f32, of 2^64 where weights are rounded) weigh
 * 0: all that they could add is rounded away, and products with so small weights would be subnormal numbers,
 * which cost Intel's CPUs some hundred cycles each.
 */
#define ATTN_EXP_MIN  (-82.0f)
#define ATTN_EXP2_MIN (-64.0f)

/* Columns are n_cols = queries x heads of the group, cut into n_tiles tiles; keys are taken by chunks. */
struct attn_call {
    const struct qb_attn *a;
    int head, n_cols, n_tiles, chunk;
    int64_t pos0, p0, p1;
};

/* Keys of a chunk, relative to its base. */
struct attn_range {
    int lo, hi;
};

/* Keys that token i of the call sees, in [p0, p1). */
static inline int64_t attn_first_key(const struct attn_call *r, int i)
{
    int64_t lo = r->a->window > 0 ? r->pos0 + i - r->a->window + 1 : 0;
    return lo > r->p0 ? lo : r->p0;
}

static inline int64_t attn_end_key(const struct attn_call *r, int i)
{
    int64_t hi = r->pos0 + i + 1;
    return hi < r->p1 ? hi : r->p1;
}

static inline int attn_clamp_key(const struct attn_call *r, int64_t key)
{
    return key < 0 ? 0 : key > r->chunk ? r->chunk : (int)key;
}

/* What columns [c0, c1) see of the chunk at base, all of them together; empty: lo >= hi. */
static inline struct attn_range attn_visible(const struct attn_call *r, int c0, int c1, int64_t base)
{
    return (struct attn_range){attn_clamp_key(r, attn_first_key(r, c0 / r->a->group) - base),
                               attn_clamp_key(r, attn_end_key(r, (c1 - 1) / r->a->group) - base)};
}

/* Does every one of columns [c0, c1) see the whole chunk at base? */
static inline bool attn_sees_all(const struct attn_call *r, int c0, int c1, int64_t base)
{
    return attn_first_key(r, (c1 - 1) / r->a->group) <= base &&
           attn_end_key(r, c0 / r->a->group) >= base + r->chunk;
}

/* Column tile t: nearly equal widths. */
static inline int attn_tile_start(const struct attn_call *r, int t)
{
    return t * r->n_cols / r->n_tiles;
}

/* First element of block b (of 16 keys) of this head's K. */
static inline size_t attn_k_offset(const struct attn_call *r, int64_t block)
{
    const struct qb_kv *kv = r->a->kv;
    return (size_t)((r->head * (kv->capacity / QB_KV_BLOCK) + block) * kv->dim_k * QB_KV_BLOCK);
}

static inline size_t attn_v_offset(const struct attn_call *r, int64_t pos)
{
    return (size_t)((r->head * r->a->kv->capacity + pos) * r->a->kv->dim_v);
}

QB_INLINE void attn_prefetch_share(const char *from, size_t bytes, int part, int n)
{
    size_t lines = bytes / 64, end = lines * (size_t)(part + 1) / (size_t)n;
    for (size_t i = lines * (size_t)part / (size_t)n; i < end; i++)
        __builtin_prefetch(from + 64 * i, 0, 2);
}

/* Ask for the share of tile t of the chunk at base, while an earlier one is multiplied: the reads of a chunk
 * come in bursts, between which the hardware's prefetchers forget the stream. Inlined by force: gcc drops
 * calls of functions that only prefetch. */
QB_INLINE void attn_prefetch(const struct attn_call *r, int64_t base, int t)
{
    static const size_t size[] = {[QB_KV_F32] = 4, [QB_KV_F16] = 2, [QB_KV_Q8_0] = 1};
    const struct qb_kv *kv = r->a->kv;
    if (base >= r->p1)
        return;
    size_t k = size[kv->type_k], v = size[kv->type_v];
    attn_prefetch_share((const char *)kv->k + attn_k_offset(r, base / QB_KV_BLOCK) * k,
                        (size_t)r->chunk * (size_t)kv->dim_k * k, t, r->n_tiles);
    attn_prefetch_share((const char *)kv->v + attn_v_offset(r, base) * v,
                        (size_t)r->chunk * (size_t)kv->dim_v * v, t, r->n_tiles);
}

#endif

/*
 * Operands of attention on the matrix unit: K and V of a chunk as two planes of bf16, columns of Q as one.
 * Pairs are 16 apart (dimensions of K and Q, keys of V): they join without a shuffle.
 */
#ifndef QB_KERNELS_X86_ATTENTION_SPLIT_AMX_H
#define QB_KERNELS_X86_ATTENTION_SPLIT_AMX_H

#include <math.h>

#include "kernels/x86/attention_planes_amx.h"

#include "kernels/x86/attention_cache_tmpl.h"

/* Pairs of the upper 8 bits, and of what is left of the others: f16 is exact in the two, q8_0 to 16 bits. */
INLINE void split_pairs(vf x0, vf x1, uint8_t *upper)
{
    const __m512i top = _mm512_set1_epi32((int)0xffff0000u);
    __m512i b0 = _mm512_castps_si512(x0), b1 = _mm512_castps_si512(x1);
    vf l0 = vf_sub(x0, _mm512_castsi512_ps(_mm512_and_si512(b0, top)));
    vf l1 = vf_sub(x1, _mm512_castsi512_ps(_mm512_and_si512(b1, top)));
    _mm512_store_si512(upper, pairs_of(x0, x1));
    _mm512_store_si512(upper + TILE, pairs_of(l0, l1));
}

/* A dimension of a block of keys; behind the last one there are zeros. */
INLINE vf key_dim(const struct qb_kv *kv, bool q8, size_t block, int d)
{
    return d < kv->dim_k ? load_k(kv, q8, block, d, 0) : vf_zero();
}

/* Pieces are small, so that none of them keeps the unit waiting: of K half a step (8 pairs of dimensions) of
 * 16 keys, of V a pair of keys. */
#define K_PIECES 2

INLINE void split_k(const struct planes_run *r, bool q8, const struct planes_split *s)
{
    const struct qb_kv *kv = r->in.a->kv;
    const int rows = VF_N / K_PIECES, row = s->i % K_PIECES * rows, tile = s->i / K_PIECES;
    int d = tile % r->k_steps * STEP + row;
    size_t block = attn_k_offset(&r->in, s->base / QB_KV_BLOCK + tile / r->k_steps);
    uint8_t *out = r->k[chunk_parity(s->base)] + (size_t)tile * 2 * TILE + (size_t)row * TILE_ROW;
    UNROLL
    for (int i = 0; i < rows; i++, d++, out += TILE_ROW)
        split_pairs(key_dim(kv, q8, block, d), key_dim(kv, q8, block, d + VF_N), out);
}

/* A key that nobody sees is never read and counts as zeros. */
INLINE void split_v(const struct planes_run *r, bool q8, const struct planes_split *s)
{
    const struct qb_kv *kv = r->in.a->kv;
    int step = s->i / VF_N, row = s->i % VF_N;
    size_t at[2];
    __mmask16 seen[2];
    for (int side = 0; side < 2; side++) {
        int key = step * STEP + side * VF_N + row;
        bool is_seen = key >= s->keys.lo && key < s->keys.hi;
        seen[side] = is_seen ? 0xffff : 0;
        at[side] = attn_v_offset(&r->in, s->base + (is_seen ? key : s->keys.lo));
    }
    uint8_t *out = r->v[chunk_parity(s->base)] + (size_t)step * 2 * TILE + (size_t)row * TILE_ROW;
    for (int d = 0; d < kv->dim_v; d += VF_N, out += CHUNK_STEPS * 2 * TILE)
        split_pairs(_mm512_maskz_mov_ps(seen[0], load_v(kv, q8, at[0], d)),
                    _mm512_maskz_mov_ps(seen[1], load_v(kv, q8, at[1], d)), out);
}

static void split_k_piece(struct planes_run *r)
{
    if (r->in.a->kv->type_k == QB_KV_F16)
        split_k(r, false, &r->next_k);
    else
        split_k(r, true, &r->next_k);
    r->next_k.i++;
}

static void split_v_piece(struct planes_run *r)
{
    if (r->in.a->kv->type_v == QB_KV_F16)
        split_v(r, false, &r->next_v);
    else
        split_v(r, true, &r->next_v);
    r->next_v.i++;
}

/* How a chunk is cut into pieces: `each` for every `keys` keys. */
struct planes_pieces {
    void (*split)(struct planes_run *);
    int keys, each;
};

INLINE struct planes_split begin_split(const struct planes_run *r, int64_t base, struct planes_pieces p)
{
    struct attn_range keys = attn_visible(&r->in, 0, r->in.n_cols, base);
    return (struct planes_split){base, keys, keys.lo / p.keys * p.each,
                                 (keys.hi + p.keys - 1) / p.keys * p.each};
}

/*
 * Before a job: the planes of its chunk are there, those of the next chunk are on their way. Groups that
 * follow share the rest of these. @return the end of this job's share
 */
INLINE int share_of_split(struct planes_run *r, struct planes_split *s, const struct planes_job *j,
                          struct planes_pieces p)
{
    int64_t next = j->base + CHUNK;
    if (s->base != next) {
        if (s->base != j->base)
            *s = begin_split(r, j->base, p);
        while (s->i < s->end)
            p.split(r);
        *s = begin_split(r, next, p);
    }
    int left = s->end - s->i, turns = r->in.n_tiles - j->group;
    return left > 0 ? s->i + (left + turns - 1) / turns : s->i;
}

INLINE vf load_q(const float *x, int d, int dim)
{
    return d >= dim ? vf_zero() : dim - d >= VF_N ? vf_load(x + d) : vf_load_n(x + d, dim - d);
}

/* To the nearest bf16, ties away from 0. */
INLINE vf round_bf16(vf x)
{
    __m512i bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000u)));
}

/* A column of Q, times the scale of scores (and log2 e, unless scores are capped). */
static void place_q(const struct planes_run *r, int c, const float *x)
{
    int dim = r->in.a->kv->dim_k;
    vf scale = vf_set1(r->in.a->softcap != 0.0f ? r->in.a->scale : r->in.a->scale * (float)M_LOG2E);
    uint8_t *out = r->q + (size_t)(c / GROUP_COLS * r->k_steps) * 2 * TILE +
                   (size_t)(c % GROUP_COLS / TILE_COLS) * TILE + (size_t)(c % TILE_COLS) * TILE_ROW;
    for (int d = 0; d < dim; d += STEP, out += 2 * TILE)
        _mm512_store_si512(out, pairs_of(round_bf16(vf_mul(load_q(x, d, dim), scale)),
                                         round_bf16(vf_mul(load_q(x, d + VF_N, dim), scale))));
}

#endif

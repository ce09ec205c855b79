/*
 * Attention on the matrix unit: what a call keeps, and how it is laid out for tiles of bf16.
 */
#ifndef QB_KERNELS_X86_ATTENTION_PLANES_AMX_H
#define QB_KERNELS_X86_ATTENTION_PLANES_AMX_H

#include "kernels/x86/attention_call.h"
#include "kernels/x86/simd_avx512.h"

#define TILE        1024 /* bytes */
#define TILE_ROW    64
#define TILE_COLS   16 /* columns of the batch in a tile of sums; so many floats has each of its rows */
#define STEP        32 /* dimensions or keys of a product */
#define GROUP_COLS  (2 * TILE_COLS)
#define CHUNK       QB_ATTN_MAX_KEYS
#define CHUNK_VECS  (CHUNK / VF_N)
#define CHUNK_STEPS (CHUNK / STEP)

/* Scores of a group of columns and a chunk of keys: [tile][16 keys][column]. */
struct group_scores {
    float v[2][CHUNK_VECS][TILE_COLS][VF_N];
} __attribute__((aligned(64)));

/* ... and the weights that they become, as left operands. */
struct group_weights {
    uint8_t v[2][CHUNK_STEPS][TILE];
    float shrink[GROUP_COLS]; /* of what a column summed up before */
    bool any_shrinks;
} __attribute__((aligned(64)));

/* A group of columns and a chunk of keys; `keys` are those that some column of it sees. */
struct planes_job {
    int group;
    int64_t base;
    struct attn_range keys;
    bool whole; /* all columns see all keys */
};

/* A chunk that becomes planes, piece by piece; `keys` are those that some column of the call sees. */
struct planes_split {
    int64_t base;
    struct attn_range keys;
    int i, end; /* next piece, end of them */
};

/* The state of a call. Operands lie as tiles; the planes of one are neighbours, the upper one first. */
struct planes_run {
    struct attn_call in;
    int k_steps, v_tiles;          /* of 32 dimensions of K, of 16 of V (an even number) */
    uint8_t *q;                    /* [group][step][tile], one plane */
    uint8_t *k[2];                 /* chunks in turn: [16 keys][step][plane] */
    uint8_t *v[2];                 /* ... [16 dimensions][step of keys][plane] */
    float *o;                      /* [group][16 dimensions][tile][column][VF_N] */
    float *l;                      /* [column][VF_N]: lane sums of weights */
    float *m;                      /* [column]: running maximum, in powers of 2 */
    struct group_scores *scores;   /* 2, jobs in turn */
    struct group_weights *weights; /* ... */
    struct planes_split next_k, next_v;
};

INLINE int chunk_parity(int64_t base)
{
    return (int)(base / CHUNK & 1);
}

/* Two vectors as pairs of bf16, which are the upper halves of floats: cut, not rounded. */
INLINE __m512i pairs_of(vf x0, vf x1)
{
    __m512i low = _mm512_srli_epi32(_mm512_castps_si512(x0), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaau, low, _mm512_castps_si512(x1));
}

#endif

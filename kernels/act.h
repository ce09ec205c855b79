/*
 * Quantized activations: the right operand of every matrix product.
 *
 * A batch of n_cols columns (tokens) of n_k values each is cut into tiles of at most tile_cols columns of
 * nearly equal width (qb_act_tile). All arrays are tile-major; an array with one entry per B values starts,
 * for the tile from column c0 on, at entry c0 * n_k / B, and the tile's w columns lie side by side:
 *
 *   q          int8   [n_k / 4][w][4]     by column: [n_k / 64][w][64]
 *   scale      f32    [n_k / B][w]        B = 32 or 256 (qb_act_block)
 *   step       f32    [S][w]              Q8_STEPS, Q8_32; S = n_k / 512, rounded up
 *   steps      u8     [n_k / 32][w]       Q8_STEPS only
 *   fixed      int16  [P][w][2]           Q8_32: scale / step, in pairs; P = n_k / 64, rounded up
 *   start      int16  [P][w][2]           Q8_32: 8 * nsum32, in pairs
 *   nsum16     int32  [n_k / 16][w]       minus the sum of q over 16
 *   nsum32     int32  [n_k / 32][w]
 *   nsum256    int32  [n_k / 256][w]      B = 256
 *   npair      int16  [n_k / 64][w][2]    nsum32 in pairs; B = 256
 *   npair16    int16  [n_k / 32][w][2]    nsum16 in pairs; B = 256
 *   nsum_bf16  u16    [n_k / 256][w][32]  by column, B = 256: nsum16 in two parts
 *   fsum       f32    [n_k / 32][w]       scale * sum of q over 32; B = 32
 *   ssum       f32    [n_k / 32][w]       steps * sum of q over 32; Q8_STEPS only
 *   f32        f32    [n_k][w]            QB_ACT_F32
 *   bf16       u16    [n_k / 2][w][2]     QB_ACT_BF16 (n_k even); by column: [N][w][32]
 *
 * So one base pointer with small displacements serves the inner loops, and a slice of k is contiguous.
 *
 * By column (qb_act.by_column): the order for matrix units, whose operand has 64 bytes of k of a column in a
 * row of their register. Tiles for them are wider than the lanes of a vector, so a batch is in this order
 * when its tiles may be wider than QB_MAX_VECTOR_COLS; few columns stay in the other one, for the GEMV
 * kernels read them. Only q of the kinds with B = 256 and bf16 have it, so other kinds have no such tiles. N
 * = n_k / 32, rounded up: the last 32 of a column end in zeros, and the tile from column c0 on starts at c0 *
 * N * 32. All other arrays stay as they are. Behind bf16 are as many values as a tile may have fewer than 16
 * columns, of any value: so every tile can be read as if it were full.
 *
 * nsum_bf16 exists only there, for minima on a matrix unit: of 256 values of a column the 16 nsum16 & ~15,
 * then the 16 nsum16 & 15, as bf16. |nsum16| <= 16 * 127, so each part has 8 significant bits at most and is
 * exact, and the two sum to nsum16.
 *
 * q = rint(x / scale) (a true division, ties to even) with scale = max|x| / 127 over the block, so |q| <=
 * 127. A scale below FLT_MIN (a block of zeros or of values too small for an exact division) is 0, and so is
 * its q. x is finite. n_k is a multiple of B for the int8 kinds.
 *
 * Q8_32 has its scales in fixed point too, for tiles that multiply in integers: step = (largest scale of 512
 * values) / 32767 and fixed = rint(scale * (1 / step)), in floats. A step below FLT_MIN is 0, and so are its
 * fixed. start is what sums of codes that are 2^7 above the weights, less the 4 bits of their cut, start from
 * (kernels/kernels.h, fixed panels). Where n_k / 32 is odd, the last pair has a second of 0.
 *
 * Q8_STEPS: scale = step * steps, where step = max|x| / (16 * 127) over 512 values (the last group may be
 * shorter) and steps = ceil(max|x| over 32 * (16 / max|x| over 512)), 1 to 16, in floats. So a scale is at
 * most one step above that of Q8_32, which costs 7 % more noise of rounding; weights of 5 bits and fewer hide
 * it (docs/performance.md). A tile kernel needs only 16 multiples of a weight's scale, which are made once
 * for all columns (qb_panel.scale_steps). A step below FLT_MIN is 0: then steps are 1, scales and q 0.
 *
 * Q8_32_PAIRS and Q8_256_PAIRS have the arrays of Q8_32 and Q8_256, and a larger scale where neighbours are
 * large together: in place of max|x| stands the largest of |x|, of 127/134 |a + b| over the pairs a, b of a
 * block, and of 127/256 times the sum of the magnitudes of the first and third, or second and fourth, pair of
 * 8 values (in floats, in this order). Rounding moves each q by half at most, so |q + q'| <= 135 for a pair,
 * and four magnitudes sum to at most 258: with weights of -127 to 113 (IQ4) two products with codes, 1 to
 * 241, fit into an int16, and so do four with the weights. The price is more noise of rounding, which weights
 * of 4 bits hide (docs/performance.md). |x| is less than FLT_MAX / 4.
 */
#ifndef QB_KERNELS_ACT_H
#define QB_KERNELS_ACT_H

#include "kernels/format.h"

#define QB_MAX_TILE_COLS 16
/* Columns of a tile that fill a vector; wider ones are for matrix units. */
#define QB_MAX_VECTOR_COLS 8
/* Up to this many columns are one tile whatever tile_cols is, and go to the fused GEMV kernels. */
#define QB_GEMV_MAX_COLS 4

/* Values under one step, and its largest multiple under Q8_STEPS and Q8_32. */
#define QB_ACT_STEP_K    512
#define QB_ACT_MAX_STEPS 16
#define QB_ACT_MAX_FIXED 32767

/* Values of a column that lie together by column: 64 bytes. */
#define QB_ACT_COLUMN_Q    64
#define QB_ACT_COLUMN_BF16 32
#define QB_ACT_BEHIND_BF16 ((QB_MAX_TILE_COLS - 1) * QB_ACT_COLUMN_BF16)
/* nsum16 of 256 values. */
#define QB_ACT_BLOCK_NSUM 16

/* Values under one scale of an int8 kind; 0 for floats. */
static inline int qb_act_block(enum qb_act_kind kind)
{
    bool b32 = kind == QB_ACT_Q8_32 || kind == QB_ACT_Q8_STEPS || kind == QB_ACT_Q8_32_PAIRS;
    return b32 ? 32 : kind == QB_ACT_Q8_256 || kind == QB_ACT_Q8_256_PAIRS ? 256 : 0;
}
static inline int64_t qb_act_step_count(int64_t n_k)
{
    return (n_k + QB_ACT_STEP_K - 1) / QB_ACT_STEP_K;
}

static inline int64_t qb_act_pair_count(int64_t n_k)
{
    return (n_k + 63) / 64;
}

/* Kinds of pairs: what the sum of a pair and the magnitudes of two pairs count. */
#define QB_ACT_PAIR      (127.0f / 134.0f)
#define QB_ACT_TWO_PAIRS (127.0f / 256.0f)

static inline bool qb_act_is_pairs(enum qb_act_kind kind)
{
    return kind == QB_ACT_Q8_32_PAIRS || kind == QB_ACT_Q8_256_PAIRS;
}

struct qb_act {
    enum qb_act_kind kind;
    int tile_cols;
    int n_cols;
    int64_t n_k;
    bool by_column; /* the order of q and bf16 */
    int n_tiles;
    int tile_base, n_wide; /* the first n_wide tiles have tile_base + 1 columns, the others tile_base */
    int8_t *q;
    float *scale, *fsum, *step, *ssum;
    uint8_t *steps;
    int32_t *nsum16, *nsum32, *nsum256;
    int16_t *fixed, *start, *npair, *npair16;
    uint16_t *nsum_bf16; /* NULL unless by column */
    float *f32;
    uint16_t *bf16;
};

/* Bytes of storage for a batch, 64-byte aligned parts. */
size_t qb_act_bytes(enum qb_act_kind kind, int n_cols, int64_t n_k);
/*
 * Lay the arrays into storage (64-byte aligned, qb_act_bytes long; borrowed). Only BF16 and the kinds with
 * 256 values under a scale may have tiles wider than QB_MAX_VECTOR_COLS.
 */
void qb_act_init(struct qb_act *a, enum qb_act_kind kind, int n_cols, int64_t n_k, int tile_cols,
                 void *storage);

/* First column and width of tile t: the first n_cols % n_tiles tiles are one column wider. */
static inline int qb_act_tile(const struct qb_act *a, int t, int *width)
{
    *width = a->tile_base + (t < a->n_wide);
    return t * a->tile_base + (t < a->n_wide ? t : a->n_wide);
}
/* The tile that holds column c, and the position inside it. */
static inline int qb_act_tile_of(const struct qb_act *a, int c, int *pos)
{
    int base = a->tile_base, wide = a->n_wide;
    int t = c < wide * (base + 1) ? c / (base + 1) : wide + (c - wide * (base + 1)) / base;
    int w, c0 = qb_act_tile(a, t, &w);
    *pos = c - c0;
    return t;
}

/* Entry of weight k of column pos of the tile from column c0 on, w columns wide: in q. */
static inline int64_t qb_act_q_at(const struct qb_act *a, int64_t c0, int w, int pos, int64_t k)
{
    if (a->by_column)
        return c0 * a->n_k + (k / QB_ACT_COLUMN_Q * w + pos) * QB_ACT_COLUMN_Q + k % QB_ACT_COLUMN_Q;
    return c0 * a->n_k + (k / 4 * w + pos) * 4 + k % 4;
}
/* The same in bf16. */
static inline int64_t qb_act_bf16_at(const struct qb_act *a, int64_t c0, int w, int pos, int64_t k)
{
    const int n = QB_ACT_COLUMN_BF16;
    if (a->by_column)
        return (c0 * ((a->n_k + n - 1) / n) + k / n * w + pos) * n + k % n;
    return c0 * a->n_k + (k / 2 * w + pos) * 2 + k % 2;
}
/* In nsum_bf16, of the upper part of the sum that weight k is in; the lower is QB_ACT_BLOCK_NSUM behind. */
static inline int64_t qb_act_nsum_bf16_at(const struct qb_act *a, int64_t c0, int w, int pos, int64_t k)
{
    int64_t block = c0 * (a->n_k / 256) + k / 256 * w + pos;
    return block * 2 * QB_ACT_BLOCK_NSUM + k % 256 / 16;
}

#endif

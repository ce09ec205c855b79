/*
 * Attention on the matrix unit, for many columns. K and V are two planes of bf16 each, Q and the weights of
 * keys are one; sums are f32, so nothing needs a scale.
 *
 * A chunk of keys becomes planes once and meets all columns, a group of two tiles at a time: scores, weights,
 * sums over V. These three are jobs in a pipeline: while the unit multiplies the scores of one group and the
 * sums of the last but one, vectors turn the scores of the group between into weights and make planes of the
 * next chunk, a piece of work after every few products.
 */
#include <string.h>

#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include "kernels/x86/attention_planes_amx.h"
#include "kernels/x86/attention_split_amx.h"
#include "kernels/x86/attention_weigh_amx.h"
#include "kernels/x86/simd_amx.h"

#include "kernels/x86/attention_finish_tmpl.h"

/* Tiles: sums are 0 to 3, those of the first tile of columns 0 and 1; left and right operands: */
#define LEFT0  4
#define LEFT1  5
#define RIGHT0 6
#define RIGHT1 7

/* ---- vectors ---- */

/* What vectors do in a turn of the pipeline: `pieces` beside `products` of four tiles each. */
struct beside {
    struct planes_run *r;
    const struct planes_job *weigh;
    struct group_scores *scores;
    struct group_weights *weights;
    int col, k_end, v_end; /* next column; where the turn's share of the next chunk ends */
    int pieces, products, due;
};

static void piece(struct beside *b)
{
    struct planes_run *r = b->r;
    if (r->next_k.i < b->k_end)
        split_k_piece(r);
    else if (r->next_v.i < b->v_end)
        split_v_piece(r);
    else
        weigh_column(r, b->weigh, b->scores, b->weights, b->col++);
}

INLINE void work(struct beside *b)
{
    for (b->due += b->pieces; b->due >= b->products; b->due -= b->products)
        piece(b);
}

/* ---- products ---- */

#define LOAD_LEFT(at)                                                                                        \
    do {                                                                                                     \
        AMX_LOAD(LEFT0, at, TILE_ROW);                                                                       \
        AMX_LOAD(LEFT1, (at) + left_tile, TILE_ROW);                                                         \
    } while (0)
#define LOAD_RIGHT(at)                                                                                       \
    do {                                                                                                     \
        AMX_LOAD_ONCE(RIGHT0, at, TILE_ROW);                                                                 \
        AMX_LOAD_ONCE(RIGHT1, (at) + right_tile, TILE_ROW);                                                  \
    } while (0)
#define MULTIPLY()                                                                                           \
    do {                                                                                                     \
        AMX_DOT_BF16(0, LEFT0, RIGHT0);                                                                      \
        AMX_DOT_BF16(1, LEFT0, RIGHT1);                                                                      \
        AMX_DOT_BF16(2, LEFT1, RIGHT0);                                                                      \
        AMX_DOT_BF16(3, LEFT1, RIGHT1);                                                                      \
        work(b);                                                                                             \
    } while (0)

/* Two tiles a side, both planes of the right one; *_tile: from the first to the second, in bytes. */
INLINE void multiply_step(const uint8_t *left, size_t left_tile, const uint8_t *right, size_t right_tile,
                          struct beside *b)
{
    LOAD_LEFT(left);
    LOAD_RIGHT(right);
    MULTIPLY();
    LOAD_RIGHT(right + TILE);
    MULTIPLY();
}

/* Scores of keys [32 i, 32 i + 32). */
INLINE void score_keys(struct beside *b, const struct planes_job *j, int i, struct group_scores *out)
{
    const struct planes_run *r = b->r;
    size_t block = (size_t)r->k_steps * 2 * TILE;
    const uint8_t *q = r->q + (size_t)j->group * block,
                  *k = r->k[chunk_parity(j->base)] + 2 * (size_t)i * block;
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    for (int s = 0; s < r->k_steps; s++, q += 2 * TILE, k += 2 * TILE)
        multiply_step(q, TILE, k, block, b);
    AMX_STORE(0, out->v[0][2 * i], TILE_ROW);
    AMX_STORE(1, out->v[0][2 * i + 1], TILE_ROW);
    AMX_STORE(2, out->v[1][2 * i], TILE_ROW);
    AMX_STORE(3, out->v[1][2 * i + 1], TILE_ROW);
}

/* Steps of 32 keys that hold some of `keys`. */
INLINE struct attn_range key_steps(struct attn_range keys)
{
    return (struct attn_range){keys.lo / STEP, (keys.hi + STEP - 1) / STEP};
}

/* Sums of dimensions [32 i, 32 i + 32). */
INLINE void sum_dims(struct beside *b, const struct planes_job *j, int i, const struct group_weights *w)
{
    const struct planes_run *r = b->r;
    struct attn_range steps = key_steps(j->keys);
    uint8_t *o = (uint8_t *)r->o + (size_t)(j->group * r->v_tiles + 2 * i) * 2 * TILE;
    const uint8_t *v = r->v[chunk_parity(j->base)] + (size_t)(2 * i * CHUNK_STEPS) * 2 * TILE;
    AMX_LOAD(0, o, TILE_ROW);
    AMX_LOAD(1, o + 2 * TILE, TILE_ROW);
    AMX_LOAD(2, o + TILE, TILE_ROW);
    AMX_LOAD(3, o + 3 * TILE, TILE_ROW);
    for (int s = steps.lo; s < steps.hi; s++)
        multiply_step(w->v[0][s], sizeof w->v[0], v + (size_t)s * 2 * TILE, CHUNK_STEPS * 2 * TILE, b);
    AMX_STORE(0, o, TILE_ROW);
    AMX_STORE(1, o + 2 * TILE, TILE_ROW);
    AMX_STORE(2, o + TILE, TILE_ROW);
    AMX_STORE(3, o + 3 * TILE, TILE_ROW);
}

/* Columns whose maximum rose: what they hold so far shrinks. */
static void shrink_sums(const struct planes_run *r, const struct planes_job *j, const struct group_weights *w)
{
    if (!w->any_shrinks)
        return;
    for (int i = 0; i < GROUP_COLS; i++) {
        float *o = r->o + (size_t)(j->group * r->v_tiles) * GROUP_COLS * VF_N + i * VF_N;
        if (w->shrink[i] == 1.0f)
            continue;
        for (int t = 0; t < r->v_tiles; t++, o += GROUP_COLS * VF_N)
            vf_store(o, vf_mul(vf_load(o), vf_set1(w->shrink[i])));
    }
}

/* ---- the pipeline ---- */

/* Jobs of a turn; NULL: none. */
struct turn {
    const struct planes_job *score, *weigh, *sum;
    int number;
};

static struct beside plan_vectors(struct planes_run *r, const struct turn *t)
{
    struct beside b = {.r = r, .weigh = t->weigh, .k_end = r->next_k.i, .v_end = r->next_v.i};
    b.scores = &r->scores[~t->number & 1];
    b.weights = &r->weights[t->number & 1];
    if (t->score) {
        struct attn_range steps = key_steps(t->score->keys);
        b.k_end = share_of_split(r, &r->next_k, t->score,
                                 (struct planes_pieces){split_k_piece, VF_N, K_PIECES * r->k_steps});
        b.pieces += b.k_end - r->next_k.i;
        b.products += 2 * (steps.hi - steps.lo) * r->k_steps;
    }
    if (t->sum) {
        struct attn_range steps = key_steps(t->sum->keys);
        b.v_end = share_of_split(r, &r->next_v, t->sum, (struct planes_pieces){split_v_piece, STEP, VF_N});
        b.pieces += b.v_end - r->next_v.i;
        b.products += (steps.hi - steps.lo) * r->v_tiles;
    }
    if (t->weigh)
        b.pieces += GROUP_COLS;
    b.weights->any_shrinks = false;
    return b;
}

static void take_turn(struct planes_run *r, const struct turn *t)
{
    const struct group_weights *w = &r->weights[~t->number & 1];
    struct beside b = plan_vectors(r, t);
    if (b.products == 0) /* a call of one job */
        while (b.pieces-- > 0)
            piece(&b);
    if (t->score) {
        struct attn_range steps = key_steps(t->score->keys);
        for (int i = steps.lo; i < steps.hi; i++)
            score_keys(&b, t->score, i, &r->scores[t->number & 1]);
    }
    if (t->sum) {
        shrink_sums(r, t->sum, w);
        for (int i = 0; i < r->v_tiles / 2; i++)
            sum_dims(&b, t->sum, i, w);
    }
}

/* The next job with keys to see, from group `*group` of the chunk at `*base` on. */
static bool next_job(const struct planes_run *r, int64_t end, int *group, int64_t *base, struct planes_job *j)
{
    for (; *base < end; *base += CHUNK, *group = 0) {
        while (*group < r->in.n_tiles) {
            int c0 = *group * GROUP_COLS, c1 = c0 + GROUP_COLS;
            c1 = c1 < r->in.n_cols ? c1 : r->in.n_cols;
            *j = (struct planes_job){*group, *base, attn_visible(&r->in, c0, c1, *base),
                                     attn_sees_all(&r->in, c0, c1, *base)};
            ++*group;
            if (j->keys.lo < j->keys.hi)
                return true;
        }
    }
    return false;
}

static void attend(struct planes_run *r, int64_t base, int64_t end)
{
    struct planes_job jobs[3];
    struct turn t = {0};
    int group = 0;
    do {
        struct planes_job *j = &jobs[t.number % 3];
        t.sum = t.weigh;
        t.weigh = t.score;
        t.score = next_job(r, end, &group, &base, j) ? j : NULL;
        take_turn(r, &t);
        t.number++;
    } while (t.score || t.weigh);
}

/* ---- a call ---- */

static void begin_columns(const struct planes_run *r, const float *q, size_t ldq)
{
    int group = r->in.a->group, padded = r->in.n_tiles * GROUP_COLS;
    memset(r->q, 0, (size_t)padded / TILE_COLS * (size_t)r->k_steps * TILE);
    for (int c = 0; c < r->in.n_cols; c++)
        place_q(r, c, q + (size_t)(c / group) * ldq + (size_t)(c % group) * (size_t)r->in.a->kv->dim_k);
    memset(r->o, 0, (size_t)padded * (size_t)r->v_tiles * VF_N * sizeof *r->o);
    memset(r->l, 0, (size_t)padded * VF_N * sizeof *r->l);
    for (int c = 0; c < padded; c++)
        r->m[c] = -INFINITY;
}

static void finish_columns(const struct planes_run *r, float *out, size_t ldo, float *ml)
{
    for (int c = 0; c < r->in.n_cols; c++) {
        const float *o =
            r->o + ((size_t)(c / GROUP_COLS * r->v_tiles) * GROUP_COLS + (size_t)(c % GROUP_COLS)) * VF_N;
        attn_finish_column(&r->in, c, o, GROUP_COLS * VF_N, vf_load(r->l + c * VF_N), r->m[c] * (float)M_LN2,
                           out, ldo, ml);
    }
}

static void place_scratch(struct planes_run *r, uint8_t *at)
{
    size_t dim_k = (size_t)r->k_steps * STEP, dim_v = (size_t)r->v_tiles * VF_N;
    r->q = at;
    r->k[0] = r->q + QB_ATTN_MAX_COLS * dim_k * 2;
    r->k[1] = r->k[0] + CHUNK * dim_k * 4;
    r->v[0] = r->k[1] + CHUNK * dim_k * 4;
    r->v[1] = r->v[0] + CHUNK * dim_v * 4;
    r->scores = (struct group_scores *)(void *)(r->v[1] + CHUNK * dim_v * 4);
    r->weights = (struct group_weights *)(r->scores + 2);
    r->o = (float *)(void *)(r->weights + 2);
    r->l = r->o + QB_ATTN_MAX_COLS * dim_v;
    r->m = r->l + (size_t)QB_ATTN_MAX_COLS * VF_N;
}

void qb_attention_planes_amx(const struct qb_attn *a, int head, const float *q, size_t ldq, int n_q,
                             int64_t pos0, int64_t p0, int64_t p1, float *out, size_t ldo, float *ml,
                             void *scratch)
{
    struct planes_run r = {.in = {a, head, n_q * a->group, 0, CHUNK, pos0, p0, p1},
                           .next_k = {.base = -1},
                           .next_v = {.base = -1}};
    r.in.n_tiles = (r.in.n_cols + GROUP_COLS - 1) / GROUP_COLS;
    r.k_steps = (a->kv->dim_k + STEP - 1) / STEP;
    r.v_tiles = (a->kv->dim_v + 2 * VF_N - 1) / (2 * VF_N) * 2;
    place_scratch(&r, scratch);
    begin_columns(&r, q, ldq);
    amx_keep_full();
    attend(&r, attn_first_key(&r.in, 0) / QB_KV_BLOCK * QB_KV_BLOCK, attn_end_key(&r.in, n_q - 1));
    finish_columns(&r, out, ldo, ml);
}

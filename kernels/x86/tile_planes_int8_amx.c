/*
 * Integer tile kernel for AMX: 32 panel rows x up to 16 columns. The tiles hold the sums of 256 weights, for
 * each of up to two planes of the panel (kernels/kernels.h) two tiles of 16 rows. What they held is stored
 * while the next 256 are multiplied, and meets its scales then, column by column between the steps of k:
 * tiles and vectors work side by side. Rows of the left operand are columns of the batch, so that a row of
 * the result is a vector of panel rows.
 */
#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include "kernels/x86/simd_amx.h"
#include <immintrin.h>
#include <string.h>

#define STEP_K   64 /* weights of a multiplication */
#define BLOCK_K  256
#define STEPS    (BLOCK_K / STEP_K)
#define HALVES   2 /* of a panel: 16 rows */
#define MOST_MIN 8 /* pairs of minima in a block */

/* Tiles: sums of the upper plane are 0 and 1, of the lower one 2 and 3. */
#define LEFT 4

/* Sums of a block: [plane][half][column][row]. */
struct sums {
    int32_t v[2][HALVES][QB_MAX_TILE_COLS][16];
} __attribute__((aligned(64)));

/* Where sums start from if nothing is there. */
static const float zeros[QB_PANEL_ROWS] __attribute__((aligned(64)));

/* What becomes of a block's sums; width 0: there are none. */
struct fold {
    int width;
    const float *scale, *min_scale;
    float unit; /* of the scales: 2^-cut where they are made for sums without their low bits */
    const int16_t *min_pair, *npair; /* of the block; npair: [pair][width][2] */
    const float *act_scale;
    const float *from;
    size_t ldf;
    float *out;
    size_t ldo;
};

/* Constants after inlining. */
struct planes_shape {
    int planes;
    enum qb_min_kind min;
};

QB_INLINE int min_pairs(struct planes_shape s)
{
    return s.min == QB_MIN_NONE ? 0 : BLOCK_K / 2 / qb_min_weights(s.min);
}

QB_INLINE __m512i broadcast4(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* Tiles for a width: sums and the left operand have a row a column, the right operand one for 4 weights. */
static void configure(int width)
{
    struct amx_config c = AMX_CONFIG_FULL;
    for (int tile = 0; tile <= LEFT; tile++)
        c.rows[tile] = (uint8_t)width;
    amx_configure(&c);
}

/* The sum of a column's products with 16 rows. */
QB_INLINE __m512i whole_sum(const struct sums *sums, int half, int col, struct planes_shape s)
{
    __m512i upper = _mm512_load_si512(sums->v[0][half][col]);
    if (s.planes == 1)
        return upper;
    return _mm512_add_epi32(_mm512_slli_epi32(upper, 8), _mm512_load_si512(sums->v[1][half][col]));
}

/* Columns [c0, c1) of a block, half of the rows: out = from + scale of the activations * (scale * sum +
 * minima). */
QB_INLINE void fold_half(const struct fold *f, const struct sums *sums, int half, int c0, int c1,
                         struct planes_shape s)
{
    const int n_min = min_pairs(s);
    __m512i min[MOST_MIN];
    if (c0 == c1) /* also if there is no block */
        return;
    __m512 scale = _mm512_mul_ps(_mm512_load_ps(f->scale + 16 * half), _mm512_set1_ps(f->unit));
    __m512 min_scale = scale;
    if (n_min > 0)
        min_scale = _mm512_load_ps(f->min_scale + 16 * half);
    QB_UNROLL
    for (int i = 0; i < n_min; i++)
        min[i] = _mm512_load_si512(f->min_pair + (i * QB_PANEL_ROWS + 16 * half) * 2);
    for (int c = c0; c < c1; c++) {
        __m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(whole_sum(sums, half, c, s)), scale);
        if (n_min > 0) {
            __m512i m = _mm512_setzero_si512();
            QB_UNROLL
            for (int i = 0; i < n_min; i++)
                m = _mm512_dpwssd_epi32(m, min[i], broadcast4(f->npair + (i * f->width + c) * 2));
            t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(m), min_scale, t);
        }
        __m512 start = _mm512_loadu_ps(f->from + (size_t)c * f->ldf + 16 * half);
        t = _mm512_fmadd_ps(t, _mm512_set1_ps(f->act_scale[c]), start);
        _mm512_storeu_ps(f->out + (size_t)c * f->ldo + 16 * half, t);
    }
}

/* The columns whose turn it is at a step of k. */
QB_INLINE void fold_step(const struct fold *f, const struct sums *sums, int step, struct planes_shape s)
{
    int c0 = f->width * step / STEPS, c1 = f->width * (step + 1) / STEPS;
    QB_UNROLL
    for (int half = 0; half < HALVES; half++)
        fold_half(f, sums, half, c0, c1, s);
}

/* At the first step of a block a tile of sums is stored, which ends the block before, and starts at zero. */
#define NEXT_SUM(tile, plane, half)                                                                          \
    do {                                                                                                     \
        if (step == 0) {                                                                                     \
            AMX_STORE(tile, sums->v[plane][half], 64);                                                       \
            AMX_ZERO(tile);                                                                                  \
        }                                                                                                    \
    } while (0)

/* 64 weights: q, [column][64]; panel: of the upper plane, the lower one `plane` bytes behind. */
QB_INLINE void multiply_step(const int8_t *q, const uint8_t *panel, size_t plane, int step, struct sums *sums,
                             struct planes_shape s)
{
    AMX_LOAD(LEFT, q, STEP_K);
    AMX_LOAD(5, panel, 4 * QB_PANEL_ROWS);
    NEXT_SUM(0, 0, 0);
    AMX_DOT_SS(0, LEFT, 5);
    AMX_LOAD(6, panel + 64, 4 * QB_PANEL_ROWS);
    NEXT_SUM(1, 0, 1);
    AMX_DOT_SS(1, LEFT, 6);
    if (s.planes == 1)
        return;
    AMX_LOAD(7, panel + plane, 4 * QB_PANEL_ROWS);
    NEXT_SUM(2, 1, 0);
    AMX_DOT_SU(2, LEFT, 7);
    AMX_LOAD(5, panel + plane + 64, 4 * QB_PANEL_ROWS);
    NEXT_SUM(3, 1, 1);
    AMX_DOT_SU(3, LEFT, 5);
}

/* 256 weights, and meanwhile what is left to do of those before. */
QB_INLINE void multiply_block(const int8_t *q, const uint8_t *panel, size_t plane, const struct fold *before,
                              int width, struct sums *sums, struct planes_shape s)
{
    QB_UNROLL
    for (int step = 0; step < STEPS; step++) {
        multiply_step(q, panel, plane, step, sums, s);
        fold_step(before, sums, step, s);
        q += STEP_K * width;
        panel += STEP_K * QB_PANEL_ROWS;
    }
}

/* The sums that the tiles still hold. */
QB_INLINE void finish(struct fold *f, struct sums *sums, struct planes_shape s)
{
    if (f->width == 0)
        return;
    AMX_STORE(0, sums->v[0][0], 64);
    AMX_STORE(1, sums->v[0][1], 64);
    if (s.planes > 1) {
        AMX_STORE(2, sums->v[1][0], 64);
        AMX_STORE(3, sums->v[1][1], 64);
    }
    QB_UNROLL
    for (int step = 0; step < STEPS; step++)
        fold_step(f, sums, step, s);
    f->width = 0;
}

/* What to do with the sums of block b of the panel, columns of the tile from c0 on, weights from k on. */
QB_INLINE struct fold fold_of(const struct qb_panel *p, const struct qb_act *a, int c0, int width, int64_t k,
                              int64_t b, struct planes_shape s)
{
    struct fold f = {
        .width = width,
        .scale = p->scale + b * QB_PANEL_ROWS,
        .unit = p->int_scales ? 1.0f / (float)(1 << p->cut) : 1.0f,
        .act_scale = a->scale + c0 * (a->n_k / 256) + k / 256 * width,
    };
    if (s.min != QB_MIN_NONE) {
        const int16_t *npair = s.min == QB_MIN_I16 ? a->npair : a->npair16;
        int per = qb_min_weights(s.min);
        f.min_scale = p->min_scale + b * QB_PANEL_ROWS;
        f.min_pair = p->min_pair + b * min_pairs(s) * QB_PANEL_ROWS * 2;
        f.npair = npair + c0 * (a->n_k / per) + k / per * width;
    }
    return f;
}

QB_INLINE void run(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0, int64_t n_k,
                   const float *from, size_t ldf, float *out, size_t ldo, struct planes_shape s)
{
    struct sums sums;
    struct fold f = {0};
    int width = 0;
    if (!from) {
        from = zeros;
        ldf = 0;
    }
    for (int t = t0, w; t < t1; t++, from += (size_t)w * ldf, out += (size_t)w * ldo) {
        int c0 = qb_act_tile(a, t, &w);
        if (w != width) {
            finish(&f, &sums, s);
            configure(w);
            width = w;
        }
        for (int64_t b = 0; b < n_k / BLOCK_K; b++) {
            int64_t k = k0 + b * BLOCK_K;
            multiply_block(a->q + c0 * a->n_k + k * w, p->plane + b * BLOCK_K * QB_PANEL_ROWS,
                           (size_t)n_k * QB_PANEL_ROWS, &f, w, &sums, s);
            f = fold_of(p, a, c0, w, k, b, s);
            f.from = b == 0 ? from : out;
            f.ldf = b == 0 ? ldf : ldo;
            f.out = out;
            f.ldo = ldo;
        }
    }
    finish(&f, &sums, s);
    amx_release();
}

#define PLANES_FN(name, planes, min)                                                                         \
    static void name(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,           \
                     int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)                     \
    {                                                                                                        \
        run(p, a, t0, t1, k0, n_k, from, ldf, out, ldo, (struct planes_shape){planes, min});                 \
    }
PLANES_FN(one, 1, QB_MIN_NONE)
PLANES_FN(one_min32, 1, QB_MIN_I16)
PLANES_FN(one_min16, 1, QB_MIN_I16_16)
PLANES_FN(two, 2, QB_MIN_NONE)
PLANES_FN(two_min32, 2, QB_MIN_I16)

void qb_tile_planes_int8_amx(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                             int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    static qb_tile_fn *const fns[2][QB_MIN_I16_16 + 1] = {
        {[QB_MIN_NONE] = one, [QB_MIN_I16] = one_min32, [QB_MIN_I16_16] = one_min16},
        {[QB_MIN_NONE] = two, [QB_MIN_I16] = two_min32},
    };
    fns[p->n_planes - 1][p->min](p, a, t0, t1, k0, n_k, from, ldf, out, ldo);
}

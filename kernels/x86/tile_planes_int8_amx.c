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

#define STEP_K  64 /* weights of a multiplication */
#define BLOCK_K 256
#define STEPS   (BLOCK_K / STEP_K)
#define HALVES  2 /* of a panel: 16 rows */

/* Tiles: sums of the upper plane are 0 and 1, of the lower one 2 and 3; 5 and 6 are right operands. */
#define LEFT 4
#define MIN  7 /* minima of one half, then of the other */
/* Bytes of a plane for 4 weights. */
#define ROW (4 * QB_PANEL_ROWS)

/* Sums of a block, codes: [plane][half][column][row], minima times sums of the activations. */
struct sums {
    int32_t v[2][HALVES][QB_MAX_TILE_COLS][16];
    float min[HALVES][QB_MAX_TILE_COLS][16];
} __attribute__((aligned(64)));

/* Where sums start from if nothing is there. */
static const float zeros[QB_PANEL_ROWS] __attribute__((aligned(64)));

/* What becomes of a block's sums; width 0: there are none. */
struct fold {
    int width;
    const float *scale, *min_scale;
    float unit; /* of the scales: 2^-cut where they are made for sums without their low bits */
    const float *act_scale;
    const float *from;
    size_t ldf;
    float *out;
    size_t ldo;
};

/* Constants after inlining. */
struct planes_shape {
    int width; /* 0: any */
    int planes;
    bool min; /* are there minima? */
};

/* Tiles for a width: sums and the left operand have a row a column, the right operand one for 4 weights. */
static void configure(int width)
{
    struct amx_config c = AMX_CONFIG_FULL;
    for (int tile = 0; tile <= LEFT; tile++)
        c.rows[tile] = (uint8_t)width;
    c.rows[MIN] = (uint8_t)width;
    amx_keep(&c);
}

/* 256 times what the lanes hold. By bytes: shifts share a port with all multiplications while tiles work. */
QB_INLINE __m512i times_256(__m512i v)
{
    const __m128i up = _mm_setr_epi8(-1, 0, 1, 2, -1, 4, 5, 6, -1, 8, 9, 10, -1, 12, 13, 14);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(up));
}

/* The sum of a column's products with 16 rows. */
QB_INLINE __m512i whole_sum(const struct sums *sums, int half, int col, struct planes_shape s)
{
    __m512i upper = _mm512_load_si512(sums->v[0][half][col]);
    if (s.planes == 1)
        return upper;
    return _mm512_add_epi32(times_256(upper), _mm512_load_si512(sums->v[1][half][col]));
}

/* n columns from c0 on, half of the rows: out = from + scale of the activations * (scale * sum + minima). */
QB_INLINE void fold_half(struct fold f, const struct sums *sums, int half, int c0, int n,
                         struct planes_shape s)
{
    __m512 scale = _mm512_mul_ps(_mm512_load_ps(f.scale + 16 * half), _mm512_set1_ps(f.unit));
    __m512 min_scale = s.min ? _mm512_load_ps(f.min_scale + 16 * half) : scale;
    QB_UNROLL
    for (int c = c0; c < c0 + n; c++) {
        __m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(whole_sum(sums, half, c, s)), scale);
        if (s.min)
            t = _mm512_fmadd_ps(_mm512_load_ps(sums->min[half][c]), min_scale, t);
        __m512 start = _mm512_loadu_ps(f.from + (size_t)c * f.ldf + 16 * half);
        t = _mm512_fmadd_ps(t, _mm512_set1_ps(f.act_scale[c]), start);
        _mm512_storeu_ps(f.out + (size_t)c * f.ldo + 16 * half, t);
    }
}

/* The columns whose turn it is at a step of k. */
QB_INLINE void fold_step(struct fold f, const struct sums *sums, int step, struct planes_shape s)
{
    if (f.width == 0)
        return;
    if (s.width > 0) {
        fold_half(f, sums, 0, s.width / STEPS * step, s.width / STEPS, s);
        fold_half(f, sums, 1, s.width / STEPS * step, s.width / STEPS, s);
        return;
    }
    for (int c = f.width * step / STEPS; c < f.width * (step + 1) / STEPS; c++) {
        fold_half(f, sums, 0, c, 1, s);
        fold_half(f, sums, 1, c, 1, s);
    }
}

/*
 * One product of a step: 16 rows of a plane, from `at` on, onto a tile of sums. At the first step of a block
 * the tile is stored before, which ends the block before, and starts at zero.
 */
#define PRODUCT(sum, plane, half, codes, right, dot)                                                         \
    do {                                                                                                     \
        AMX_LOAD_AT(right, codes, at + 64 * (half), ROW);                                                    \
        if (step == 0) {                                                                                     \
            AMX_STORE(sum, sums->v[plane][half], 64);                                                        \
            AMX_ZERO(sum);                                                                                   \
        }                                                                                                    \
        dot(sum, LEFT, right);                                                                               \
    } while (0)

/* The minima of a half are multiplied where those of the other one, of the same or the block before, end. */
#define NEXT_MIN(ended, half)                                                                                \
    do {                                                                                                     \
        AMX_STORE(MIN, sums->min[ended], 64);                                                                \
        AMX_LOAD(LEFT, nsum, 64);                                                                            \
        AMX_LOAD_AT(5, min, 64 * (half), ROW);                                                               \
        AMX_ZERO(MIN);                                                                                       \
        AMX_DOT_BF16(MIN, LEFT, 5);                                                                          \
    } while (0)

/* Step `step` of a block: q, [column][64], of the next tile `ahead` bytes on; upper and lower, the planes of
 * the block. */
#define MULTIPLY_STEP(step_)                                                                                 \
    do {                                                                                                     \
        enum { step = step_, at = step * STEP_K * QB_PANEL_ROWS };                                           \
        AMX_LOAD(LEFT, q, STEP_K);                                                                           \
        PRODUCT(0, 0, 0, upper, 5, AMX_DOT_SS);                                                              \
        PRODUCT(1, 0, 1, upper, 6, AMX_DOT_SS);                                                              \
        if (s.planes > 1) {                                                                                  \
            PRODUCT(2, 1, 0, lower, 5, AMX_DOT_SU);                                                          \
            PRODUCT(3, 1, 1, lower, 6, AMX_DOT_SU);                                                          \
        }                                                                                                    \
        if (s.min && step == 0)                                                                              \
            NEXT_MIN(1, 0);                                                                                  \
        amx_expect(q + ahead, s.width > 0 ? s.width : width);                                                \
        fold_step(before, sums, step, s);                                                                    \
        q += STEP_K * (s.width > 0 ? s.width : width);                                                       \
    } while (0)

/* 256 weights, and meanwhile what is left to do of those before. */
QB_INLINE void multiply_block(const int8_t *q, int64_t ahead, const uint16_t *nsum, const uint8_t *upper,
                              const uint8_t *lower, const uint16_t *min, struct fold before, int width,
                              struct sums *sums, struct planes_shape s)
{
    MULTIPLY_STEP(0);
    MULTIPLY_STEP(1);
    MULTIPLY_STEP(2);
    MULTIPLY_STEP(3);
    if (s.min)
        NEXT_MIN(0, 1);
}

/* The sums that the tiles still hold. */
QB_INLINE void finish(struct fold f, struct sums *sums, struct planes_shape s)
{
    if (f.width == 0)
        return;
    AMX_STORE(0, sums->v[0][0], 64);
    AMX_STORE(1, sums->v[0][1], 64);
    if (s.planes > 1) {
        AMX_STORE(2, sums->v[1][0], 64);
        AMX_STORE(3, sums->v[1][1], 64);
    }
    if (s.min)
        AMX_STORE(MIN, sums->min[1], 64);
    for (int step = 0; step < STEPS; step++)
        fold_step(f, sums, step, s);
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
    if (s.min)
        f.min_scale = p->min_scale + b * QB_PANEL_ROWS;
    return f;
}

/* Tiles [t0, t1) of one width, columns from c0 on. */
QB_INLINE void run_width(const struct qb_panel *p, const struct qb_act *a, int c0, int n_tiles, int width,
                         int64_t k0, int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo,
                         struct planes_shape s)
{
    struct sums sums;
    struct fold f = {0};
    configure(width);
    for (int t = 0; t < n_tiles; t++) {
        for (int64_t b = 0; b < n_k / BLOCK_K; b++) {
            int64_t k = k0 + b * BLOCK_K;
            const uint8_t *upper = p->plane + b * BLOCK_K * QB_PANEL_ROWS;
            const uint16_t *nsum = a->nsum_bf16 + (c0 * (a->n_k / 256) + k / 256 * width) * 32;
            multiply_block(a->q + c0 * a->n_k + k * width, a->n_k * width, nsum, upper,
                           upper + n_k * QB_PANEL_ROWS, p->min_plane + b * QB_MIN_PLANE, f, width, &sums, s);
            f = fold_of(p, a, c0, width, k, b, s);
            f.from = b == 0 ? from : out;
            f.ldf = b == 0 ? ldf : ldo;
            f.out = out;
            f.ldo = ldo;
        }
        c0 += width;
        from += (size_t)width * ldf;
        out += (size_t)width * ldo;
    }
    finish(f, &sums, s);
}

QB_INLINE void run(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0, int64_t n_k,
                   const float *from, size_t ldf, float *out, size_t ldo, struct planes_shape s)
{
    if (!from) {
        from = zeros;
        ldf = 0;
    }
    while (t0 < t1) {
        int width, c0 = qb_act_tile(a, t0, &width);
        int end = t0 < a->n_wide && a->n_wide < t1 ? a->n_wide : t1;
        s.width = 0;
        if (width == QB_MAX_TILE_COLS) {
            s.width = QB_MAX_TILE_COLS;
            run_width(p, a, c0, end - t0, QB_MAX_TILE_COLS, k0, n_k, from, ldf, out, ldo, s);
        } else {
            run_width(p, a, c0, end - t0, width, k0, n_k, from, ldf, out, ldo, s);
        }
        from += (size_t)((end - t0) * width) * ldf;
        out += (size_t)((end - t0) * width) * ldo;
        t0 = end;
    }
}

#define PLANES_FN(name, planes, min)                                                                         \
    static void name(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,           \
                     int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)                     \
    {                                                                                                        \
        run(p, a, t0, t1, k0, n_k, from, ldf, out, ldo, (struct planes_shape){0, planes, min});              \
    }
PLANES_FN(one, 1, false)
PLANES_FN(one_min, 1, true)
PLANES_FN(two, 2, false)
PLANES_FN(two_min, 2, true)

void qb_tile_planes_int8_amx(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                             int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    static qb_tile_fn *const fns[2][2] = {{one, one_min}, {two, two_min}};
    fns[p->n_planes - 1][p->has_min](p, a, t0, t1, k0, n_k, from, ldf, out, ldo);
}

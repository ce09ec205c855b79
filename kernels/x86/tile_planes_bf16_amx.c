/*
 * Tile kernel of AMX for panels in planes of bf16 (kernels/kernels.h): 32 panel rows x two tiles of up to 16
 * columns. The sums stay in the tiles over the whole slice and all planes; they come from the start values
 * and go to the output without vectors in between. Rows of the left operand are columns of the batch, so that
 * a row of the result is 16 panel rows of one column. Panels that keep their codes fold instead
 * (tile_codes_bf16_amx.h).
 */
#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include "kernels/x86/simd_amx.h"
#include "kernels/x86/tile_codes_bf16_amx.h"

#define HALF 64 /* bytes of 16 floats, or of 16 pairs */

/* Tiles: sums of the first columns are 0 and 1, of the second ones 2 and 3; operands: */
#define LEFT0  4
#define LEFT1  5
#define RIGHT0 6
#define RIGHT1 7

/* One tile of columns: its activations from the slice on, and where its sums start from and go to. */
struct part {
    int width; /* 0: there is none */
    const uint16_t *x;
    const float *from;
    size_t ldf;
    float *out;
    size_t ldo;
};

static void configure(int width0, int width1)
{
    struct amx_config c = AMX_CONFIG_FULL;
    c.rows[0] = c.rows[1] = c.rows[LEFT0] = (uint8_t)width0;
    c.rows[2] = c.rows[3] = c.rows[LEFT1] = (uint8_t)width1;
    amx_keep(&c);
}

#define START(sum0, sum1, part)                                                                              \
    do {                                                                                                     \
        if ((part)->from) {                                                                                  \
            AMX_LOAD(sum0, (part)->from, (part)->ldf * sizeof(float));                                       \
            AMX_LOAD(sum1, (const char *)(part)->from + HALF, (part)->ldf * sizeof(float));                  \
        } else {                                                                                             \
            AMX_ZERO(sum0);                                                                                  \
            AMX_ZERO(sum1);                                                                                  \
        }                                                                                                    \
    } while (0)

#define FINISH(sum0, sum1, part)                                                                             \
    do {                                                                                                     \
        AMX_STORE(sum0, (part)->out, (part)->ldo * sizeof(float));                                           \
        AMX_STORE(sum1, (char *)(part)->out + HALF, (part)->ldo * sizeof(float));                            \
    } while (0)

/* Columns [c0, c1) of sums that tiles will read or write: either waits for its 16 lines one by one. */
QB_INLINE void ask_sums(const float *sums, size_t ld, int c0, int c1)
{
    for (int c = c0; c < c1; c++) {
        __builtin_prefetch(sums + (size_t)c * ld, 1);
        __builtin_prefetch(sums + (size_t)c * ld + QB_PANEL_ROWS / 2, 1);
    }
}

/*
 * At step i, a share of what the next two parts start from, and in the last steps of what these two write,
 * which went from L1 meanwhile. Prefetches past the end do nothing.
 * Inlined by force: gcc drops calls of functions that only prefetch.
 */
QB_INLINE void ask_at(const struct part p[2], int64_t i, int64_t steps)
{
    enum { NEXT = 2, OWN = 4 }; /* columns a step: 16 in 8 and in 4 steps */
    const int next = (int)i * NEXT, own = QB_MAX_TILE_COLS - (int)(steps - i) * OWN;
    for (int j = 0; j < 2; j++) {
        if (p[j].from && p[j].ldf > 0 && next < QB_MAX_TILE_COLS)
            ask_sums(p[j].from + 2 * QB_MAX_TILE_COLS * p[j].ldf, p[j].ldf, next, next + NEXT);
        if (own >= 0)
            ask_sums(p[j].out, p[j].ldo, own, own + OWN);
    }
}

static void multiply_one(const struct part *p, const uint8_t *panel, int planes, size_t plane, int64_t steps)
{
    START(0, 1, p);
    const uint16_t *x = p->x;
    for (int64_t i = 0; i < steps; i++, x += p->width * STEP_K, panel += STEP) {
        AMX_LOAD(LEFT0, x, 64);
        for (int j = 0; j < planes; j++) {
            AMX_LOAD(RIGHT0, panel + (size_t)j * plane, STEP_ROW);
            AMX_DOT_BF16(0, LEFT0, RIGHT0);
            AMX_LOAD(RIGHT1, panel + (size_t)j * plane + HALF, STEP_ROW);
            AMX_DOT_BF16(1, LEFT0, RIGHT1);
        }
    }
    FINISH(0, 1, p);
}

static void multiply_two(const struct part p[2], const uint8_t *panel, int planes, size_t plane,
                         int64_t steps)
{
    START(0, 1, &p[0]);
    START(2, 3, &p[1]);
    const uint16_t *x0 = p[0].x, *x1 = p[1].x;
    for (int64_t i = 0; i < steps; i++, panel += STEP) {
        AMX_LOAD_ONCE(LEFT0, x0, 64);
        AMX_LOAD_ONCE(LEFT1, x1, 64);
        ask_at(p, i, steps);
        x0 += p[0].width * STEP_K;
        x1 += p[1].width * STEP_K;
        for (int j = 0; j < planes; j++) {
            AMX_LOAD(RIGHT0, panel + (size_t)j * plane, STEP_ROW);
            AMX_DOT_BF16(0, LEFT0, RIGHT0);
            AMX_DOT_BF16(2, LEFT1, RIGHT0);
            AMX_LOAD(RIGHT1, panel + (size_t)j * plane + HALF, STEP_ROW);
            AMX_DOT_BF16(1, LEFT0, RIGHT1);
            AMX_DOT_BF16(3, LEFT1, RIGHT1);
        }
    }
    FINISH(0, 1, &p[0]);
    FINISH(2, 3, &p[1]);
}

/* The next tile of columns. */
QB_INLINE struct part part_at(const struct qb_act *a, int tile, int64_t k0, const float *from, size_t ldf,
                              float *out, size_t ldo)
{
    int w;
    int64_t c0 = qb_act_tile(a, tile, &w), all = (a->n_k + STEP_K - 1) / STEP_K;
    return (struct part){.width = w,
                         .x = a->bf16 + (c0 * all + k0 / STEP_K * w) * STEP_K,
                         .from = from,
                         .ldf = ldf,
                         .out = out,
                         .ldo = ldo};
}

static void multiply_codes(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                           int64_t steps, const float *from, size_t ldf, float *out, size_t ldo)
{
    amx_keep_full();
    for (; t0 < t1; t0++) {
        struct part t = part_at(a, t0, k0, from, ldf, out, ldo);
        if (from && ldf > 0)
            ask_sums(from + QB_MAX_TILE_COLS * ldf, ldf, 0, QB_MAX_TILE_COLS);
        codes_multiply(t.width, t.x, p->plane, p->scale, steps, from, ldf, out, ldo);
        from = qb_start_at(from, (size_t)t.width * ldf);
        out += (size_t)t.width * ldo;
    }
}

void qb_tile_planes_bf16_amx(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                             int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    int64_t steps = (n_k + STEP_K - 1) / STEP_K;
    size_t plane = (size_t)steps * STEP;
    int width[2] = {0, 0};
    if (p->plane_codes) {
        multiply_codes(p, a, t0, t1, k0, steps, from, ldf, out, ldo);
        return;
    }
    while (t0 < t1) {
        struct part part[2] = {{0}, {0}};
        for (int i = 0; i < 2 && t0 < t1; i++, t0++) {
            part[i] = part_at(a, t0, k0, from, ldf, out, ldo);
            from = qb_start_at(from, (size_t)part[i].width * ldf);
            out += (size_t)part[i].width * ldo;
        }
        if (part[0].width != width[0] || (part[1].width > 0 && part[1].width != width[1])) {
            width[0] = part[0].width;
            width[1] = part[1].width > 0 ? part[1].width : width[0];
            configure(width[0], width[1]);
        }
        if (part[1].width > 0)
            multiply_two(part, p->plane, p->n_planes, plane, steps);
        else
            multiply_one(&part[0], p->plane, p->n_planes, plane, steps);
    }
}

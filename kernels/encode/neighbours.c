/*
 * Building the neighbour lists: all distances in integers, so that the lists are the same on every machine.
 */
#include "kernels/encode/neighbours.h"
#include "base/err.h"
#include "kernels/codebooks.h"
#include <pthread.h>

#define MOST_POINTS     2048
#define MOST_LEN        8
#define CELLS_2BIT      6561 /* 3^8 */
#define CELLS_3BIT      4096 /* 8^4 */
#define CELL_BYTES(len) ((size_t)QB_NEIGHBOURS * (2 + (len)))

struct codebook {
    const uint16_t *codes; /* packed level numbers */
    int n_points, len, bits, n_levels, n_cells;
    int8_t level[8];
    uint8_t *cells;
    pthread_once_t once;
    void (*build)(void);
    struct qb_neighbours lists; /* set when built */
};

#define STORAGE(name, n_cells, len)                                                                          \
    static uint8_t name[(size_t)(n_cells)*CELL_BYTES(len)] __attribute__((aligned(64)))
STORAGE(cells_iq1, CELLS_2BIT, 8);
STORAGE(cells_iq2_xxs, CELLS_2BIT, 8);
STORAGE(cells_iq2_xs, CELLS_2BIT, 8);
STORAGE(cells_iq2_s, CELLS_2BIT, 8);
STORAGE(cells_iq3_xxs, CELLS_3BIT, 4);
STORAGE(cells_iq3_s, CELLS_3BIT, 4);

static void build(enum qb_codebook_id id);
#define BUILD(name, id)                                                                                      \
    static void name(void)                                                                                   \
    {                                                                                                        \
        build(id);                                                                                           \
    }
BUILD(build_iq1, QB_CODEBOOK_IQ1)
BUILD(build_iq2_xxs, QB_CODEBOOK_IQ2_XXS)
BUILD(build_iq2_xs, QB_CODEBOOK_IQ2_XS)
BUILD(build_iq2_s, QB_CODEBOOK_IQ2_S)
BUILD(build_iq3_xxs, QB_CODEBOOK_IQ3_XXS)
BUILD(build_iq3_s, QB_CODEBOOK_IQ3_S)

#define LEVELS_IQ1                                                                                           \
    {                                                                                                        \
        -1, 0, 1                                                                                             \
    }
#define LEVELS_IQ2                                                                                           \
    {                                                                                                        \
        8, 25, 43                                                                                            \
    }
/* clang-format off */
static struct codebook codebooks[QB_CODEBOOK_COUNT] = {
    [QB_CODEBOOK_IQ1] = {qb_codebook_iq1s, 2048, 8, 2, 3, CELLS_2BIT, LEVELS_IQ1, cells_iq1, PTHREAD_ONCE_INIT, build_iq1, {0}},
    [QB_CODEBOOK_IQ2_XXS] = {qb_codebook_iq2xxs, 256, 8, 2, 3, CELLS_2BIT, LEVELS_IQ2, cells_iq2_xxs, PTHREAD_ONCE_INIT, build_iq2_xxs, {0}},
    [QB_CODEBOOK_IQ2_XS] = {qb_codebook_iq2xs, 512, 8, 2, 3, CELLS_2BIT, LEVELS_IQ2, cells_iq2_xs, PTHREAD_ONCE_INIT, build_iq2_xs, {0}},
    [QB_CODEBOOK_IQ2_S] = {qb_codebook_iq2s, 1024, 8, 2, 3, CELLS_2BIT, LEVELS_IQ2, cells_iq2_s, PTHREAD_ONCE_INIT, build_iq2_s, {0}},
    [QB_CODEBOOK_IQ3_XXS] = {qb_codebook_iq3xxs, 256, 4, 3, 8, CELLS_3BIT, {4, 12, 20, 28, 36, 44, 52, 62}, cells_iq3_xxs, PTHREAD_ONCE_INIT, build_iq3_xxs, {0}},
    [QB_CODEBOOK_IQ3_S] = {qb_codebook_iq3s, 512, 4, 3, 8, CELLS_3BIT, {1, 3, 5, 7, 9, 11, 13, 15}, cells_iq3_s, PTHREAD_ONCE_INIT, build_iq3_s, {0}},
};
/* clang-format on */

/* Value i of every point. */
struct planes {
    int16_t v[MOST_LEN][MOST_POINTS];
};

static void expand(const struct codebook *c, struct planes *p)
{
    for (int i = 0; i < c->len; i++)
        for (int k = 0; k < c->n_points; k++)
            p->v[i][k] = c->level[c->codes[k] >> (c->bits * i) & ((1 << c->bits) - 1)];
}

/* Squared distances of all points to a cell; the largest possible, 8 * 35^2 or 4 * 58^2, fits into 16 bits.
 */
static void measure(const struct codebook *c, const struct planes *p, int cell, int16_t *distance)
{
    for (int k = 0; k < c->n_points; k++)
        distance[k] = 0;
    for (int i = 0; i < c->len; i++, cell /= c->n_levels) {
        int16_t target = c->level[cell % c->n_levels];
        for (int k = 0; k < c->n_points; k++) {
            int16_t d = (int16_t)(p->v[i][k] - target);
            distance[k] = (int16_t)(distance[k] + d * d);
        }
    }
}

/* The nearest points, nearest first, of equals the lower number first. */
static void choose_nearest(const int16_t *distance, int n_points, uint16_t *nearest)
{
    int n = 0;
    for (int k = 0; k < n_points; k++) {
        if (n == QB_NEIGHBOURS && distance[k] >= distance[nearest[n - 1]])
            continue;
        int at = n < QB_NEIGHBOURS ? n++ : n - 1;
        for (; at > 0 && distance[nearest[at - 1]] > distance[k]; at--)
            nearest[at] = nearest[at - 1];
        nearest[at] = (uint16_t)k;
    }
}

static void build(enum qb_codebook_id id)
{
    struct codebook *c = &codebooks[id];
    struct planes p;
    int16_t distance[MOST_POINTS];
    expand(c, &p);
    c->lists = (struct qb_neighbours){c->cells, CELL_BYTES(c->len)};
    for (int cell = 0; cell < c->n_cells; cell++) {
        uint8_t *at = c->cells + (size_t)cell * c->lists.stride;
        uint16_t *points = (uint16_t *)(void *)at;
        int8_t *values = (int8_t *)(at + QB_NEIGHBOURS * sizeof *points);
        measure(c, &p, cell, distance);
        choose_nearest(distance, c->n_points, points);
        for (int i = 0; i < c->len * QB_NEIGHBOURS; i++)
            values[i] = (int8_t)p.v[i / QB_NEIGHBOURS][points[i % QB_NEIGHBOURS]];
    }
}

const struct qb_neighbours *qb_neighbours_get(enum qb_codebook_id id)
{
    if (pthread_once(&codebooks[id].once, codebooks[id].build) != 0)
        QB_BUG("no neighbour lists");
    return &codebooks[id].lists;
}

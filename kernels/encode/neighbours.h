/*
 * Neighbour lists of the codebooks: for every cell of the grid of levels (each value of a group on its
 * nearest level) the points of the codebook that lie nearest to it. So an encoder rounds a group, and weighs
 * a few points instead of all.
 */
#ifndef QB_KERNELS_ENCODE_NEIGHBOURS_H
#define QB_KERNELS_ENCODE_NEIGHBOURS_H

#include <stddef.h>
#include <stdint.h>

#define QB_NEIGHBOURS 16

enum qb_codebook_id {
    QB_CODEBOOK_IQ1,
    QB_CODEBOOK_IQ2_XXS,
    QB_CODEBOOK_IQ2_XS,
    QB_CODEBOOK_IQ2_S,
    QB_CODEBOOK_IQ3_XXS,
    QB_CODEBOOK_IQ3_S,
    QB_CODEBOOK_COUNT
};

/*
 * The list of a cell: QB_NEIGHBOURS point numbers, then their values, [len][QB_NEIGHBOURS]: levels as the
 * decoder has them (-1, 0, 1 in IQ1). Cells count in the base of the number of levels, value 0 of the group
 * in the lowest digit.
 */
struct qb_neighbours {
    const uint8_t *cells;
    size_t stride; /* bytes of a cell */
};
static inline const uint16_t *qb_neighbour_points(const struct qb_neighbours *t, int cell)
{
    return (const uint16_t *)(const void *)(t->cells + (size_t)cell * t->stride);
}
static inline const int8_t *qb_neighbour_values(const struct qb_neighbours *t, int cell)
{
    return (const int8_t *)(t->cells + (size_t)cell * t->stride + QB_NEIGHBOURS * sizeof(uint16_t));
}

/* Built at the first call, a few milliseconds; for ever. Any thread. */
const struct qb_neighbours *qb_neighbours_get(enum qb_codebook_id id);

#endif

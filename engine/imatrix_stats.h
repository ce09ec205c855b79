/*
 * What an importance matrix tells about its tensors: coverage (what the text did not reach), and how the
 * importance is spread over the columns.
 */
#ifndef QB_ENGINE_IMATRIX_STATS_H
#define QB_ENGINE_IMATRIX_STATS_H

#include "engine/imatrix.h"

/* What is not defined is NaN. */
struct qb_imatrix_stats {
    int layer; /* of "blk.N."; -1: of none */
    int64_t n_in, n_mat;
    double tokens;                 /* that the busiest expert has seen */
    int64_t n_unseen;              /* experts that no token reached */
    int64_t n_zero;                /* columns of the others that were always 0 */
    double sum2;                   /* importance summed up over all columns */
    double min, max, mean, stddev; /* of the importance; of all its values, not of a sample */
    double entropy;                /* of its spread over the columns, in bits; */
    double entropy_pct; /* in percent of the most that is possible: 100 = all columns matter alike */
    double gain;        /* sum2 per column, relative to this tensor in the layer before */
    double cosine;      /* likeness to the importance of this tensor in the layer before */
};
enum qb_status qb_imatrix_stats_of(struct qb_imatrix_stats *s, const struct qb_imatrix *im,
                                   const struct qb_imatrix_entry *e, struct qb_err *err);

/* Entries in the order of layers, then names; those outside of layers last. n = im->n. Pair: free(*out). */
enum qb_status qb_imatrix_by_layer(const struct qb_imatrix_entry ***out, const struct qb_imatrix *im,
                                   struct qb_err *err);

#endif

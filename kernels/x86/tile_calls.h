/*
 * From register tiles to the kernels of the registry: what the integer tile files share. The includer defines
 * struct tile_shape, whose first member is the width of a tile, and
 *
 *   void tile_run(p, a, tile, k0, n_k, from, ldf, out, ldo, shape);  inlined for a constant shape
 */
#ifndef QB_KERNELS_TILE_CALLS_H
#define QB_KERNELS_TILE_CALLS_H

#include "kernels/kernel_protos.h"

#define TILE_COLS 6 /* columns of the widest tile */

#define TILE_CASE(run, N, ...)                                                                               \
    case N:                                                                                                  \
        run(p, a, t0, k0, n_k, from, ldf, out, ldo, (struct tile_shape){N, __VA_ARGS__});                    \
        break;

/*
 * One kernel: for each tile a switch over its width, each case fully specialized. A loop over tiles inside of
 * a case would carry two pointers a column, which spill.
 */
#define TILE_FN(linkage, name, ...) TILE_RUN_FN(tile_run, linkage, name, __VA_ARGS__)
#define TILE_RUN_FN(run, linkage, name, ...)                                                                 \
    linkage void name(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,          \
                      int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)                    \
    {                                                                                                        \
        for (int w; t0 < t1; t0++) {                                                                         \
            qb_act_tile(a, t0, &w);                                                                          \
            switch (w) {                                                                                     \
                TILE_CASE(run, 1, __VA_ARGS__)                                                               \
                TILE_CASE(run, 2, __VA_ARGS__)                                                               \
                TILE_CASE(run, 3, __VA_ARGS__)                                                               \
                TILE_CASE(run, 4, __VA_ARGS__)                                                               \
                TILE_CASE(run, 5, __VA_ARGS__)                                                               \
                TILE_CASE(run, 6, __VA_ARGS__)                                                               \
            }                                                                                                \
            out += (size_t)w * ldo;                                                                          \
            from = qb_start_at(from, (size_t)w * ldf);                                                       \
        }                                                                                                    \
    }

/* A class with several instances: `choice` is an expression of the panel p, its `shift` and the activations
 * a. */
#define TILE_BY_PANEL(name, choice)                                                                          \
    void name(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0, int64_t n_k,     \
              const float *from, size_t ldf, float *out, size_t ldo)                                         \
    {                                                                                                        \
        const int shift = p->offset_shift;                                                                   \
        (void)shift;                                                                                         \
        qb_tile_fn *fn = choice;                                                                             \
        fn(p, a, t0, t1, k0, n_k, from, ldf, out, ldo);                                                      \
    }

#endif

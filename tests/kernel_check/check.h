/*
 * What a check function sees. One function an operation, found through the table in check_ops.c; it is called
 * once a row of the registry and round, and runs as many cases (qb_check_case) as the operation needs. The
 * matrix operations (DECODE_PANEL, TILE, GEMV, ACT) are checked in check_matrix.c for all formats, float ones
 * included.
 *
 *     void qb_check_rms_norm(struct qb_check *c, const struct qb_kernel *k)
 *     {
 *         qb_rms_norm_fn *fn = (qb_rms_norm_fn *)k->fn;
 *         for (int n = 1; n < 70; n++) {
 *             qb_check_case(c, "n=%d", n);
 *             float *x = qb_check_input(c, n * sizeof *x, 4);
 *             float *y = qb_check_output(c, n * sizeof *y, 4);
 *             qb_check_fill_f32(c, x, n, QB_VALUES_RANDOM);
 *             ...
 *             qb_check_float(c, "y", i, y[i], want, magnitude, roundings);
 *         }
 *     }
 */
#ifndef QB_TESTS_CHECK_H
#define QB_TESTS_CHECK_H

#include "kernels/kernels.h"

struct qb_check;

/*
 * Start a case: the canaries of the last one are verified and its memory is freed. The text names the case in
 * failures.
 */
void qb_check_case(struct qb_check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Seeded anew for every row and round, so that one row can be repeated alone (--filter, --seed). */
struct qb_rng *qb_check_rng(struct qb_check *c);

/*
 * Memory of the case, freed by the next one; align is a power of two up to 64 (1 = any address). Inputs end
 * at an unreadable page (up to the rounding to align), outputs too and have canaries around them. Inputs are
 * writable and zeroed, so that they can be filled.
 */
void *qb_check_input(struct qb_check *c, size_t bytes, size_t align);
void *qb_check_output(struct qb_check *c, size_t bytes, size_t align);

/* Record a failure of the row; only the first few are printed. */
void qb_check_fail(struct qb_check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool qb_check_failed(const struct qb_check *c);

/* Exact class: equal bytes. */
bool qb_check_bytes(struct qb_check *c, const char *what, const void *got, const void *want, size_t n);
/*
 * Float class: |got - want| <= roundings * 2^-24 * magnitude, where magnitude is the sum of the absolute
 * terms and `roundings` the longest chain of f32 roundings that any order of the sum allows (derive it from
 * the length; not a constant for all). roundings = 0 asks for equality. A NaN never passes.
 */
bool qb_check_float(struct qb_check *c, const char *what, size_t index, float got, double want,
                    double magnitude, double roundings);

/* Kinds of values that every check goes through. */
enum qb_values {
    QB_VALUES_RANDOM,  /* ordinary */
    QB_VALUES_ZERO,    /* all zero (codes: all bits clear) */
    QB_VALUES_EXTREME, /* saturated codes and alternating signs, tiny, huge and subnormal scales */
    QB_VALUES_EXACT, /* small integers and powers of two: every sum is exact in f32, results must be equal */
    QB_VALUES_COUNT
};
const char *qb_values_name(enum qb_values v);
void qb_check_fill_f32(struct qb_check *c, float *x, size_t n, enum qb_values v);
/* n_blocks blocks of a weight format; scales are finite. */
void qb_check_fill_weights(struct qb_check *c, const struct qb_format *f, uint8_t *blocks, int64_t n_blocks,
                           enum qb_values v);

/* What one call of a benchmark does. */
struct qb_check_bench {
    void (*run)(void *arg);
    void *arg;
    double macs;  /* multiply-adds a call; 0 = report bytes only */
    double bytes; /* bytes read and written a call */
};

typedef void qb_check_fn(struct qb_check *c, const struct qb_kernel *k);
/* Prepare a benchmark in memory of the case (qb_check_input, ...). */
typedef void qb_check_bench_fn(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b);

struct qb_check_op {
    qb_check_fn *check;       /* NULL: every row of the operation fails */
    qb_check_bench_fn *bench; /* NULL: not timed */
};
/* By operation, QB_OP_COUNT entries. */
extern const struct qb_check_op qb_check_ops[];

/* check_matrix.c */
qb_check_fn qb_check_decode_panel, qb_check_tile, qb_check_gemv, qb_check_scale_steps, qb_check_fix_scales,
    qb_check_act;
qb_check_bench_fn qb_bench_decode_panel, qb_bench_tile, qb_bench_gemv, qb_bench_scale_steps,
    qb_bench_fix_scales, qb_bench_act;
/* check_planes.c */
qb_check_fn qb_check_split_panel;
qb_check_bench_fn qb_bench_split_panel;
/* check_pack.c */
qb_check_fn qb_check_pack;
qb_check_bench_fn qb_bench_pack;
/* check_vector.c, check_attention.c */
qb_check_fn qb_check_rms_norm, qb_check_silu_mul, qb_check_rope_norm, qb_check_rope_neox, qb_check_kv_store,
    qb_check_attention;
qb_check_bench_fn qb_bench_rms_norm, qb_bench_silu_mul, qb_bench_rope, qb_bench_kv_store, qb_bench_attention;

/* The scalar row of an operation: what exact classes are compared with, and what prepares inputs. NULL when
 * absent. */
const struct qb_kernel *qb_check_scalar_row(enum qb_op op, int key, int key2);

#endif

/*
 * Shapes, weights and activations of matrix problems.
 */
#include "tests/kernel_check/check_problem.h"
#include "kernels/oracle/oracle.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_ROWS   8
#define N_LENGTH 5

bool qb_problem_is_bf16(const struct qb_kernel *k)
{
    if (k->op == QB_OP_TILE)
        return k->key == QB_TILE_BF16 || k->key == QB_TILE_PLANES_BF16;
    return k->key == QB_FORMAT_BF16 && k->isa >= QB_ISA_AVX512BF16;
}

int qb_problem_shapes(void)
{
    return 2 * N_ROWS;
}

void qb_problem_set_shape(struct qb_problem *p, const struct qb_format *f, enum qb_layout_id layout,
                          bool bf16, int shape)
{
    static const int rows[N_ROWS] = {1, 15, 16, 17, 31, 32, 33, 100};
    static const int blocks32[N_LENGTH] = {1, 2, 3, 17, 35}, blocks256[N_LENGTH] = {1, 2, 3, 4, 5};
    static const int blocks64[N_LENGTH] = {1, 2, 3, 9, 5}; /* and 128 */
    static const int elems[N_LENGTH] = {1, 31, 33, 130, 519};
    int group = qb_layout_get(layout)->rows, length = (shape + shape / N_ROWS) % N_LENGTH;
    p->format = f;
    p->layout = layout;
    p->act_kind = f->quantized ? f->act : bf16 ? QB_ACT_BF16 : QB_ACT_F32;
    p->n_rows = (rows[shape % N_ROWS] + group - 1) / group * group;
    if (f->quantized)
        p->n_k = f->block_elems * (f->block_elems == 256  ? blocks256[length]
                                   : f->block_elems == 32 ? blocks32[length]
                                                          : blocks64[length]);
    else /* pairs of bf16 weights want an even number */
        p->n_k = f->id == QB_FORMAT_BF16 ? elems[length] / 2 * 2 + 2 : elems[length];
}

void qb_problem_slice(struct qb_check *c, const struct qb_problem *p, int64_t *k0, int64_t *n_k)
{
    int64_t step = p->format->quantized ? p->format->block_elems : 32, steps = (p->n_k + step - 1) / step;
    *k0 = step * qb_rng_below(qb_check_rng(c), (uint32_t)steps);
    int64_t most = p->n_k - *k0 < QB_PANEL_K ? p->n_k - *k0 : QB_PANEL_K;
    int64_t want = step * (1 + qb_rng_below(qb_check_rng(c), QB_PANEL_K / (uint32_t)step));
    *n_k = want < most ? want : most;
}

void qb_problem_case(struct qb_check *c, const struct qb_problem *p, const char *extra, long long a,
                     long long b)
{
    char text[64];
    snprintf(text, sizeof text, extra, a, b);
    qb_check_case(c, "%s %s, %lld rows, %lld weights a row, %s values, %s", p->format->name,
                  qb_layout_name(p->layout), (long long)p->n_rows, (long long)p->n_k,
                  qb_values_name(p->values), text);
}

/* AVX512_BF16 takes subnormal inputs as zeros (Intel SDM, VDPBF16PS): keep them out. */
static void flush_subnormals(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) < FLT_MIN)
            x[i] = 0;
}

static void flush_bf16_subnormals(uint8_t *weights, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((weights[2 * i + 1] & 0x7f) == 0 && (weights[2 * i] & 0x80) == 0)
            weights[2 * i] = weights[2 * i + 1] = 0;
}

/* The same where weights become bf16 in pieces: exponents in front of blocks of MXFP4. */
static void raise_exponents(uint8_t *block, int64_t n_blocks, size_t block_bytes)
{
    for (int64_t i = 0; i < n_blocks; i++, block += block_bytes)
        *block = *block < 24 ? 24 : *block;
}

/* Scales in front of blocks, and so near to each other that they fit into fixed panels (kernels/kernels.h):
 * 11 bits within 5 binades; extreme ones are the largest. */
static void bring_scales_near(struct qb_check *c, const struct qb_problem *p, uint8_t *block,
                              int64_t n_blocks)
{
    struct qb_rng *rng = qb_check_rng(c);
    for (int64_t i = 0; i < n_blocks; i++, block += p->format->block_bytes) {
        uint16_t size = (uint16_t)((8 + qb_rng_below(rng, 5)) << 10 | qb_rng_below(rng, 1024));
        uint16_t d = p->values == QB_VALUES_EXTREME ? 0x7bff : p->values == QB_VALUES_ZERO ? 0 : size;
        d |= (uint16_t)(qb_rng_below(rng, 2) << 15);
        memcpy(block, &d, sizeof d);
    }
}

void qb_problem_weights(struct qb_check *c, struct qb_problem *p)
{
    const struct qb_format *f = p->format;
    size_t row_bytes = qb_format_bytes(f, p->n_k);
    size_t rows = (size_t)qb_layout_get(p->layout)->rows,
           packed_bytes = qb_layout_bytes(p->layout, f, p->n_k);
    uint8_t *plain = qb_check_input(c, row_bytes * (size_t)p->n_rows, 1);
    uint8_t *packed = plain;
    qb_check_fill_weights(c, f, plain, p->n_rows * (p->n_k / f->block_elems), p->values);
    if (p->near_scales)
        bring_scales_near(c, p, plain, p->n_rows * (p->n_k / f->block_elems));
    if (f->id == QB_FORMAT_MXFP4 && p->act_kind == QB_ACT_BF16)
        raise_exponents(plain, p->n_rows * (p->n_k / f->block_elems), (size_t)f->block_bytes);
    if (f->id == QB_FORMAT_BF16 && p->act_kind == QB_ACT_BF16)
        flush_bf16_subnormals(plain, (size_t)(p->n_rows * p->n_k));
    if (p->layout != QB_LAYOUT_PLAIN) {
        packed = qb_check_input(c, packed_bytes * (size_t)p->n_rows, 1);
        for (size_t r = 0; r < (size_t)p->n_rows; r += rows)
            qb_layout_pack(p->layout, f, p->n_k, plain + r * row_bytes, row_bytes, packed + r * packed_bytes);
    }
    p->m = (struct qb_matrix){f, p->layout, p->n_rows, p->n_k, packed};
}

/* A column of values of one size, all of them or one pair in 8: the most that the kinds of pairs allow. */
static void fill_pairs(struct qb_check *c, float *x, int64_t n)
{
    struct qb_rng *rng = qb_check_rng(c);
    bool all = qb_rng_below(rng, 2);
    for (int64_t i = 0; i < n; i += 2) {
        float size = qb_rng_below(rng, 2) ? 1.0f : -1.0f;
        x[i] = x[i + 1] = all || i % 8 == 0 ? size : 0;
    }
}

/* A column of values of one size and the signs of a row: the largest sums that there are. */
static void fill_with_signs(struct qb_check *c, const struct qb_problem *p, float *x)
{
    int64_t row = qb_rng_below(qb_check_rng(c), (uint32_t)(p->n_rows < 32 ? p->n_rows : 32));
    qb_matrix_decode_row(&p->m, row, x);
    for (int64_t k = 0; k < p->n_k; k++)
        x[k] = x[k] < 0 ? -1.0f : 1.0f;
}

void qb_problem_activations(struct qb_check *c, struct qb_problem *p, int n_cols, int tile_cols)
{
    size_t n = (size_t)n_cols * (size_t)p->n_k;
    float *x = qb_check_input(c, n * sizeof *x, sizeof *x);
    /* column by column: the exact values have a period of 32 along k */
    for (int col = 0; col < n_cols; col++)
        if (qb_act_is_pairs(p->act_kind) && p->values == QB_VALUES_EXTREME &&
            qb_rng_below(qb_check_rng(c), 2))
            fill_pairs(c, x + (size_t)col * (size_t)p->n_k, p->n_k);
        else if ((p->format->int_scales || p->near_scales) && p->values == QB_VALUES_EXTREME &&
                 qb_rng_below(qb_check_rng(c), 2))
            fill_with_signs(c, p, x + (size_t)col * (size_t)p->n_k);
        else
            qb_check_fill_f32(c, x + (size_t)col * (size_t)p->n_k, (size_t)p->n_k, p->values);
    if (p->act_kind == QB_ACT_BF16)
        flush_subnormals(x, n);
    void *storage = qb_check_input(c, qb_act_bytes(p->act_kind, n_cols, p->n_k), 64);
    qb_act_init(&p->a, p->act_kind, n_cols, p->n_k, tile_cols, storage);
    qb_oracle_quantize(x, (size_t)p->n_k, &p->a);
}

double qb_problem_roundings(const struct qb_problem *p, int64_t n_k)
{
    if (p->values == QB_VALUES_EXACT)
        return 0;
    /* an addition (or FMA) a sub-block and a minimum; a few more for the products of scales, the start value,
     * lanes */
    int64_t additions =
        p->format->quantized ? n_k / p->format->sub + n_k / qb_min_weights(p->format->min) : n_k;
    if (p->format->quantized && p->act_kind == QB_ACT_BF16) /* one for every weight, in three planes */
        additions = 3 * n_k;
    return (double)additions + 12;
}

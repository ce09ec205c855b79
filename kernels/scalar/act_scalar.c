/*
 * Scalar quantization of activations to int8 (kernels/act.h has the rule).
 */
#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include <float.h>
#include <math.h>

/* Where the values of one column go. */
struct target {
    struct qb_act *a;
    int64_t c0; /* first column of the tile */
    int width, pos;
};

static int64_t target_index(const struct target *t, int64_t k, int per)
{
    return t->c0 * (t->a->n_k / per) + k / per * t->width + t->pos;
}

static float largest(const float *x, int64_t n)
{
    float max = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    return max;
}

/* Magnitudes of a pair. */
static float pair_size(const float *x)
{
    return fabsf(x[0]) + fabsf(x[1]);
}

/* What stands for it in the kinds of pairs. */
static float largest_pairs(const float *x, int n)
{
    float max = largest(x, n);
    for (int i = 0; i < n; i += 2) {
        max = fmaxf(max, QB_ACT_PAIR * fabsf(x[i] + x[i + 1]));
        if (i % 8 < 4)
            max = fmaxf(max, QB_ACT_TWO_PAIRS * (pair_size(x + i) + pair_size(x + i + 4)));
    }
    return max;
}

static float block_scale(enum qb_act_kind kind, const float *x)
{
    int n = qb_act_block(kind);
    float scale = (qb_act_is_pairs(kind) ? largest_pairs(x, n) : largest(x, n)) / 127.0f;
    return scale < FLT_MIN ? 0 : scale;
}

/* Quantize n values at k of the column; the sum of q. */
static int32_t put_q(const struct target *t, const float *x, int64_t k, int n, float scale)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        int q = scale > 0 ? (int)rintf(x[i] / scale) : 0;
        t->a->q[qb_act_q_at(t->a, t->c0, t->width, t->pos, k + i)] = (int8_t)q;
        sum += q;
    }
    return sum;
}

/* 32 values under a scale; @return the sum of q. */
static int32_t block_q8_32(const struct target *t, const float *x, int64_t k, float scale)
{
    int32_t lo = put_q(t, x, k, 16, scale), hi = put_q(t, x + 16, k + 16, 16, scale);
    int32_t sum = lo + hi;
    int64_t i = target_index(t, k, 32);
    t->a->scale[i] = scale;
    t->a->nsum16[target_index(t, k, 16)] = -lo;
    t->a->nsum16[target_index(t, k + 16, 16)] = -hi;
    t->a->nsum32[i] = -sum;
    t->a->fsum[i] = scale * (float)sum;
    return sum;
}

static void column_scales(const struct target *t, const float *x)
{
    for (int64_t k = 0; k < t->a->n_k; k += 32)
        block_q8_32(t, x + k, k, block_scale(t->a->kind, x + k));
}

/* Scales of n values at k0 in fixed point, and the sums that go with them. */
static void group_fixed(const struct target *t, int64_t k0, int64_t n)
{
    struct qb_act *a = t->a;
    float top = 0;
    for (int64_t k = k0; k < k0 + n; k += 32)
        top = fmaxf(top, a->scale[target_index(t, k, 32)]);
    float step = top / QB_ACT_MAX_FIXED, inverse = 1 / step;
    if (step < FLT_MIN)
        step = inverse = 0;
    a->step[t->c0 * qb_act_step_count(a->n_k) + k0 / QB_ACT_STEP_K * t->width + t->pos] = step;
    for (int64_t k = k0; k < k0 + n; k += 32) {
        int64_t i = target_index(t, k, 32);
        int64_t to = 2 * (t->c0 * qb_act_pair_count(a->n_k) + k / 64 * t->width + t->pos);
        a->fixed[to + k / 32 % 2] = (int16_t)rintf(a->scale[i] * inverse);
        a->start[to + k / 32 % 2] = (int16_t)(8 * a->nsum32[i]);
        if (k % 64 == 0)
            a->fixed[to + 1] = a->start[to + 1] = 0; /* unless one follows */
    }
}

static void column_q8_32(const struct target *t, const float *x)
{
    column_scales(t, x);
    for (int64_t k = 0; k < t->a->n_k; k += QB_ACT_STEP_K) {
        int64_t left = t->a->n_k - k;
        group_fixed(t, k, left < QB_ACT_STEP_K ? left : QB_ACT_STEP_K);
    }
}

/* n values under one step. */
static void group_q8_steps(const struct target *t, const float *x, int64_t k0, int64_t n)
{
    struct qb_act *a = t->a;
    float max = largest(x, n), step = max / (127.0f * QB_ACT_MAX_STEPS), per_max = QB_ACT_MAX_STEPS / max;
    if (step < FLT_MIN)
        step = 0;
    a->step[t->c0 * qb_act_step_count(a->n_k) + k0 / QB_ACT_STEP_K * t->width + t->pos] = step;
    for (int64_t k = k0; k < k0 + n; k += 32, x += 32) {
        float steps = step > 0 ? ceilf(largest(x, 32) * per_max) : 1;
        steps = fminf(fmaxf(steps, 1), QB_ACT_MAX_STEPS);
        int32_t sum = block_q8_32(t, x, k, step * steps);
        a->steps[target_index(t, k, 32)] = (uint8_t)steps;
        a->ssum[target_index(t, k, 32)] = steps * (float)sum;
    }
}

static void column_q8_steps(const struct target *t, const float *x)
{
    for (int64_t k = 0; k < t->a->n_k; k += QB_ACT_STEP_K) {
        int64_t left = t->a->n_k - k;
        group_q8_steps(t, x + k, k, left < QB_ACT_STEP_K ? left : QB_ACT_STEP_K);
    }
}

/* A sum over 16 at k, by column in two parts too. */
static void put_nsum16(const struct target *t, int64_t k, int32_t nsum)
{
    struct qb_act *a = t->a;
    a->nsum16[target_index(t, k, 16)] = nsum;
    if (!a->nsum_bf16)
        return;
    uint16_t *to = a->nsum_bf16 + qb_act_nsum_bf16_at(a, t->c0, t->width, t->pos, k);
    to[0] = qb_f32_to_bf16((float)(nsum & ~15));
    to[QB_ACT_BLOCK_NSUM] = qb_f32_to_bf16((float)(nsum & 15));
}

static void column_q8_256(const struct target *t, const float *x)
{
    int16_t *npair = t->a->npair + t->c0 * (t->a->n_k / 32);
    int16_t *npair16 = t->a->npair16 + t->c0 * (t->a->n_k / 16);
    float scale = 0;
    int32_t sum = 0;
    for (int64_t k = 0; k < t->a->n_k; k += 32) {
        if (k % 256 == 0) {
            scale = block_scale(t->a->kind, x + k);
            t->a->scale[target_index(t, k, 256)] = scale;
            sum = 0;
        }
        int32_t lo = put_q(t, x + k, k, 16, scale);
        int32_t hi = put_q(t, x + k + 16, k + 16, 16, scale);
        put_nsum16(t, k, -lo);
        put_nsum16(t, k + 16, -hi);
        t->a->nsum32[target_index(t, k, 32)] = -(lo + hi);
        npair[(k / 64 * t->width + t->pos) * 2 + k / 32 % 2] = (int16_t) - (lo + hi);
        npair16[(k / 32 * t->width + t->pos) * 2] = (int16_t)-lo;
        npair16[(k / 32 * t->width + t->pos) * 2 + 1] = (int16_t)-hi;
        sum += lo + hi;
        if (k % 256 == 224)
            t->a->nsum256[target_index(t, k, 256)] = -sum;
    }
}

static void act_columns(const float *x, size_t ldx, int c0, int c1, struct qb_act *a,
                        void (*column)(const struct target *t, const float *x))
{
    for (int c = c0; c < c1; c++) {
        struct target t = {.a = a};
        int tile = qb_act_tile_of(a, c, &t.pos);
        t.c0 = qb_act_tile(a, tile, &t.width);
        column(&t, x + (size_t)c * ldx);
    }
}

void qb_act_q8_32_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    act_columns(x, ldx, c0, c1, a, column_q8_32);
}

void qb_act_q8_steps_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    act_columns(x, ldx, c0, c1, a, column_q8_steps);
}

void qb_act_q8_256_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    act_columns(x, ldx, c0, c1, a, column_q8_256);
}

/* The kind is in a. */
void qb_act_q8_32_pairs_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    act_columns(x, ldx, c0, c1, a, column_scales);
}

void qb_act_q8_256_pairs_scalar(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)
{
    act_columns(x, ldx, c0, c1, a, column_q8_256);
}

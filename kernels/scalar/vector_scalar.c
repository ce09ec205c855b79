/*
 * The small operations of a layer and the stores into the KV cache (kernels/vector.h), plain code.
 */
#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include <float.h>
#include <math.h>

void qb_rms_norm_scalar(const float *x, const float *g, float eps, int n, float *y)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float inv = (float)(1.0 / sqrt(sum / n + (double)eps));
    for (int i = 0; i < n; i++)
        y[i] = x[i] * inv * g[i];
}

/* With e = exp(-|x|), so that nothing overflows; minus infinity gives -0. */
static float silu(float x)
{
    float e = expf(-fabsf(x));
    if (x < -FLT_MAX)
        x = -FLT_MAX;
    return x * ((x < 0 ? e : 1.0f) / (1.0f + e));
}

void qb_silu_mul_scalar(const float *gate, const float *up, int n, float *y)
{
    for (int i = 0; i < n; i++)
        y[i] = silu(gate[i]) * up[i];
}

static void rotate(float *a, float *b, const float *cs)
{
    float u = *a, v = *b;
    *a = u * cs[0] - v * cs[1];
    *b = u * cs[1] + v * cs[0];
}

void qb_rope_norm_scalar(float *x, const float *cs, int n_head, int head_dim, int n_rot)
{
    for (int h = 0; h < n_head; h++, x += head_dim)
        for (int i = 0; i < n_rot / 2; i++)
            rotate(&x[2 * i], &x[2 * i + 1], cs + 2 * i);
}

void qb_rope_neox_scalar(float *x, const float *cs, int n_head, int head_dim, int n_rot)
{
    for (int h = 0; h < n_head; h++, x += head_dim)
        for (int i = 0; i < n_rot / 2; i++)
            rotate(&x[i], &x[i + n_rot / 2], cs + 2 * i);
}

/* Element of dimension d of head h at pos in the K cache; dimensions are QB_KV_BLOCK elements apart. */
static int64_t k_index(const struct qb_kv *kv, int h, int64_t pos, int d)
{
    int64_t block = h * (kv->capacity / QB_KV_BLOCK) + pos / QB_KV_BLOCK;
    return (block * kv->dim_k + d) * QB_KV_BLOCK + pos % QB_KV_BLOCK;
}

static int64_t v_index(const struct qb_kv *kv, int h, int64_t pos, int d)
{
    return (h * kv->capacity + pos) * kv->dim_v + d;
}

/* 32 values to q[i * step]; @return the scale. */
static uint16_t quantize_32(const float *x, int8_t *q, int step)
{
    float max = 0;
    for (int i = 0; i < 32; i++)
        max = fmaxf(max, fabsf(x[i]));
    uint16_t scale = qb_f32_to_f16(fminf(max / 127.0f, 65504.0f));
    float s = qb_f16_to_f32(scale);
    for (int i = 0; i < 32; i++)
        q[i * step] = s > 0 ? (int8_t)rintf(fmaxf(-127.0f, fminf(127.0f, x[i] / s))) : 0;
    return scale;
}

void qb_k_store_f32_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++)
        for (int d = 0; d < kv->dim_k; d++)
            ((float *)kv->k)[k_index(kv, h, pos, d)] = *x++;
}

void qb_k_store_f16_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++)
        for (int d = 0; d < kv->dim_k; d++)
            ((uint16_t *)kv->k)[k_index(kv, h, pos, d)] = qb_f32_to_f16(*x++);
}

void qb_k_store_q8_0_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++) {
        for (int d = 0; d < kv->dim_k; d += 32, x += 32) {
            int64_t block = h * (kv->capacity / QB_KV_BLOCK) + pos / QB_KV_BLOCK;
            int64_t scale = (block * (kv->dim_k / 32) + d / 32) * QB_KV_BLOCK + pos % QB_KV_BLOCK;
            kv->k_scale[scale] = quantize_32(x, (int8_t *)kv->k + k_index(kv, h, pos, d), QB_KV_BLOCK);
        }
    }
}

void qb_v_store_f32_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++)
        for (int d = 0; d < kv->dim_v; d++)
            ((float *)kv->v)[v_index(kv, h, pos, d)] = *x++;
}

void qb_v_store_f16_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++)
        for (int d = 0; d < kv->dim_v; d++)
            ((uint16_t *)kv->v)[v_index(kv, h, pos, d)] = qb_f32_to_f16(*x++);
}

void qb_v_store_q8_0_scalar(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++) {
        for (int d = 0; d < kv->dim_v; d += 32, x += 32) {
            int64_t at = v_index(kv, h, pos, d);
            kv->v_scale[at / 32] = quantize_32(x, (int8_t *)kv->v + at, 1);
        }
    }
}

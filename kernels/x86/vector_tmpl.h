/*
 * The small operations of a layer and the stores into the KV cache, over the vectors of simd_*.h. The
 * including file defines QB_ISA_FN(name): the symbol of a kernel.
 */
#include <math.h>

#include "kernels/kernel_protos.h"

static double sum_squares(const float *x, int n)
{
    vd s0 = vd_zero(), s1 = vd_zero();
    int i = 0;
    for (; i < n; i += VF_N) {
        vf v = n - i < VF_N ? vf_load_n(x + i, n - i) : vf_load(x + i);
        s0 = vd_fmadd(vd_lo(v), vd_lo(v), s0);
        s1 = vd_fmadd(vd_hi(v), vd_hi(v), s1);
    }
    return vd_hsum(s0) + vd_hsum(s1);
}

void QB_ISA_FN(rms_norm)(const float *x, const float *g, float eps, int n, float *y)
{
    vf inv = vf_set1((float)(1.0 / sqrt(sum_squares(x, n) / n + (double)eps)));
    int i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), inv), vf_load(g + i)));
    if (i < n)
        vf_store_n(y + i, vf_mul(vf_mul(vf_load_n(x + i, n - i), inv), vf_load_n(g + i, n - i)), n - i);
}

/* With e = exp(-|x|): x / (1 + e), times e when x < 0. Nothing overflows; minus infinity gives -0. */
INLINE vf silu(vf x)
{
    vf one = vf_set1(1.0f), e = vf_exp(vf_sub(vf_zero(), vf_abs(x)));
    vf factor = vf_div(vf_select_neg(x, e, one), vf_add(one, e));
    return vf_mul(vf_max(vf_set1(-3.402823466e38f), x), factor);
}

void QB_ISA_FN(silu_mul)(const float *gate, const float *up, int n, float *y)
{
    int i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(y + i, vf_mul(silu(vf_load(gate + i)), vf_load(up + i)));
    if (i < n)
        vf_store_n(y + i, vf_mul(silu(vf_load_n(gate + i, n - i)), vf_load_n(up + i, n - i)), n - i);
}

INLINE vf rotate_pairs(vf x, vf cs)
{
    return vf_fmaddsub(x, vf_dup_even(cs), vf_mul(vf_swap_pairs(x), vf_dup_odd(cs)));
}

void QB_ISA_FN(rope_norm)(float *x, const float *cs, int n_head, int head_dim, int n_rot)
{
    for (int h = 0; h < n_head; h++, x += head_dim) {
        int i = 0;
        for (; i + VF_N <= n_rot; i += VF_N)
            vf_store(x + i, rotate_pairs(vf_load(x + i), vf_load(cs + i)));
        int n = n_rot - i;
        if (n > 0)
            vf_store_n(x + i, rotate_pairs(vf_load_n(x + i, n), vf_load_n(cs + i, n)), n);
    }
}

/* Rotate n <= VF_N pairs (a[i], b[i]). */
INLINE void rotate_halves_n(float *a, float *b, const float *cs, int n)
{
    int first = 2 * n < VF_N ? 2 * n : VF_N;
    vf cos, sin, u = vf_load_n(a, n), v = vf_load_n(b, n);
    vf_unzip(vf_load_n(cs, first), 2 * n > VF_N ? vf_load_n(cs + VF_N, 2 * n - VF_N) : vf_zero(), &cos, &sin);
    vf_store_n(a, vf_fnmadd(v, sin, vf_mul(u, cos)), n);
    vf_store_n(b, vf_fmadd(u, sin, vf_mul(v, cos)), n);
}

void QB_ISA_FN(rope_neox)(float *x, const float *cs, int n_head, int head_dim, int n_rot)
{
    int half = n_rot / 2;
    for (int h = 0; h < n_head; h++, x += head_dim) {
        int i = 0;
        for (; i + VF_N <= half; i += VF_N) {
            vf cos, sin, u = vf_load(x + i), v = vf_load(x + half + i);
            vf_unzip(vf_load(cs + 2 * i), vf_load(cs + 2 * i + VF_N), &cos, &sin);
            vf_store(x + i, vf_fnmadd(v, sin, vf_mul(u, cos)));
            vf_store(x + half + i, vf_fmadd(u, sin, vf_mul(v, cos)));
        }
        if (i < half)
            rotate_halves_n(x + i, x + half + i, cs + 2 * i, half - i);
    }
}

/* n <= VF_N values as f16. */
INLINE void convert_f16(const float *x, uint16_t *out, int n)
{
    if (n == VF_N)
        vf_store_f16(out, vf_load(x));
    else
        vf_store_f16_n(out, vf_load_n(x, n), n);
}

void QB_ISA_FN(k_store_f16)(struct qb_kv *kv, int64_t pos, const float *x)
{
    int64_t blocks = kv->capacity / QB_KV_BLOCK;
    for (int h = 0; h < kv->n_head_kv; h++, x += kv->dim_k) {
        uint16_t *k = (uint16_t *)kv->k + (h * blocks + pos / QB_KV_BLOCK) * kv->dim_k * QB_KV_BLOCK +
                      pos % QB_KV_BLOCK;
        for (int d = 0; d < kv->dim_k; d += VF_N) {
            uint16_t t[VF_N];
            int n = kv->dim_k - d < VF_N ? kv->dim_k - d : VF_N;
            convert_f16(x + d, t, n);
            for (int i = 0; i < n; i++)
                k[(d + i) * QB_KV_BLOCK] = t[i];
        }
    }
}

void QB_ISA_FN(v_store_f16)(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++, x += kv->dim_v) {
        uint16_t *v = (uint16_t *)kv->v + (h * kv->capacity + pos) * kv->dim_v;
        for (int d = 0; d < kv->dim_v; d += VF_N)
            convert_f16(x + d, v + d, kv->dim_v - d < VF_N ? kv->dim_v - d : VF_N);
    }
}

/* 32 values to q; @return the scale as f16. */
INLINE uint16_t quantize_32(const float *x, int8_t *q)
{
    vf v[32 / VF_N], m = vf_zero();
    UNROLL
    for (int i = 0; i < 32 / VF_N; i++) {
        v[i] = vf_load(x + i * VF_N);
        m = vf_max(m, vf_abs(v[i]));
    }
    float amax = vf_hmax(m) / 127.0f;
    uint16_t h = _cvtss_sh(amax < 65504.0f ? amax : 65504.0f, _MM_FROUND_TO_NEAREST_INT);
    float s = _cvtsh_ss(h);
    if (s == 0.0f) {
        for (int i = 0; i < 32; i++)
            q[i] = 0;
        return h;
    }
    UNROLL
    for (int i = 0; i < 32 / VF_N; i++) {
        vf t = vf_div(v[i], vf_set1(s));
        vf_store_i8(q + i * VF_N, vf_min(vf_set1(127.0f), vf_max(vf_set1(-127.0f), t)));
    }
    return h;
}

void QB_ISA_FN(k_store_q8_0)(struct qb_kv *kv, int64_t pos, const float *x)
{
    int64_t blocks = kv->capacity / QB_KV_BLOCK;
    for (int h = 0; h < kv->n_head_kv; h++, x += kv->dim_k) {
        int64_t at = (h * blocks + pos / QB_KV_BLOCK) * kv->dim_k * QB_KV_BLOCK;
        int8_t *k = (int8_t *)kv->k + at + pos % QB_KV_BLOCK;
        uint16_t *scale = kv->k_scale + at / 32 + pos % QB_KV_BLOCK;
        for (int d = 0; d < kv->dim_k; d += 32) {
            int8_t q[32];
            scale[d / 32 * QB_KV_BLOCK] = quantize_32(x + d, q);
            for (int i = 0; i < 32; i++)
                k[(d + i) * QB_KV_BLOCK] = q[i];
        }
    }
}

void QB_ISA_FN(v_store_q8_0)(struct qb_kv *kv, int64_t pos, const float *x)
{
    for (int h = 0; h < kv->n_head_kv; h++, x += kv->dim_v) {
        int64_t at = (h * kv->capacity + pos) * kv->dim_v;
        for (int d = 0; d < kv->dim_v; d += 32)
            kv->v_scale[(at + d) / 32] = quantize_32(x + d, (int8_t *)kv->v + at + d);
    }
}

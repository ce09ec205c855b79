/*
 * Checks of the small operations of a layer and of the stores into the KV cache.
 */
#include "base/f16.h"
#include "tests/kernel_check/check.h"
#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

/* --- RMS norm --- */

static void case_rms_norm(struct qb_check *c, qb_rms_norm_fn *fn, int n, enum qb_values v, bool in_place)
{
    const float eps = 1e-6f;
    qb_check_case(c, "n=%d %s%s", n, qb_values_name(v), in_place ? " in place" : "");
    size_t bytes = (size_t)n * sizeof(float);
    float *x = qb_check_input(c, bytes, 4), *g = qb_check_input(c, bytes, 4),
          *y = qb_check_output(c, bytes, 4);
    qb_check_fill_f32(c, x, (size_t)n, v);
    qb_check_fill_f32(c, g, (size_t)n, QB_VALUES_RANDOM);
    if (in_place)
        memcpy(y, x, bytes);
    fn(in_place ? y : x, g, eps, n, y);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    double inv = 1 / sqrt(sum / n + (double)eps);
    for (int i = 0; i < n; i++) {
        double want = (double)x[i] * inv * (double)g[i];
        /* the factor and two products, each rounded once; one more for the order of the double sum */
        if (!qb_check_float(c, "y", (size_t)i, y[i], want, fabs(want), 4))
            return;
    }
}

void qb_check_rms_norm(struct qb_check *c, const struct qb_kernel *k)
{
    qb_rms_norm_fn *fn = (qb_rms_norm_fn *)k->fn;
    for (int n = 1; n < 70 && !qb_check_failed(c); n++)
        case_rms_norm(c, fn, n, (enum qb_values)(n % QB_VALUES_COUNT), n % 3 == 0);
    case_rms_norm(c, fn, 4096, QB_VALUES_RANDOM, false);
    case_rms_norm(c, fn, 3001, QB_VALUES_EXTREME, true);
}

/* --- SiLU --- */

static double silu_mul(double x, double up)
{
    return x * (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))) * up;
}

/*
 * exp is good to 2e-7, that is 3.4 units of 2^-24; it enters numerator and denominator; add, divide and two
 * products round once each.
 */
#define SILU_ROUNDINGS (2 * 3.4 + 4)

static void case_silu(struct qb_check *c, qb_silu_mul_fn *fn, int n, enum qb_values v, double range,
                      int in_place)
{
    qb_check_case(c, "n=%d %s range %g in place %d", n, qb_values_name(v), range, in_place);
    size_t bytes = (size_t)n * sizeof(float);
    float *gate = qb_check_input(c, bytes, 4), *up = qb_check_input(c, bytes, 4);
    float *y = qb_check_output(c, bytes, 4);
    qb_check_fill_f32(c, gate, (size_t)n, v);
    qb_check_fill_f32(c, up, (size_t)n, QB_VALUES_RANDOM);
    for (int i = 0; i < n && range > 0; i++)
        gate[i] = (float)(range * (2 * qb_rng_double(qb_check_rng(c)) - 1));
    if (in_place)
        memcpy(y, in_place == 1 ? gate : up, bytes);
    fn(in_place == 1 ? y : gate, in_place == 2 ? y : up, n, y);
    for (int i = 0; i < n; i++) {
        double want = silu_mul((double)gate[i], (double)up[i]);
        if (!qb_check_float(c, "y", (size_t)i, y[i], want, fabs(want), SILU_ROUNDINGS))
            return;
    }
}

static void case_silu_limits(struct qb_check *c, qb_silu_mul_fn *fn)
{
    static const float gates[] = {INFINITY, -INFINITY, NAN, 0, 1e30f, -1e30f, 88.8f, -88.8f, -150, 150};
    enum { N = 40 };
    qb_check_case(c, "limits");
    float *gate = qb_check_input(c, N * sizeof *gate, 4), *up = qb_check_input(c, N * sizeof *up, 4);
    float *y = qb_check_output(c, N * sizeof *y, 4);
    for (int i = 0; i < N; i++) {
        gate[i] = gates[(size_t)i % QB_ARRAY_LEN(gates)];
        up[i] = 1;
    }
    fn(gate, up, N, y);
    for (int i = 0; i < N; i++) {
        double want = isinf(gate[i]) ? (gate[i] > 0 ? INFINITY : 0) : silu_mul((double)gate[i], 1);
        bool ok = isnan(want)
                      ? isnan(y[i])
                      : (double)y[i] == want || fabs((double)y[i] - want) <= 1e-6 * fabs(want) + 1e-37;
        if (!ok)
            qb_check_fail(c, "silu(%g) is %g, not %g", (double)gate[i], (double)y[i], want);
    }
}

void qb_check_silu_mul(struct qb_check *c, const struct qb_kernel *k)
{
    qb_silu_mul_fn *fn = (qb_silu_mul_fn *)k->fn;
    for (int n = 1; n < 70 && !qb_check_failed(c); n++)
        case_silu(c, fn, n, (enum qb_values)(n % QB_VALUES_COUNT), 0, n % 3);
    case_silu(c, fn, 20000, QB_VALUES_RANDOM, 5, 0);
    case_silu(c, fn, 20000, QB_VALUES_RANDOM, 105, 1);
    case_silu(c, fn, 2000, QB_VALUES_RANDOM, 1e-6, 2);
    case_silu_limits(c, fn);
}

/* --- RoPE --- */

/* Pair i of a head: its elements. */
static void pair_of(bool neox, int n_rot, int i, int *a, int *b)
{
    *a = neox ? i : 2 * i;
    *b = neox ? i + n_rot / 2 : 2 * i + 1;
}

static void compare_head(struct qb_check *c, bool neox, const float *x, const float *y, const float *cs,
                         int n_rot, int head_dim, size_t at)
{
    for (int i = 0; i < n_rot / 2; i++) {
        int a, b;
        pair_of(neox, n_rot, i, &a, &b);
        double u = (double)x[a], v = (double)x[b], co = (double)cs[2 * i], si = (double)cs[2 * i + 1];
        /* two products and a sum */
        qb_check_float(c, "x", at + (size_t)a, y[a], u * co - v * si, fabs(u * co) + fabs(v * si), 3);
        qb_check_float(c, "x", at + (size_t)b, y[b], u * si + v * co, fabs(u * si) + fabs(v * co), 3);
    }
    qb_check_bytes(c, "elements after n_rot", y + n_rot, x + n_rot, (size_t)(head_dim - n_rot) * sizeof *x);
}

static void case_rope(struct qb_check *c, qb_rope_fn *fn, bool neox, int n_head, int head_dim, int n_rot,
                      enum qb_values v)
{
    qb_check_case(c, "n_head=%d head_dim=%d n_rot=%d %s", n_head, head_dim, n_rot, qb_values_name(v));
    size_t n = (size_t)n_head * (size_t)head_dim;
    float *x = qb_check_input(c, n * sizeof *x, 4), *y = qb_check_output(c, n * sizeof *y, 4);
    float *cs = qb_check_input(c, (size_t)n_rot * sizeof *cs, 4);
    qb_check_fill_f32(c, x, n, v);
    memcpy(y, x, n * sizeof *x);
    for (int i = 0; i < n_rot / 2; i++) {
        double angle = 2 * PI * qb_rng_double(qb_check_rng(c));
        cs[2 * i] = (float)cos(angle);
        cs[2 * i + 1] = (float)sin(angle);
    }
    fn(y, cs, n_head, head_dim, n_rot);
    for (int h = 0; h < n_head && !qb_check_failed(c); h++) {
        size_t at = (size_t)h * (size_t)head_dim;
        compare_head(c, neox, x + at, y + at, cs, n_rot, head_dim, at);
    }
}

static void check_rope(struct qb_check *c, const struct qb_kernel *k, bool neox)
{
    qb_rope_fn *fn = (qb_rope_fn *)k->fn;
    for (int n_rot = 2; n_rot <= 130 && !qb_check_failed(c); n_rot += 2) {
        enum qb_values v = n_rot % 3 == 0 ? QB_VALUES_EXTREME : QB_VALUES_RANDOM;
        case_rope(c, fn, neox, 1 + n_rot % 3, n_rot + n_rot % 5 * 2, n_rot, v);
    }
    case_rope(c, fn, neox, 5, 256, 256, QB_VALUES_RANDOM);
}

void qb_check_rope_norm(struct qb_check *c, const struct qb_kernel *k)
{
    check_rope(c, k, false);
}

void qb_check_rope_neox(struct qb_check *c, const struct qb_kernel *k)
{
    check_rope(c, k, true);
}

/* --- KV stores --- */

#define CAPACITY 48
#define HEADS    3

/* Bytes of one element. */
static size_t element_bytes(enum qb_kv_type t)
{
    return t == QB_KV_F32 ? 4 : t == QB_KV_F16 ? 2 : 1;
}

/* Element index of (head, pos, d) with blocks of `block` positions side by side: 16 for K, 1 for V. */
static size_t kv_index(int head, int64_t pos, int d, int dim, int block)
{
    return (size_t)((((int64_t)head * (CAPACITY / block) + pos / block) * dim + d) * block + pos % block);
}

/* What the store of 32 values from dimension d on must write. */
static void expect_q8_0(const float *x, int head, int64_t pos, int d, int dim, int block, int8_t *q,
                        uint16_t *scale)
{
    float max = 0;
    for (int i = 0; i < 32; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    max /= 127.0f;
    uint16_t s = qb_f32_to_f16(max > 65504.0f ? 65504.0f : max);
    scale[kv_index(head, pos, d / 32, dim / 32, block)] = s;
    for (int i = 0; i < 32; i++) {
        float v = s == 0 ? 0 : nearbyintf(x[i] / qb_f16_to_f32(s));
        q[kv_index(head, pos, d + i, dim, block)] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
    }
}

static void expect_token(enum qb_kv_type t, const float *x, int64_t pos, int dim, int block, uint8_t *data,
                         uint16_t *scale)
{
    for (int h = 0; h < HEADS; h++) {
        for (int d = 0; d < dim; d++) {
            size_t i = kv_index(h, pos, d, dim, block);
            float v = x[h * dim + d];
            uint16_t f16 = qb_f32_to_f16(v);
            if (t == QB_KV_F32)
                memcpy(data + 4 * i, &v, 4);
            else if (t == QB_KV_F16)
                memcpy(data + 2 * i, &f16, 2);
            else if (d % 32 == 0)
                expect_q8_0(x + h * dim + d, h, pos, d, dim, block, (int8_t *)data, scale);
        }
    }
}

static void case_store(struct qb_check *c, const struct qb_kernel *k, int dim, enum qb_values v)
{
    bool is_k = k->op == QB_OP_K_STORE;
    enum qb_kv_type t = (enum qb_kv_type)k->key;
    int block = is_k ? QB_KV_BLOCK : 1;
    qb_check_case(c, "dim=%d %s", dim, qb_values_name(v));
    size_t n = (size_t)HEADS * CAPACITY * (size_t)dim, bytes = n * element_bytes(t), scales = n / 32;
    float *x = qb_check_input(c, (size_t)(HEADS * dim) * sizeof *x, 4);
    uint8_t *data = qb_check_output(c, bytes, 64), *want = qb_check_input(c, bytes, 64);
    uint16_t *scale = qb_check_output(c, scales * 2 + 2, 2),
             *want_scale = qb_check_input(c, scales * 2 + 2, 2);
    memset(data, 0xa5, bytes);
    memset(want, 0xa5, bytes);
    memset(scale, 0xa5, scales * 2);
    memset(want_scale, 0xa5, scales * 2);
    struct qb_kv kv = {.type_k = t,
                       .type_v = t,
                       .n_head_kv = HEADS,
                       .dim_k = dim,
                       .dim_v = dim,
                       .capacity = CAPACITY,
                       .k = data,
                       .v = data,
                       .k_scale = scale,
                       .v_scale = scale};
    static const int64_t positions[] = {0, 7, 15, 16, 33, CAPACITY - 1};
    for (size_t i = 0; i < QB_ARRAY_LEN(positions); i++) {
        qb_check_fill_f32(c, x, (size_t)(HEADS * dim), v);
        ((qb_kv_store_fn *)k->fn)(&kv, positions[i], x);
        expect_token(t, x, positions[i], dim, block, want, want_scale);
    }
    qb_check_bytes(c, "cache", data, want, bytes);
    qb_check_bytes(c, "scales", scale, want_scale, scales * 2);
}

void qb_check_kv_store(struct qb_check *c, const struct qb_kernel *k)
{
    static const int any[] = {2, 6, 14, 16, 20, 24, 64, 80, 96, 128, 256}, q8_0[] = {32, 64, 96, 128, 256};
    bool q8 = k->key == QB_KV_Q8_0;
    for (size_t i = 0; i < (q8 ? QB_ARRAY_LEN(q8_0) : QB_ARRAY_LEN(any)); i++)
        for (int v = 0; v < QB_VALUES_COUNT; v++)
            case_store(c, k, q8 ? q8_0[i] : any[i], (enum qb_values)v);
}

/* --- benchmarks --- */

#define BENCH_N 8192

struct vector_job {
    const struct qb_kernel *k;
    float *x, *y, *z;
    struct qb_kv kv;
};

static void run_rms_norm(void *arg)
{
    struct vector_job *j = arg;
    ((qb_rms_norm_fn *)j->k->fn)(j->x, j->y, 1e-6f, BENCH_N, j->z);
}

static void run_silu_mul(void *arg)
{
    struct vector_job *j = arg;
    ((qb_silu_mul_fn *)j->k->fn)(j->x, j->y, BENCH_N, j->z);
}

static void run_rope(void *arg)
{
    struct vector_job *j = arg;
    ((qb_rope_fn *)j->k->fn)(j->z, j->y, BENCH_N / 128, 128, 128);
}

static void run_kv_store(void *arg)
{
    struct vector_job *j = arg;
    ((qb_kv_store_fn *)j->k->fn)(&j->kv, 5, j->x);
}

static struct vector_job *make_job(struct qb_check *c, const struct qb_kernel *k)
{
    struct vector_job *j = qb_check_input(c, sizeof *j, 64);
    j->k = k;
    j->x = qb_check_input(c, BENCH_N * sizeof(float), 64);
    j->y = qb_check_input(c, BENCH_N * sizeof(float), 64);
    j->z = qb_check_input(c, BENCH_N * sizeof(float), 64);
    qb_check_fill_f32(c, j->x, BENCH_N, QB_VALUES_RANDOM);
    return j;
}

void qb_bench_rms_norm(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    *b = (struct qb_check_bench){run_rms_norm, make_job(c, k), 0, BENCH_N * 3 * sizeof(float)};
}

void qb_bench_silu_mul(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    *b = (struct qb_check_bench){run_silu_mul, make_job(c, k), 0, BENCH_N * 3 * sizeof(float)};
}

void qb_bench_rope(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    *b = (struct qb_check_bench){run_rope, make_job(c, k), 0, BENCH_N * 2 * sizeof(float)};
}

void qb_bench_kv_store(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct vector_job *j = make_job(c, k);
    enum qb_kv_type t = (enum qb_kv_type)k->key;
    void *data = qb_check_input(c, (size_t)BENCH_N * QB_KV_BLOCK * 4, 64);
    uint16_t *scale = qb_check_input(c, (size_t)BENCH_N * QB_KV_BLOCK / 32 * 2, 64);
    j->kv = (struct qb_kv){.type_k = t,
                           .type_v = t,
                           .n_head_kv = BENCH_N / 128,
                           .dim_k = 128,
                           .dim_v = 128,
                           .capacity = QB_KV_BLOCK,
                           .k = data,
                           .v = data,
                           .k_scale = scale,
                           .v_scale = scale};
    *b = (struct qb_check_bench){run_kv_store, j, 0, (double)BENCH_N * (4 + (double)element_bytes(t))};
}

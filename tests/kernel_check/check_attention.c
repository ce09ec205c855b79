/*
 * Check of attention against a double-precision softmax over the decoded cache. Everything that no query of a
 * call sees is NaN in the cache, so a mask by arithmetic would show; scratch starts as NaN too.
 */
#include "base/f16.h"
#include "tests/kernel_check/check.h"
#include <math.h>
#include <string.h>

#define N_HEAD_KV 2
#define MAX_DIM   256

/* One case: the shape, and its memory. */
struct attn_case {
    enum qb_op op;
    struct qb_attn a;
    struct qb_kv kv;
    int head, n_q;
    int64_t pos0, p0, p1;
    float *q, *out;
    size_t ldq, ldo;
    void *scratch;
};

static size_t kv_bytes(enum qb_kv_type t, size_t n)
{
    return n * (t == QB_KV_F32 ? 4 : t == QB_KV_F16 ? 2 : 1);
}

static void fill_nan(enum qb_kv_type t, void *data, uint16_t *scale, size_t n)
{
    memset(data, 0xff, kv_bytes(t, n)); /* all bits set is a NaN in f32 and f16 */
    for (size_t i = 0; t == QB_KV_Q8_0 && i < n / 32; i++)
        scale[i] = 0x7e00;
}

static void make_cache(struct qb_check *c, struct qb_kv *kv)
{
    size_t nk = (size_t)(kv->n_head_kv * kv->capacity * kv->dim_k);
    size_t nv = (size_t)(kv->n_head_kv * kv->capacity * kv->dim_v);
    kv->k = qb_check_input(c, kv_bytes(kv->type_k, nk), 64);
    kv->v = qb_check_input(c, kv_bytes(kv->type_v, nv), 64);
    kv->k_scale = kv->type_k == QB_KV_Q8_0 ? qb_check_input(c, nk / 16, 64) : NULL;
    kv->v_scale = kv->type_v == QB_KV_Q8_0 ? qb_check_input(c, nv / 16, 64) : NULL;
    fill_nan(kv->type_k, kv->k, kv->k_scale, nk);
    fill_nan(kv->type_v, kv->v, kv->v_scale, nv);
}

/* Keys that token i sees. */
static void visible(const struct attn_case *t, int i, int64_t *lo, int64_t *hi)
{
    int64_t pos = t->pos0 + i;
    *lo = t->a.window > 0 && pos - t->a.window + 1 > t->p0 ? pos - t->a.window + 1 : t->p0;
    *hi = pos + 1 < t->p1 ? pos + 1 : t->p1;
}

/* Store the keys that some token sees, all heads. */
static void fill_cache(struct qb_check *c, struct attn_case *t, enum qb_values v)
{
    static float x[N_HEAD_KV * MAX_DIM];
    int64_t lo, hi, unused;
    visible(t, 0, &lo, &unused);
    visible(t, t->n_q - 1, &unused, &hi);
    qb_kv_store_fn *k = (qb_kv_store_fn *)qb_check_scalar_row(QB_OP_K_STORE, t->kv.type_k, 0)->fn;
    qb_kv_store_fn *s = (qb_kv_store_fn *)qb_check_scalar_row(QB_OP_V_STORE, t->kv.type_v, 0)->fn;
    for (int64_t p = lo; p < hi; p++) {
        qb_check_fill_f32(c, x, (size_t)(N_HEAD_KV * t->kv.dim_k), v);
        k(&t->kv, p, x);
        qb_check_fill_f32(c, x, (size_t)(N_HEAD_KV * t->kv.dim_v), v);
        s(&t->kv, p, x);
    }
}

/* Element i of cache data, whose scale is scale[s]. */
static double cache_value(enum qb_kv_type t, const void *data, size_t i, const uint16_t *scale, size_t s)
{
    if (t == QB_KV_F32)
        return (double)((const float *)data)[i];
    if (t == QB_KV_F16)
        return (double)qb_f16_to_f32(((const uint16_t *)data)[i]);
    return (double)((const int8_t *)data)[i] * (double)qb_f16_to_f32(scale[s]);
}

static double k_value(const struct qb_kv *kv, int head, int64_t pos, int d)
{
    size_t block = (size_t)(head * (kv->capacity / 16) + pos / 16), lane = (size_t)(pos % 16);
    return cache_value(kv->type_k, kv->k, (block * (size_t)kv->dim_k + (size_t)d) * 16 + lane, kv->k_scale,
                       (block * (size_t)(kv->dim_k / 32) + (size_t)d / 32) * 16 + lane);
}

static double v_value(const struct qb_kv *kv, int head, int64_t pos, int d)
{
    size_t i = (size_t)((head * kv->capacity + pos) * kv->dim_v + d);
    return cache_value(kv->type_v, kv->v, i, kv->v_scale, i / 32);
}

/* What is known of one column. */
struct truth {
    double m, sum;                     /* maximum and sum of exponentials */
    double out[MAX_DIM], mag[MAX_DIM]; /* normalised result, and the same sum over |v| */
    double score_mag;                  /* largest sum of |q k| x scale */
    double score_steps;                /* not f32: largest error of a score by roundings of its factors */
    double v_mag;                      /* ... sum of exponentials x max |v|, normalised */
    int64_t n_keys;
};

static double oracle_score(const struct attn_case *t, const float *q, int64_t pos, double *mag)
{
    double s = 0;
    *mag = 0;
    for (int d = 0; d < t->kv.dim_k; d++) {
        double x = (double)q[d] * k_value(&t->kv, t->head, pos, d) * (double)t->a.scale;
        s += x;
        *mag += fabs(x);
    }
    double cap = (double)t->a.softcap;
    return cap != 0 ? cap * tanh(s / cap) : s;
}

/*
 * Roundings of a score's factors in ATTENTION_I16: an element of K is within half of max |k| / 8191, one of Q
 * within half of the larger of max |q| / 32767 and sum |q| / (262000 - n).
 */
static double score_steps_i16(const struct attn_case *t, const float *q, int64_t pos)
{
    double k_max = 0, k_sum = 0, q_max = 0, q_sum = 0, n = t->kv.dim_k;
    for (int d = 0; d < t->kv.dim_k; d++) {
        double k = fabs(k_value(&t->kv, t->head, pos, d)), x = fabs((double)q[d]);
        k_max = fmax(k_max, k);
        k_sum += k;
        q_max = fmax(q_max, x);
        q_sum += x;
    }
    double k_half = k_max / 8191 / 2, q_half = fmax(q_max / 32767, q_sum / (262000 - n)) / 2;
    return (k_half * q_sum + q_half * k_sum + n * k_half * q_half) * (double)t->a.scale;
}

/* ... in ATTENTION_PLANES: an element of Q is within 2^-8 of itself, one of K within 2^-15 (q8_0). */
static double oracle_score_steps(const struct attn_case *t, const float *q, int64_t pos, double mag)
{
    switch (t->op) {
    case QB_OP_ATTENTION_I16:
        return score_steps_i16(t, q, pos);
    case QB_OP_ATTENTION_PLANES:
        return mag * (ldexp(1, -8) + ldexp(1, -15));
    default:
        return 0;
    }
}

static double v_max(const struct attn_case *t, int64_t pos)
{
    double max = 0;
    for (int d = 0; d < t->kv.dim_v; d++)
        max = fmax(max, fabs(v_value(&t->kv, t->head, pos, d)));
    return max;
}

static void oracle_column(const struct attn_case *t, int i, const float *q, struct truth *r)
{
    enum { MAX_KEYS = 1024 };
    static double s[MAX_KEYS];
    int64_t lo, hi;
    double mag;
    visible(t, i, &lo, &hi);
    *r = (struct truth){.m = -INFINITY, .n_keys = hi > lo ? hi - lo : 0};
    for (int64_t p = lo; p < hi; p++) {
        s[p - lo] = oracle_score(t, q, p, &mag);
        r->m = fmax(r->m, s[p - lo]);
        r->score_mag = fmax(r->score_mag, mag);
        r->score_steps = fmax(r->score_steps, oracle_score_steps(t, q, p, mag));
    }
    for (int64_t p = lo; p < hi; p++) {
        double e = exp(s[p - lo] - r->m);
        r->sum += e;
        if (t->op != QB_OP_ATTENTION)
            r->v_mag += e * v_max(t, p);
        for (int d = 0; d < t->kv.dim_v; d++) {
            double v = v_value(&t->kv, t->head, p, d);
            r->out[d] += e * v;
            r->mag[d] += e * fabs(v);
        }
    }
    for (int d = 0; d < t->kv.dim_v && r->n_keys > 0; d++) {
        r->out[d] /= r->sum;
        r->mag[d] /= r->sum;
    }
    if (r->n_keys > 0)
        r->v_mag /= r->sum;
}

/* Roundings of a score, as multiples of 2^-24 in the exponent: the dot product, the scale, a soft-cap good to
 * 3e-7. */
static double score_roundings(const struct attn_case *t, const struct truth *r)
{
    double n = (t->kv.dim_k + 3) * r->score_mag;
    n += ldexp(expm1(r->score_steps), 24);
    return t->a.softcap != 0 ? n + 8 * (double)t->a.softcap : n;
}

/*
 * Of a result: errors of the scores count twice (numerator and denominator), the exponential of s - m has 4
 * and rounds its argument, the sums over keys have one a key and one a chunk, widened q8_0 values one each,
 * three for the end. The others have a polynomial for 2^x, good to 2.7e-6 (that of weights in planes is less
 * exact and counts with their roundings).
 */
static double result_roundings(const struct attn_case *t, const struct truth *r, int n_parts)
{
    double chunks = (double)r->n_keys / QB_ATTN_KEYS + 2,
           exp2 = t->op != QB_OP_ATTENTION ? 2 * ldexp(2.7e-6, 24) : 0;
    return exp2 + 2 * (score_roundings(t, r) + 4 + 2) + 2 * (double)r->n_keys + 6 * (chunks + n_parts) + 8;
}

/* A weight in ATTENTION_PLANES is cut to 8 bits after a polynomial that is good to 7.5e-5. */
#define PLANES_WEIGHT (1.0 / 128 + 7.5e-5)

/*
 * Roundings of values and weights, as multiples of 2^-24. ATTENTION_I16, of v_mag: half of 1 / 8191 a value;
 * half a step for each of the 64 weights of a chunk, where a step is at most 1 / 16375 of their sum.
 * ATTENTION_PLANES, of a result's own magnitude: its weights, above and below the line, and 2^-15 a value.
 */
static double weight_roundings(const struct attn_case *t)
{
    switch (t->op) {
    case QB_OP_ATTENTION_I16:
        return ldexp(0.5 / 8191 + QB_ATTN_KEYS * 0.5 / 16375, 24);
    case QB_OP_ATTENTION_PLANES:
        return ldexp(2 * PLANES_WEIGHT + ldexp(1, -15), 24);
    default:
        return 0;
    }
}

/* What an error of dimension d is measured by. Weights below 2^-64 are 0 in ATTENTION_PLANES, which shows
 * where only such keys have a value in this dimension. */
static double magnitude(const struct attn_case *t, const struct truth *r, int d)
{
    switch (t->op) {
    case QB_OP_ATTENTION_I16:
        return r->v_mag;
    case QB_OP_ATTENTION_PLANES:
        return r->mag[d] + ldexp(r->v_mag, -40);
    default:
        return r->mag[d];
    }
}

static void compare(struct qb_check *c, const struct attn_case *t, int n_parts)
{
    static struct truth r;
    for (int i = 0; i < t->n_q; i++) {
        for (int h = 0; h < t->a.group && !qb_check_failed(c); h++) {
            oracle_column(t, i, t->q + (size_t)i * t->ldq + (size_t)(h * t->kv.dim_k), &r);
            const float *out = t->out + (size_t)i * t->ldo + (size_t)(h * t->kv.dim_v);
            for (int d = 0; d < t->kv.dim_v; d++)
                if (!qb_check_float(c, "out", (size_t)i * t->ldo + (size_t)(h * t->kv.dim_v + d), out[d],
                                    r.out[d], magnitude(t, &r, d),
                                    result_roundings(t, &r, n_parts) + weight_roundings(t)))
                    return;
        }
    }
}

static void run_whole(struct qb_check *c, const struct qb_kernel *k, struct attn_case *t)
{
    ((qb_attention_fn *)k->fn)(&t->a, t->head, t->q, t->ldq, t->n_q, t->pos0, t->p0, t->p1, t->out, t->ldo,
                               NULL, t->scratch);
    compare(c, t, 1);
}

/* Maximum, sum and result of one part. */
static void check_part(struct qb_check *c, const struct attn_case *t, const float *out, const float *ml)
{
    static struct truth r;
    for (int col = 0; col < t->n_q * t->a.group && !qb_check_failed(c); col++) {
        int i = col / t->a.group, h = col % t->a.group;
        oracle_column(t, i, t->q + (size_t)i * t->ldq + (size_t)(h * t->kv.dim_k), &r);
        if (r.n_keys > 0) {
            qb_check_float(c, "m", (size_t)col, ml[2 * col], r.m, 1, score_roundings(t, &r) + fabs(r.m) + 1);
            double weights = t->op == QB_OP_ATTENTION_PLANES ? ldexp(PLANES_WEIGHT, 24) : 0;
            qb_check_float(c, "sum", (size_t)col, ml[2 * col + 1], r.sum, r.sum,
                           result_roundings(t, &r, 1) + weights);
            continue;
        }
        if (ml[2 * col] != -INFINITY || ml[2 * col + 1] != 0)
            qb_check_fail(c, "no visible key, but m is %g and the sum %g", (double)ml[2 * col],
                          (double)ml[2 * col + 1]);
        for (int d = 0; d < t->kv.dim_v; d++)
            qb_check_float(c, "out", (size_t)(col * t->kv.dim_v + d), out[col * t->kv.dim_v + d], 0, 0, 0);
    }
}

/* The same keys in three parts, joined, are the whole. */
static void run_parts(struct qb_check *c, const struct qb_kernel *k, struct attn_case *t)
{
    enum { PARTS = 3 };
    size_t n_cols = (size_t)(t->n_q * t->a.group), n = n_cols * (size_t)t->kv.dim_v;
    float *parts = qb_check_output(c, PARTS * n * sizeof *parts, 64);
    float *ml = qb_check_output(c, PARTS * n_cols * 2 * sizeof *ml, 4);
    int64_t p0 = t->p0, p1 = t->p1, cut[PARTS + 1] = {p0, p0, p0, p1};
    for (int i = 1; i < PARTS; i++)
        cut[i] = cut[i - 1] + qb_rng_below(qb_check_rng(c), (uint32_t)(p1 - cut[i - 1] + 1));
    for (int i = 0; i < PARTS; i++) {
        t->p0 = cut[i];
        t->p1 = cut[i + 1];
        ((qb_attention_fn *)k->fn)(&t->a, t->head, t->q, t->ldq, t->n_q, t->pos0, t->p0, t->p1,
                                   parts + (size_t)i * n, (size_t)(t->a.group * t->kv.dim_v),
                                   ml + (size_t)i * n_cols * 2, t->scratch);
        check_part(c, t, parts + (size_t)i * n, ml + (size_t)i * n_cols * 2);
    }
    t->p0 = p0;
    t->p1 = p1;
    qb_attn_combine(PARTS, (int)n_cols, t->a.group, t->kv.dim_v, parts, n, ml, t->out, t->ldo);
    compare(c, t, PARTS);
}

enum hardness { ORDINARY, LARGE_SCORES, ALL_EQUAL, ONE_KEY, HARDNESS_COUNT };

static void choose_dims(struct qb_check *c, const struct qb_kernel *k, struct qb_kv *kv)
{
    static const int any[] = {2, 6, 20, 24, 64, 80, 96, 128, 160, 256}, q8_0[] = {32, 64, 96, 128, 256};
    struct qb_rng *rng = qb_check_rng(c);
    kv->dim_k = k->key == QB_KV_Q8_0 ? q8_0[qb_rng_below(rng, QB_ARRAY_LEN(q8_0))]
                                     : any[qb_rng_below(rng, QB_ARRAY_LEN(any))];
    kv->dim_v = k->key2 == QB_KV_Q8_0 ? q8_0[qb_rng_below(rng, QB_ARRAY_LEN(q8_0))]
                                      : any[qb_rng_below(rng, QB_ARRAY_LEN(any))];
    kv->type_k = (enum qb_kv_type)k->key;
    kv->type_v = (enum qb_kv_type)k->key2;
    kv->n_head_kv = N_HEAD_KV;
}

static int max_cols(const struct qb_kernel *k)
{
    return k->op == QB_OP_ATTENTION_PLANES ? QB_ATTN_MAX_COLS : QB_ATTN_COLS;
}

static void choose_shape(struct qb_check *c, const struct qb_kernel *k, struct attn_case *t, enum hardness h)
{
    static const int groups[] = {1, 1, 2, 3, 4, 6, 7, 8, 16, 64};
    struct qb_rng *rng = qb_check_rng(c);
    choose_dims(c, k, &t->kv);
    t->a = (struct qb_attn){.kv = &t->kv, .scale = (float)(1 / sqrt(t->kv.dim_k))};
    t->a.group = groups[qb_rng_below(rng, QB_ARRAY_LEN(groups))];
    t->a.softcap = qb_rng_below(rng, 4) == 0 ? 5.0f : 0;
    t->a.window = qb_rng_below(rng, 3) == 0 ? 1 + qb_rng_below(rng, 100) : 0;
    t->n_q = 1 + (int)qb_rng_below(rng, (uint32_t)(max_cols(k) / t->a.group));
    t->pos0 = qb_rng_below(rng, 2) ? qb_rng_below(rng, 260) : qb_rng_below(rng, 20);
    t->head = (int)qb_rng_below(rng, N_HEAD_KV);
    t->p0 = 0;
    if (h == ONE_KEY) {
        t->n_q = 1;
        t->p0 = t->pos0;
    }
    t->p1 = t->pos0 + t->n_q;
    t->kv.capacity = (t->p1 + 15) / 16 * 16 + 16 * qb_rng_below(rng, 2);
}

static void run_case(struct qb_check *c, const struct qb_kernel *k, enum hardness h, bool in_parts)
{
    static const char *const names[] = {"ordinary", "large scores", "all equal", "one key"};
    struct attn_case t;
    memset(&t, 0, sizeof t);
    t.op = k->op;
    choose_shape(c, k, &t, h);
    qb_check_case(c, "dim_k=%d dim_v=%d group=%d n_q=%d pos0=%lld window=%lld softcap=%g, %s, %s", t.kv.dim_k,
                  t.kv.dim_v, t.a.group, t.n_q, (long long)t.pos0, (long long)t.a.window, (double)t.a.softcap,
                  names[h], in_parts ? "in parts" : "whole");
    make_cache(c, &t.kv);
    fill_cache(c, &t, h == ALL_EQUAL ? QB_VALUES_ZERO : QB_VALUES_RANDOM);
    t.ldq = (size_t)(t.a.group * t.kv.dim_k) + 3;
    t.ldo = (size_t)(t.a.group * t.kv.dim_v) + 5;
    t.q = qb_check_input(c, t.ldq * (size_t)t.n_q * sizeof *t.q, 4);
    t.out = qb_check_output(c, t.ldo * (size_t)t.n_q * sizeof *t.out, 4);
    size_t scratch = QB_ATTN_SCRATCH_BYTES(t.kv.dim_k, t.kv.dim_v);
    t.scratch = qb_check_output(c, scratch, 64);
    memset(t.scratch, 0xff, scratch);
    qb_check_fill_f32(c, t.q, t.ldq * (size_t)t.n_q, QB_VALUES_RANDOM);
    for (size_t i = 0; h == LARGE_SCORES && i < t.ldq * (size_t)t.n_q; i++)
        t.q[i] *= 30;
    if (in_parts)
        run_parts(c, k, &t);
    else
        run_whole(c, k, &t);
}

void qb_check_attention(struct qb_check *c, const struct qb_kernel *k)
{
    for (int i = 0; i < 48 && !qb_check_failed(c); i++)
        run_case(c, k, (enum hardness)(i % HARDNESS_COUNT), i / HARDNESS_COUNT % 3 == 2);
}

/* --- benchmark: a prompt's last queries over 8192 keys --- */

struct attn_job {
    const struct qb_kernel *k;
    struct attn_case t;
};

static void run_attention(void *arg)
{
    struct attn_job *j = arg;
    struct attn_case *t = &j->t;
    ((qb_attention_fn *)j->k->fn)(&t->a, 0, t->q, t->ldq, t->n_q, t->pos0, 0, t->p1, t->out, t->ldo, NULL,
                                  t->scratch);
}

void qb_bench_attention(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    enum { DIM = 128, GROUP = 6, KEYS = 8192 };
    const int n_q = max_cols(k) / GROUP;
    struct attn_job *j = qb_check_input(c, sizeof *j, 64);
    struct attn_case *t = &j->t;
    j->k = k;
    t->kv = (struct qb_kv){.type_k = (enum qb_kv_type)k->key,
                           .type_v = (enum qb_kv_type)k->key2,
                           .n_head_kv = N_HEAD_KV,
                           .dim_k = DIM,
                           .dim_v = DIM,
                           .capacity = KEYS};
    t->a = (struct qb_attn){.kv = &t->kv, .group = GROUP, .scale = 0.003f};
    t->n_q = n_q;
    t->pos0 = KEYS - n_q;
    t->p1 = KEYS;
    t->ldq = t->ldo = GROUP * DIM;
    make_cache(c, &t->kv);
    fill_cache(c, t, QB_VALUES_RANDOM);
    t->q = qb_check_input(c, t->ldq * (size_t)n_q * sizeof *t->q, 64);
    t->out = qb_check_input(c, t->ldo * (size_t)n_q * sizeof *t->out, 64);
    t->scratch = qb_check_input(c, QB_ATTN_SCRATCH_BYTES(DIM, DIM), 64);
    qb_check_fill_f32(c, t->q, t->ldq * (size_t)n_q, QB_VALUES_RANDOM);
    double bytes = 2.0 * KEYS * DIM * (double)(kv_bytes(t->kv.type_k, 1) + kv_bytes(t->kv.type_v, 1)) / 2;
    *b = (struct qb_check_bench){run_attention, j, (double)GROUP * n_q * KEYS * 2 * DIM, bytes};
}

/*
 * Scores of positions. The loops over the vocabulary vectorize: sums of a block are kept in floats, one a
 * lane, and the blocks are added in double.
 */
#include "engine/score.h"

#include "base/f16.h"

#include <math.h>

#define BLOCK 512 /* values whose sum is kept in floats */

/*
 * exp(x) for x <= 0, to 2e-7 relative; 1e-38, as good as 0, below -87. x = n ln 2 + r, ln 2 in two parts
 * (Cody and Waite, 1980), Taylor polynomial of degree 6 (its remainder is below 2e-7). Written without
 * branches or calls.
 */
static inline float exp_of_negative(float x)
{
    const float to_int = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float y = x < -87.0f ? -87.0f : x;
    float shifted = y * 1.44269504f + to_int;
    float n = shifted - to_int;
    float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    /* the low bits of `shifted` are n */
    float power = qb_f32_from_bits((qb_f32_bits(shifted) << 23) + 0x3f800000u);
    return p * power;
}

static float largest(const float *x, int n)
{
    float best = -INFINITY;
#pragma omp simd reduction(max : best)
    for (int i = 0; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static int32_t first_equal(const float *x, int n, float value)
{
    for (int i = 0; i < n; i++)
        if (x[i] == value)
            return i;
    return -1;
}

/* Sum of exp(x - shift). */
static double sum_exp(const float *x, int n, float shift)
{
    double sum = 0;
    for (int i0 = 0; i0 < n; i0 += BLOCK) {
        int end = n - i0 < BLOCK ? n : i0 + BLOCK;
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int i = i0; i < end; i++)
            part += exp_of_negative(x[i] - shift);
        sum += (double)part;
    }
    return sum;
}

void qb_distribution_of_logits(struct qb_distribution *d, const float *x, int n)
{
    float max = largest(x, n);
    double sum = sum_exp(x, n, max);
    *d = (struct qb_distribution){x, max, (double)max + log(sum), 1 / sum, first_equal(x, n, max)};
}

void qb_distribution_of_logs(struct qb_distribution *d, const float *x, int n)
{
    *d = (struct qb_distribution){x, 0, 0, 1, first_equal(x, n, largest(x, n))};
}

double qb_distribution_divergence(const struct qb_distribution *d, const struct qb_distribution *base, int n)
{
    const float *b = base->x, *q = d->x;
    float shift = base->shift;
    double mass = 0, sum = 0; /* of e = exp(b - shift), and of e (b - q) */
    for (int i0 = 0; i0 < n; i0 += BLOCK) {
        int end = n - i0 < BLOCK ? n : i0 + BLOCK;
        float part_mass = 0, part_sum = 0;
#pragma omp simd reduction(+ : part_mass, part_sum)
        for (int i = i0; i < end; i++) {
            float e = exp_of_negative(b[i] - shift);
            part_mass += e;
            part_sum += e * (b[i] - q[i]);
        }
        mass += (double)part_mass;
        sum += (double)part_sum;
    }
    return base->scale * (sum + (d->ln_sum - base->ln_sum) * mass);
}

static void score(struct qb_score *s, const struct qb_distribution *d, int n_vocab, int32_t next,
                  const struct qb_distribution *base)
{
    *s = (struct qb_score){d->ln_sum - (double)d->x[next], NAN, NAN, NAN, false};
    if (!base)
        return;
    s->base_nll = base->ln_sum - (double)base->x[next];
    s->divergence = qb_distribution_divergence(d, base, n_vocab);
    s->dp = exp(-s->nll) - exp(-s->base_nll);
    s->same_top = d->top == base->top;
}

void qb_score_position(struct qb_score *s, const float *logits, int n_vocab, int32_t next,
                       const struct qb_distribution *base)
{
    struct qb_distribution d;
    qb_distribution_of_logits(&d, logits, n_vocab);
    score(s, &d, n_vocab, next, base);
}

static void run(struct qb_worker *w, void *arg)
{
    const struct qb_score_job *job = arg;
    int64_t i, end;
    qb_pool_static_range(w, job->n, 1, &i, &end);
    for (; i < end; i++) {
        struct qb_distribution d;
        qb_distribution_of_logits(&d, job->logits + (size_t)i * (size_t)job->n_vocab, job->n_vocab);
        if (job->to)
            job->to[i] = d;
        if (job->out)
            score(&job->out[i], &d, job->n_vocab, job->next[i], job->base ? &job->base[i] : NULL);
    }
}

void qb_score_run(struct qb_pool *pool, const struct qb_score_job *job)
{
    qb_pool_run(pool, run, (void *)(uintptr_t)job);
}

/*
 * The next token: the best one, or drawn after the temperature from the top k whose probabilities sum to p
 * (Holtzman et al. 2020). The order is top-k, top-p, temperature.
 */
#include "bench/sample.h"
#include "base/mem.h"
#include <math.h>
#include <stdlib.h>

enum qb_status qb_sampler_init(struct qb_sampler *s, const struct qb_sample_options *o, int32_t n_vocab,
                               struct qb_err *err)
{
    *s = (struct qb_sampler){.o = *o, .n_vocab = n_vocab};
    qb_rng_init(&s->rng, o->seed, 0);
    return qb_calloc((void **)&s->list, (size_t)n_vocab, sizeof *s->list, "the sampler", err);
}

void qb_sampler_release(struct qb_sampler *s)
{
    free(s->list);
    s->list = NULL;
}

static int32_t best_of(const float *logits, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || (isnan(logits[best]) && !isnan(logits[i])))
            best = i;
    return best;
}

static int better_first(const void *a, const void *b)
{
    const struct qb_candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* How many of the sorted candidates it takes to reach the probability p. */
static int32_t nucleus(const struct qb_candidate *list, int32_t n, double p)
{
    double sum = 0, reached = 0;
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)list[i].logit - list[0].logit);
    for (int32_t i = 0; i < n; i++) {
        reached += exp((double)list[i].logit - list[0].logit);
        if (reached >= p * sum)
            return i + 1;
    }
    return n;
}

static int32_t draw(struct qb_sampler *s, int32_t n)
{
    const struct qb_candidate *list = s->list;
    double sum = 0, reached = 0;
    for (int32_t i = 0; i < n; i++)
        sum += exp(((double)list[i].logit - list[0].logit) / s->o.temp);
    double target = qb_rng_double(&s->rng) * sum;
    for (int32_t i = 0; i < n; i++) {
        reached += exp(((double)list[i].logit - list[0].logit) / s->o.temp);
        if (reached > target)
            return list[i].id;
    }
    return list[n - 1].id;
}

int32_t qb_sampler_next(struct qb_sampler *s, const float *logits)
{
    int32_t n = 0;
    if (s->o.temp <= 0)
        return best_of(logits, s->n_vocab);
    for (int32_t i = 0; i < s->n_vocab; i++)
        if (isfinite(logits[i]))
            s->list[n++] = (struct qb_candidate){logits[i], i};
    if (n == 0)
        return 0;
    qsort(s->list, (size_t)n, sizeof *s->list, better_first);
    if (s->o.top_k > 0 && s->o.top_k < n)
        n = (int32_t)s->o.top_k;
    if (s->o.top_p < 1)
        n = nucleus(s->list, n, s->o.top_p);
    return draw(s, n);
}

/*
 * Choosing the next token from logits.
 */
#ifndef QB_BENCH_SAMPLE_H
#define QB_BENCH_SAMPLE_H

#include "base/err.h"
#include "base/rng.h"

struct qb_sample_options {
    double temp;   /* 0 = always the best token */
    int64_t top_k; /* 0 = all */
    double top_p;  /* 1 = all */
    uint64_t seed;
};

struct qb_sampler {
    struct qb_sample_options o;
    struct qb_rng rng;
    struct qb_candidate {
        float logit;
        int32_t id;
    } * list; /* n_vocab; owned */
    int32_t n_vocab;
};

/* Pair: qb_sampler_release. */
enum qb_status qb_sampler_init(struct qb_sampler *s, const struct qb_sample_options *o, int32_t n_vocab,
                               struct qb_err *err);
void qb_sampler_release(struct qb_sampler *s);
/* Among equal logits the lower id is the better one. */
int32_t qb_sampler_next(struct qb_sampler *s, const float *logits);

#endif

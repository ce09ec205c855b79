/*
 * Seeded random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. Same sequence
 * everywhere.
 */
#ifndef QB_BASE_RNG_H
#define QB_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct qb_rng {
    uint64_t s[4];
};

/* `stream` separates independent sequences under one seed (one a tensor, one a row group, one a thread). */
void qb_rng_init(struct qb_rng *r, uint64_t seed, uint64_t stream);
uint64_t qb_rng_u64(struct qb_rng *r);
uint32_t qb_rng_below(struct qb_rng *r, uint32_t n); /* uniform in [0, n), unbiased; n > 0 */
double qb_rng_double(struct qb_rng *r);              /* uniform in [0, 1) */
float qb_rng_normal(struct qb_rng *r);               /* standard normal */
void qb_rng_fill(struct qb_rng *r, void *out, size_t n);
void qb_rng_shuffle(struct qb_rng *r, void *base, size_t n, size_t size);
/* splitmix64 finalizer: a good 64-bit hash of an integer. */
uint64_t qb_mix64(uint64_t x);

#endif

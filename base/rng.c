/*
 * xoshiro256** and splitmix64 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators",
 * 2018); bounded integers by multiply and reject (D. Lemire, 2019); normals by the polar method (G.
 * Marsaglia, 1964).
 */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define GOLDEN_GAMMA 0x9e3779b97f4a7c15u

uint64_t qb_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void qb_rng_init(struct qb_rng *r, uint64_t seed, uint64_t stream)
{
    /* Two rounds of mixing keep (seed, stream) and (seed + 1, stream - 1) apart. */
    uint64_t x = qb_mix64(qb_mix64(seed + GOLDEN_GAMMA) ^ (stream * GOLDEN_GAMMA));
    for (int i = 0; i < 4; i++) {
        x += GOLDEN_GAMMA;
        r->s[i] = qb_mix64(x);
    }
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t qb_rng_u64(struct qb_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t qb_rng_below(struct qb_rng *r, uint32_t n)
{
    uint64_t m = (qb_rng_u64(r) >> 32) * n;
    if ((uint32_t)m < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)m < threshold)
            m = (qb_rng_u64(r) >> 32) * n;
    }
    return (uint32_t)(m >> 32);
}

double qb_rng_double(struct qb_rng *r)
{
    return (double)(qb_rng_u64(r) >> 11) * 0x1p-53;
}

float qb_rng_normal(struct qb_rng *r)
{
    for (;;) {
        double u = 2 * qb_rng_double(r) - 1, v = 2 * qb_rng_double(r) - 1;
        double s = u * u + v * v;
        if (s > 0 && s < 1)
            return (float)(u * sqrt(-2 * log(s) / s));
    }
}

void qb_rng_fill(struct qb_rng *r, void *out, size_t n)
{
    uint8_t *p = out;
    while (n) {
        uint64_t v = qb_rng_u64(r);
        size_t part = n < sizeof v ? n : sizeof v;
        memcpy(p, &v, part);
        p += part;
        n -= part;
    }
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void qb_rng_shuffle(struct qb_rng *r, void *base, size_t n, size_t size)
{
    uint8_t *items = base;
    for (size_t i = n; i > 1; i--) {
        size_t j = qb_rng_below(r, (uint32_t)i);
        if (j != i - 1)
            swap_bytes(items + j * size, items + (i - 1) * size, size);
    }
}

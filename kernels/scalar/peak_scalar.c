/*
 * Peak loops in plain C: what the scalar kernels are measured against.
 */
#include "kernels/peak.h"

#define CHAINS 8 /* independent sums, to hide the latency */

qb_peak_fn qb_peak_f32_scalar, qb_peak_int8_scalar, qb_peak_read_scalar;

uint64_t qb_peak_f32_scalar(const void *data, uint64_t n)
{
    (void)data;
    volatile float in = 0.999f;
    float x = in, sum[CHAINS] = {0};
    for (uint64_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * x + 1.0f;
    volatile float sink = 0;
    for (int c = 0; c < CHAINS; c++)
        sink = sink + sum[c];
    return n * CHAINS;
}

uint64_t qb_peak_int8_scalar(const void *data, uint64_t n)
{
    (void)data;
    volatile int in = 3;
    int32_t x = in;
    uint32_t sum[CHAINS] = {0};
    for (uint64_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = sum[c] * (uint32_t)x + (uint32_t)c;
    volatile uint32_t sink = 0;
    for (int c = 0; c < CHAINS; c++)
        sink = sink + sum[c];
    return n * CHAINS;
}

uint64_t qb_peak_read_scalar(const void *data, uint64_t n)
{
    const uint64_t *p = data;
    uint64_t sum[CHAINS] = {0};
    for (uint64_t i = 0; i < n / 8; i += CHAINS)
        for (int c = 0; c < CHAINS; c++)
            sum[c] += p[i + (uint64_t)c];
    volatile uint64_t sink = 0;
    for (int c = 0; c < CHAINS; c++)
        sink = sink + sum[c];
    return n;
}

/*
 * Peak loop of AVX512-BF16: vdpbf16ps.
 */
#include "kernels/peak.h"
#include <immintrin.h>

#define CHAINS 12

qb_peak_fn qb_peak_bf16_avx512bf16;

uint64_t qb_peak_bf16_avx512bf16(const void *data, uint64_t n)
{
    (void)data;
    __m512 sum[CHAINS];
    __m512i x = _mm512_set1_epi16(0x3f80), y = _mm512_set1_epi16(0x3f00); /* 1.0 and 0.5 */
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_set1_ps((float)c);
    for (uint64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++)
            __asm__ volatile("vdpbf16ps %2, %1, %0" : "+v"(sum[c]) : "v"(x), "v"(y));
    }
    __m512 all = sum[0];
    for (int c = 1; c < CHAINS; c++)
        all = _mm512_add_ps(all, sum[c]);
    volatile float sink = _mm512_reduce_add_ps(all);
    (void)sink;
    return n * CHAINS * 32;
}

/*
 * Peak loops of AVX512-VNNI: FMA, vpdpbusd, and 512-bit reads.
 */
#include "kernels/peak.h"
#include <immintrin.h>

#define CHAINS 12

/* In assembly: from intrinsics the compiler copies every sum to another register, which halves the rate. */

qb_peak_fn qb_peak_f32_avx512vnni, qb_peak_int8_avx512vnni, qb_peak_read_avx512vnni;

uint64_t qb_peak_f32_avx512vnni(const void *data, uint64_t n)
{
    (void)data;
    __m512 sum[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.5f);
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_set1_ps((float)c);
    for (uint64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++)
            __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum[c]) : "v"(x), "v"(y));
    }
    __m512 all = sum[0];
    for (int c = 1; c < CHAINS; c++)
        all = _mm512_add_ps(all, sum[c]);
    volatile float sink = _mm512_reduce_add_ps(all);
    (void)sink;
    return n * CHAINS * 16;
}

uint64_t qb_peak_int8_avx512vnni(const void *data, uint64_t n)
{
    (void)data;
    __m512i sum[CHAINS], x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(2);
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_set1_epi32(c);
    for (uint64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++)
            __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum[c]) : "v"(x), "v"(y));
    }
    __m512i all = sum[0];
    for (int c = 1; c < CHAINS; c++)
        all = _mm512_add_epi32(all, sum[c]);
    volatile int sink = _mm512_reduce_add_epi32(all);
    (void)sink;
    return n * CHAINS * 64;
}

uint64_t qb_peak_read_avx512vnni(const void *data, uint64_t n)
{
    const __m512i *p = data;
    __m512i sum[8];
    for (int c = 0; c < 8; c++)
        sum[c] = _mm512_setzero_si512();
    for (uint64_t i = 0; i < n / 64; i += 8) {
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            _mm_prefetch((const char *)(p + i + c) + 4096, _MM_HINT_T0);
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            sum[c] = _mm512_xor_si512(sum[c], _mm512_load_si512(p + i + c));
    }
    __m512i all = sum[0];
    for (int c = 1; c < 8; c++)
        all = _mm512_xor_si512(all, sum[c]);
    volatile int sink = _mm512_reduce_add_epi32(all);
    (void)sink;
    return n;
}

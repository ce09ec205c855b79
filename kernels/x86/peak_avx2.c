/*
 * Peak loops of AVX2: FMA, the maddubs + madd + add sequence of an int8 dot product, and 256-bit reads.
 */
#include "kernels/peak.h"
#include <immintrin.h>

#define CHAINS 12 /* latency 4 or 5 times two units; 16 registers hold 12 sums and the constants */

qb_peak_fn qb_peak_f32_avx2, qb_peak_int8_avx2, qb_peak_read_avx2;

uint64_t qb_peak_f32_avx2(const void *data, uint64_t n)
{
    (void)data;
    __m256 sum[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.5f);
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm256_set1_ps((float)c);
    for (uint64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++)
            __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(sum[c]) : "x"(x), "x"(y));
    }
    __m256 all = sum[0];
    for (int c = 1; c < CHAINS; c++)
        all = _mm256_add_ps(all, sum[c]);
    volatile float sink = _mm256_cvtss_f32(all);
    (void)sink;
    return n * CHAINS * 8;
}

uint64_t qb_peak_int8_avx2(const void *data, uint64_t n)
{
    (void)data;
    __m256i sum[8], x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(2), one = _mm256_set1_epi16(1);
    for (int c = 0; c < 8; c++)
        sum[c] = _mm256_set1_epi32(c);
    for (uint64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < 8; c++) {
            __m256i t;
            __asm__ volatile("vpmaddubsw %3, %2, %1\n\t"
                             "vpmaddwd %4, %1, %1\n\t"
                             "vpaddd %1, %0, %0"
                             : "+x"(sum[c]), "=&x"(t)
                             : "x"(x), "x"(y), "x"(one));
        }
    }
    __m256i all = sum[0];
    for (int c = 1; c < 8; c++)
        all = _mm256_add_epi32(all, sum[c]);
    volatile int sink = _mm256_cvtsi256_si32(all);
    (void)sink;
    return n * 8 * 32;
}

uint64_t qb_peak_read_avx2(const void *data, uint64_t n)
{
    const __m256i *p = data;
    __m256i sum[8];
    for (int c = 0; c < 8; c++)
        sum[c] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < n / 32; i += 8) {
        _mm_prefetch((const char *)(p + i) + 4096, _MM_HINT_T0);
        _mm_prefetch((const char *)(p + i) + 4160, _MM_HINT_T0);
        _mm_prefetch((const char *)(p + i) + 4224, _MM_HINT_T0);
        _mm_prefetch((const char *)(p + i) + 4288, _MM_HINT_T0);
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            sum[c] = _mm256_xor_si256(sum[c], _mm256_load_si256(p + i + c));
    }
    __m256i all = sum[0];
    for (int c = 1; c < 8; c++)
        all = _mm256_xor_si256(all, sum[c]);
    volatile int sink = _mm256_cvtsi256_si32(all);
    (void)sink;
    return n;
}

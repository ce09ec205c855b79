/*
 * Peak loops of AVX2: FMA, the maddubs + madd + add sequence of an int8 dot product, and 256-bit reads.
 */
#include "kernels/peak.h"
#include "kernels/x86/stream.h"

/*
 * One loop of 12 independent chains, in assembly: from intrinsics the compiler copies or spills the sums,
 * which halves the rate. Twelve chains cover a latency of 5 on two units. The sums start at zero (denormals
 * would be slow).
 */
#define CHAINS   12
#define EACH(f)  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#define CLEAR(i) "vpxor %%ymm" #i ", %%ymm" #i ", %%ymm" #i "\n\t"
#define FMA(i)   "vfmadd231ps %2, %1, %%ymm" #i "\n\t"
/* The dot product of bytes without VNNI: pairs to int16, pairs of these to int32, add. */
#define DOT(i)                                                                                               \
    "vpmaddubsw %2, %1, %%ymm15\n\tvpmaddwd %3, %%ymm15, %%ymm15\n\t"                                        \
    "vpaddd %%ymm15, %%ymm" #i ", %%ymm" #i "\n\t"

qb_peak_fn qb_peak_f32_avx2, qb_peak_int8_avx2, qb_peak_read_avx2;

uint64_t qb_peak_f32_avx2(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.5f);
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(FMA) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "x"(x), "x"(y)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
    return n * CHAINS * 8;
}

uint64_t qb_peak_int8_avx2(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(2), one = _mm256_set1_epi16(1);
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(DOT) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "x"(x), "x"(y), "x"(one)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm15");
    return n * CHAINS * 32;
}

uint64_t qb_peak_read_avx2(const void *data, uint64_t n)
{
    const __m256i *p = data;
    const size_t near_bytes = qb_cpu_stream.near_bytes;
    __m256i sum[8];
    for (int c = 0; c < 8; c++)
        sum[c] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < n / 32; i += 8) {
#pragma GCC unroll 4
        for (int c = 0; c < 8; c += 2)
            stream_ask((const char *)(p + i + c) + near_bytes);
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

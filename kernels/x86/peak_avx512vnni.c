/*
 * Peak loops of AVX512-VNNI: FMA, vpdpbusd, and 512-bit reads.
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
#define CLEAR(i) "vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n\t"
#define FMA(i)   "vfmadd231ps %2, %1, %%zmm" #i "\n\t"
#define DOT(i)   "vpdpbusd %2, %1, %%zmm" #i "\n\t"

qb_peak_fn qb_peak_f32_avx512vnni, qb_peak_int8_avx512vnni, qb_peak_read_avx512vnni;

uint64_t qb_peak_f32_avx512vnni(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.5f);
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(FMA) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "v"(x), "v"(y)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
    return n * CHAINS * 16;
}

uint64_t qb_peak_int8_avx512vnni(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(2);
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(DOT) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "v"(x), "v"(y)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
    return n * CHAINS * 64;
}

uint64_t qb_peak_read_avx512vnni(const void *data, uint64_t n)
{
    const __m512i *p = data;
    const size_t near_bytes = qb_cpu_stream.near_bytes;
    __m512i sum[8];
    for (int c = 0; c < 8; c++)
        sum[c] = _mm512_setzero_si512();
    for (uint64_t i = 0; i < n / 64; i += 8) {
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            stream_ask((const char *)(p + i + c) + near_bytes);
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

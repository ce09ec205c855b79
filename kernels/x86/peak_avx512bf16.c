/*
 * Peak loop of AVX512-BF16: vdpbf16ps.
 */
#include "kernels/peak.h"
#include <immintrin.h>

/*
 * One loop of 12 independent chains, in assembly: from intrinsics the compiler copies or spills the sums,
 * which halves the rate. Twelve chains cover a latency of 5 on two units. The sums start at zero (denormals
 * would be slow).
 */
#define CHAINS   12
#define EACH(f)  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#define CLEAR(i) "vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n\t"
#define DOT(i)   "vdpbf16ps %2, %1, %%zmm" #i "\n\t"

qb_peak_fn qb_peak_bf16_avx512bf16;

uint64_t qb_peak_bf16_avx512bf16(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m512i x = _mm512_set1_epi16(0x3f80), y = _mm512_set1_epi16(0x3f00); /* 1.0 and 0.5 */
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(DOT) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "v"(x), "v"(y)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
    return n * CHAINS * 32;
}

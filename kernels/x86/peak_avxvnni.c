/*
 * Peak loop of AVX-VNNI: 256-bit vpdpbusd. FMA and reads are those of AVX2.
 */
#include "kernels/peak.h"
#include <immintrin.h>

/* 12 independent chains in assembly, as in peak_avx2.c. {vex}: the encoding that CPUs without AVX512 have. */
#define CHAINS   12
#define EACH(f)  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#define CLEAR(i) "vpxor %%ymm" #i ", %%ymm" #i ", %%ymm" #i "\n\t"
#define DOT(i)   "%{vex%} vpdpbusd %2, %1, %%ymm" #i "\n\t"

qb_peak_fn qb_peak_int8_avxvnni;

uint64_t qb_peak_int8_avxvnni(const void *data, uint64_t n)
{
    (void)data;
    uint64_t left = n;
    __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(2);
    __asm__ volatile(EACH(CLEAR) "1:\n\t" EACH(DOT) "dec %0\n\tjnz 1b"
                     : "+r"(left)
                     : "x"(x), "x"(y)
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11");
    return n * CHAINS * 32;
}

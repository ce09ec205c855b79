/*
 * Attention in 16-bit integers, AVX-VNNI: tiles of 6 columns x 2 vectors of 8 (12 of 16 registers).
 */
#include "kernels/x86/attention_i16_avx2.h"

INLINE vi vi_dot(vi acc, vi a, vi b)
{
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
    return acc;
}

#define QB_ISA_FN(name) qb_##name##_avxvnni
#define ATTN_VECS       2
#include "kernels/x86/attention_i16_tmpl.h"

/*
 * Attention in 16-bit integers, AVX2: tiles of 6 columns x 2 vectors of 8 (12 of 16 registers). `vpmaddwd`
 * multiplies pairs; the sums are kept in order, since gcc would turn them into a tree and spill.
 */
#include "kernels/x86/attention_i16_avx2.h"

INLINE vi vi_dot(vi acc, vi a, vi b)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
    __asm__("" : "+x"(acc));
    return acc;
}

#define QB_ISA_FN(name) qb_##name##_avx2
#define ATTN_VECS       2
#include "kernels/x86/attention_i16_tmpl.h"

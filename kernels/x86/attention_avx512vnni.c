/*
 * Attention, AVX-512: tiles of 6 columns x 4 vectors of 16 (24 of 32 registers).
 */
#include "kernels/x86/simd_avx512.h"
#include "kernels/x86/simd_math_tmpl.h"

#define QB_ISA_FN(name) qb_##name##_avx512vnni
#define ATTN_VECS       4
#include "kernels/x86/attention_tmpl.h"

/*
 * Attention, AVX2: tiles of 6 columns x 2 vectors of 8 (12 of 16 registers).
 */
#include "kernels/x86/simd_avx2.h"
#include "kernels/x86/simd_math_tmpl.h"

#define QB_ISA_FN(name) qb_##name##_avx2
#define ATTN_VECS       2
#include "kernels/x86/attention_tmpl.h"

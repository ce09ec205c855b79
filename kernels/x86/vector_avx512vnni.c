/*
 * The small operations of a layer and the KV cache stores, AVX-512.
 */
#include "kernels/x86/simd_avx512.h"
#include "kernels/x86/simd_math_tmpl.h"

#define QB_ISA_FN(name) qb_##name##_avx512vnni
#include "kernels/x86/vector_tmpl.h"

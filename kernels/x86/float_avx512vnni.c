/*
 * Float weights, AVX-512: tiles of 7 columns x 2 vectors of 16 (14 accumulators).
 */
#include "kernels/x86/simd_avx512.h"

#define QB_ISA_FN(name) qb_##name##_avx512vnni
#define TILE_COLS       7
#define TILE_VECS       2
#define R16_GROUPS(w)   4
#include "kernels/x86/float_tmpl.h"

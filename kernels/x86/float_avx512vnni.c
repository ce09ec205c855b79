/*
 * Float weights, AVX-512: tiles of 7 columns x 2 vectors of 16 (14 accumulators).
 */
#include "kernels/x86/simd_avx512.h"

#define QB_ISA_FN(name) qb_##name##_avx512vnni
#define TILE_COLS       7
#define TILE_CASES      TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6) TILE_CASE(7)
#define TILE_VECS       2
#define DOT_ROWS(w)     4
#define R16_GROUPS(w)   4
#include "kernels/x86/float_tmpl.h"

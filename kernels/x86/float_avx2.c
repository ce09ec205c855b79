/*
 * Float weights, AVX2: tiles of 6 columns x 2 vectors of 8 (12 of 16 registers), the panel in two passes.
 */
#include "kernels/x86/simd_avx2.h"

#define QB_ISA_FN(name) qb_##name##_avx2
#define TILE_COLS       6
#define TILE_CASES      TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6)
#define TILE_VECS       2
#define DOT_ROWS(w)     ((w) <= 2 ? 4 : 2)
#define R16_GROUPS(w)   ((w) <= 2 ? 2 : 1)
#include "kernels/x86/float_tmpl.h"

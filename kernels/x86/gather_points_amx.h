/*
 * Points of IQ1 and IQ2_S by gathers, for the CPUs that have AMX (no tile is used): from Sapphire Rapids on,
 * Intel's gather takes 16 points in 6 cycles, mostly on the ports of loads, while a look-up of 2048 entries
 * by permutations (weights_planes_avx512.h) is 57 operations for 64 points on two ports: two registers of
 * table are three operations there. Older Intel CPUs with VBMI have slow gathers since the microcode of 2023,
 * AMD's are slow by nature.
 *
 * A vector of points is [16 rows][4 bytes], two values a byte.
 */
#ifndef QB_KERNELS_X86_GATHER_POINTS_AMX_H
#define QB_KERNELS_X86_GATHER_POINTS_AMX_H

#include "kernels/x86/codebook_levels.h"
#include "kernels/x86/weights_planes_avx512.h"

/*
 * The points of group g of 32 weights. index: the lower 8 bits of the index of all four groups; high: the
 * others, those of the group from bit `at` on; bits: of an index.
 */
QB_INLINE __m512i gather_points(const uint32_t *table, __m512i index, int g, __m512i high, int at, int bits)
{
    const __m512i low8 = _mm512_set1_epi32(0xff), all = _mm512_set1_epi32((1 << bits) - 1);
    __m512i upper = at < 8 ? _mm512_slli_epi32(high, at < 8 ? (unsigned)(8 - at) : 0)
                           : _mm512_srli_epi32(high, at < 8 ? 0 : (unsigned)(at - 8));
    __m512i x = select_bits(low8, g > 0 ? _mm512_srli_epi32(index, 8 * (unsigned)g) : index, upper);
    return _mm512_i32gather_epi32(_mm512_and_si512(x, all), table, 4);
}

#endif

/*
 * Activations to int8, AVX2.
 */
#include "kernels/x86/simd_avx2.h"

#define QB_ISA_FN(name) qb_##name##_avx2

/* The packs work in 128-bit lanes: the permutation puts the fours back in order. */
INLINE __m256i pack_32(const vf *v)
{
    __m256i a = _mm256_packs_epi32(_mm256_cvtps_epi32(v[0]), _mm256_cvtps_epi32(v[1]));
    __m256i b = _mm256_packs_epi32(_mm256_cvtps_epi32(v[2]), _mm256_cvtps_epi32(v[3]));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

#include "kernels/x86/act_tmpl.h"

#define block_q8_32_pairs  block_q8_32
#define block_q8_256_pairs block_q8_256
ACT_PART(q8_32_pairs, 32, true)
ACT_PART(q8_256_pairs, 256, true)
ACT_FN(q8_32_pairs)
ACT_FN(q8_256_pairs)

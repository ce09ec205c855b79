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

/* What stands for the largest value in the kinds of pairs. */
INLINE vf block_max_pairs(const float *x, int n)
{
    vf m = vf_zero();
    for (int i = 0; i < n; i += 8) {
        vf v = vf_load(x + i), a = vf_abs(v);
        vf sum = vf_abs(vf_add(v, _mm256_permute_ps(v, 0xb1)));
        vf size = vf_add(a, _mm256_permute_ps(a, 0xb1));
        vf two = vf_add(size, _mm256_permute2f128_ps(size, size, 1));
        m = vf_max(vf_max(m, a), vf_mul(sum, vf_set1(QB_ACT_PAIR)));
        m = vf_max(m, vf_mul(two, vf_set1(QB_ACT_TWO_PAIRS)));
    }
    return m;
}

ACT_FN(q8_32_pairs, part_q8_32, block_max_pairs)
ACT_FN_ORDERS(q8_256_pairs, part_q8_256, block_max_pairs)

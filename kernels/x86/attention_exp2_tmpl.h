/*
 * 2^r for r in [0, 1): polynomial of degree 4, relative error below 2.7e-6 (the least for its degree, by
 * Remez exchange). Include after simd_avx2.h or simd_avx512.h.
 */
#ifndef QB_KERNELS_X86_ATTENTION_EXP2_TMPL_H
#define QB_KERNELS_X86_ATTENTION_EXP2_TMPL_H

INLINE vf vf_exp2_part(vf r)
{
    vf p = vf_set1(0.0135341678f);
    p = vf_fmadd(p, r, vf_set1(0.0520114601f));
    p = vf_fmadd(p, r, vf_set1(0.241442755f));
    p = vf_fmadd(p, r, vf_set1(0.693003833f));
    return vf_fmadd(p, r, vf_set1(1.00000262f));
}

#endif

/*
 * exp and tanh on vectors; include after simd_avx2.h or simd_avx512.h.
 *
 * exp: x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite, 1980), Taylor polynomial of
 * degree 7 (its remainder is below 6e-9); relative error below 1.2e-7 where the result is normal. Results
 * above FLT_MAX are infinite, below the subnormals 0; NaN stays NaN.
 */
#ifndef QB_KERNELS_SIMD_MATH_TMPL_H
#define QB_KERNELS_SIMD_MATH_TMPL_H

INLINE vf vf_exp(vf x)
{
    x = vf_min(vf_set1(89.0f), vf_max(vf_set1(-104.5f), x));
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    vf r = vf_fnmadd(n, vf_set1(0.693359375f), x);
    r = vf_fnmadd(n, vf_set1(-2.12194440e-4f), r);
    vf p = vf_set1(1.0f / 5040);
    p = vf_fmadd(p, r, vf_set1(1.0f / 720));
    p = vf_fmadd(p, r, vf_set1(1.0f / 120));
    p = vf_fmadd(p, r, vf_set1(1.0f / 24));
    p = vf_fmadd(p, r, vf_set1(1.0f / 6));
    p = vf_fmadd(p, r, vf_set1(0.5f));
    p = vf_fmadd(p, r, vf_set1(1.0f));
    p = vf_fmadd(p, r, vf_set1(1.0f));
    return vf_ldexp(p, n);
}

/* Absolute error below 3e-7. */
INLINE vf vf_tanh(vf x)
{
    vf e = vf_exp(vf_mul(vf_abs(x), vf_set1(-2.0f))), one = vf_set1(1.0f);
    return vf_copysign(vf_div(vf_sub(one, e), vf_add(one, e)), x);
}

#endif

/*
 * Powers of 2 for a softmax, 16 at a time.
 */
#ifndef QB_KERNELS_X86_ATTENTION_EXP2_AVX512_H
#define QB_KERNELS_X86_ATTENTION_EXP2_AVX512_H

#include "kernels/x86/attention_call.h"
#include "kernels/x86/simd_avx512.h"

#include "kernels/x86/attention_exp2_tmpl.h"

/* 2^x for x <= 0, from ATTN_EXP2_MIN down 0. */
INLINE vf vf_exp2(vf x)
{
    vf r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_set1_ps(ATTN_EXP2_MIN), _CMP_GT_OQ);
    return _mm512_maskz_scalef_ps(some, vf_exp2_part(r), x);
}

#endif

/*
 * The end of a column of attention, the same for every kernel. Include after simd_avx2.h or simd_avx512.h.
 */
#ifndef QB_KERNELS_X86_ATTENTION_FINISH_TMPL_H
#define QB_KERNELS_X86_ATTENTION_FINISH_TMPL_H

#include "kernels/x86/attention_call.h"

/*
 * Column c: sums over V to its place in out, divided by the sum of its weights unless they are one part of
 * several (ml), which then leaves its maximum and its sum there.
 * @param o     the column's sums, vectors `step` floats apart
 * @param l     lane sums of its weights
 * @param m     its maximum, in natural units
 */
INLINE void attn_finish_column(const struct attn_call *in, int c, const float *o, size_t step, vf l, float m,
                               float *out, size_t ldo, float *ml)
{
    int dim = in->a->kv->dim_v, group = in->a->group, d = 0;
    float sum = vf_hsum(l);
    vf factor = vf_set1(ml || sum == 0.0f ? 1.0f : 1.0f / sum);
    out += (size_t)(c / group) * ldo + (size_t)(c % group) * (size_t)dim;
    for (; d + VF_N <= dim; d += VF_N, o += step)
        vf_store(out + d, vf_mul(vf_load(o), factor));
    if (d < dim)
        vf_store_n(out + d, vf_mul(vf_load(o), factor), dim - d);
    if (ml) {
        ml[2 * c] = m;
        ml[2 * c + 1] = sum;
    }
}

#endif

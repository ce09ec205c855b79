/*
 * Vectors of the KV cache as f32, for kernels that turn a chunk into something else: f16 or q8_0. Include
 * after simd_avx2.h or simd_avx512.h.
 */
#ifndef QB_KERNELS_X86_ATTENTION_CACHE_TMPL_H
#define QB_KERNELS_X86_ATTENTION_CACHE_TMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/vector.h"

/* VF_N keys of dimension d; block: first element of the block of 16 keys, j: which of its vectors. */
INLINE vf load_k(const struct qb_kv *kv, bool q8, size_t block, int d, int j)
{
    size_t i = block + (size_t)d * QB_KV_BLOCK + (size_t)(j * VF_N);
    if (!q8)
        return vf_load_f16((const uint16_t *)kv->k + i);
    const uint16_t *scale = kv->k_scale + block / 32 + (size_t)(d / 32 * QB_KV_BLOCK + j * VF_N);
    return vf_mul(vf_load_i8((const int8_t *)kv->k + i), vf_load_f16(scale));
}

/* VF_N dimensions from d of the V that starts at element i. */
INLINE vf load_v(const struct qb_kv *kv, bool q8, size_t i, int d)
{
    i += (size_t)d;
    if (q8)
        return vf_mul(vf_load_i8((const int8_t *)kv->v + i), vf_set1(_cvtsh_ss(kv->v_scale[i / 32])));
    int n = kv->dim_v - d;
    const uint16_t *p = (const uint16_t *)kv->v + i;
    return n >= VF_N ? vf_load_f16(p) : vf_load_f16_n(p, n);
}

#endif

/*
 * Attention on the matrix unit: from scores to the weights of keys. Online softmax as in attention_tmpl.h, in
 * powers of 2. Weights are cut to bf16 before they are summed up, so that what a large one loses is missing
 * in the sum that divides it, too.
 */
#ifndef QB_KERNELS_X86_ATTENTION_WEIGH_AMX_H
#define QB_KERNELS_X86_ATTENTION_WEIGH_AMX_H

#include <math.h>

#include "kernels/x86/attention_exp2_avx512.h"
#include "kernels/x86/attention_planes_amx.h"
#include "kernels/x86/simd_math_tmpl.h"

/* A bit for each of the keys from `first` on that is in `keys`. */
INLINE __mmask16 lanes_in(struct attn_range keys, int first)
{
    int lo = keys.lo - first, hi = keys.hi - first;
    lo = lo < 0 ? 0 : lo > VF_N ? VF_N : lo;
    hi = hi < 0 ? 0 : hi > VF_N ? VF_N : hi;
    return (__mmask16)((1u << hi) - 1u) & (__mmask16) ~((1u << lo) - 1u);
}

/* The scores of a column as they count, in place: capped, -inf for keys that it does not see. Apart from the
 * rest, for most columns see all keys of a chunk and few models cap. */
static __attribute__((noinline)) void adjust_scores(const struct planes_run *r, const struct planes_job *j,
                                                    int c, float *scores)
{
    struct attn_range keys = {0, 0};
    float cap = r->in.a->softcap;
    if (c < r->in.n_cols)
        keys = attn_visible(&r->in, c, c + 1, j->base);
    for (int first = 0; first < CHUNK; first += VF_N, scores += TILE_COLS * VF_N) {
        __mmask16 seen = lanes_in(keys, first);
        vf x = _mm512_maskz_load_ps(seen, scores);
        if (cap != 0.0f)
            x = vf_mul(vf_tanh(vf_mul(x, vf_set1(1.0f / cap))), vf_set1(cap * (float)M_LOG2E));
        vf_store(scores, _mm512_mask_mov_ps(vf_set1(-INFINITY), seen, x));
    }
}

INLINE vf as_vf(__m512i v)
{
    return _mm512_castsi512_ps(v);
}

/* 1 as a fixed-point number: what exponents are multiplied by. */
#define EXPONENT_UNIT 8388608.0f /* 2^23 */
/* The truth table of (a & b) | c. */
#define AND_OR 0xea

/* 2^(1 - y) for y in [1, 2]. */
INLINE vf mantissa_of(vf y)
{
    vf p = vf_fmadd(vf_set1(-0.0390122613f), y, vf_set1(0.347107146f));
    p = vf_fmadd(p, y, vf_set1(-1.26819822f));
    return vf_fmadd(p, y, vf_set1(1.96002855f));
}

/*
 * 2^(score - max) of two vectors as pairs of bf16. The exponent as a fixed-point number of 23 fractional bits
 * (Schraudolph, 1999), max - score so that it is positive: its fraction, as a float in [1, 2), gives the
 * mantissa by a polynomial (degree 3, by Remez exchange: relative error below 7.5e-5, where a bf16 is good to
 * 4e-3), its integer is taken from the exponents of both, which ends at 0; so does what does not fit,
 * infinite or NaN. Mantissas are cut, not rounded: the sum that weights are divided by loses as much on
 * average. The unit leaves vectors little more than an instruction a cycle.
 */
INLINE __m512i weight_pairs(vf s0, vf s1, vf max)
{
    const vf unit = vf_set1(EXPONENT_UNIT);
    const __m512i one = _mm512_set1_epi32(0x3f800000), fraction = _mm512_set1_epi32(0x7fffff);
    __m512i i0 = _mm512_cvtps_epi32(vf_fnmadd(s0, unit, max)),
            i1 = _mm512_cvtps_epi32(vf_fnmadd(s1, unit, max));
    vf p0 = mantissa_of(as_vf(_mm512_ternarylogic_epi32(i0, fraction, one, AND_OR)));
    vf p1 = mantissa_of(as_vf(_mm512_ternarylogic_epi32(i1, fraction, one, AND_OR)));
    __m512i exponents = _mm512_and_si512(pairs_of(as_vf(i0), as_vf(i1)), _mm512_set1_epi16((short)0xff80));
    return _mm512_subs_epu16(pairs_of(p0, p1), exponents);
}

/* A column's new maximum: what it holds so far shrinks. */
static void raise_maximum(const struct planes_run *r, struct group_weights *w, int c, float max)
{
    vf shrink = vf_exp2(vf_set1(r->m[c] - max));
    float *l = r->l + c * VF_N;
    r->m[c] = max;
    w->shrink[c % GROUP_COLS] = vf_first(shrink);
    w->any_shrinks = true;
    vf_store(l, vf_mul(vf_load(l), shrink));
}

/* Vector v of a column's scores. */
INLINE vf load_scores(const float *scores, int v)
{
    return vf_load(scores + v * TILE_COLS * VF_N);
}

/* Before the weights of a column: its scores as they count, and their maximum. */
INLINE void begin_weights(const struct planes_run *r, const struct planes_job *j, float *scores,
                          struct group_weights *w, int c)
{
    if (!j->whole || r->in.a->softcap != 0.0f)
        adjust_scores(r, j, c, scores);
    vf even = load_scores(scores, 0), odd = load_scores(scores, 1);
    UNROLL
    for (int v = 2; v < CHUNK_VECS; v += 2) {
        even = vf_max(even, load_scores(scores, v));
        odd = vf_max(odd, load_scores(scores, v + 1));
    }
    vf max = vf_max(even, odd);
    w->shrink[c % GROUP_COLS] = 1;
    if (vf_any_above(max, r->m[c]))
        raise_maximum(r, w, c, vf_hmax(max));
}

/* Column i of the job's group. */
INLINE void weigh_column(const struct planes_run *r, const struct planes_job *j, struct group_scores *s,
                         struct group_weights *w, int i)
{
    int c = j->group * GROUP_COLS + i, row = i % TILE_COLS;
    float *scores = s->v[i / TILE_COLS][0][row];
    begin_weights(r, j, scores, w, c);
    const vf max = vf_set1(r->m[c] * EXPONENT_UNIT);
    const __m512i ones = _mm512_set1_epi16(0x3f80); /* of bf16 */
    vf sum = vf_load(r->l + c * VF_N);
    UNROLL
    for (int k = 0; k < CHUNK_STEPS; k++) {
        __m512i pairs = weight_pairs(load_scores(scores, 2 * k), load_scores(scores, 2 * k + 1), max);
        _mm512_store_si512(w->v[i / TILE_COLS][k] + row * TILE_ROW, pairs);
        sum = _mm512_dpbf16_ps(sum, (__m512bh)pairs, (__m512bh)ones);
    }
    vf_store(r->l + c * VF_N, sum);
}

#endif

/*
 * Expanded nibbles (kernels/expansion.h) for AVX512-VBMI: f16 d, 8 nibbles of scales, then 16 bytes for every
 * 32 weights. The includer defines W_FORMAT, W_SHIFT, W_CUT (weights_avx512_tmpl.h) and
 *
 *   W_LEVELS         16 codes, ascending: level + 2^W_SHIFT
 *   W_UNIT           what multiplies d and the odd integer of a scale
 */
#include "kernels/x86/weights_avx512.h"

#define W_ISA   avx512vbmi
#define W_ELEMS 256
#define W_BYTES 134
#define W_SUB   32
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i scales = _mm512_loadu_si512(s->p[0] + 16 * 2);
    h->d = _mm512_mul_ps(rows16_scale(s, 0, 0, kind), _mm512_set1_ps(W_UNIT));
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m512i twice = i == 0 ? _mm512_slli_epi32(scales, 1) : _mm512_srli_epi32(scales, 4 * i - 1);
        __m512i odd = _mm512_ternarylogic_epi32(twice, _mm512_set1_epi32(30), _mm512_set1_epi32(1),
                                                0xea); /* (a & b) | c */
        h->scale[i] = odd_as_float(scales, 4 * i);
        h->scale_pair[i / 2] = i % 2 == 0 ? odd : pack_pair(h->scale_pair[i / 2], odd);
    }
}

/* Of an index vpermb takes six bits, of which four mean something here: the table repeats. */
QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    const __m512i levels = _mm512_broadcast_i32x4(_mm_setr_epi8(W_LEVELS));
    __m512i v[4];
    rows16_load(s, 6 + 16 * c, kind, v);
    QB_UNROLL
    for (int i = 0; i < 4; i++) { /* low nibbles are the first 16 */
        w[i] = _mm512_permutexvar_epi8(v[i], levels);
        w[4 + i] = _mm512_permutexvar_epi8(_mm512_srli_epi16(v[i], 4), levels);
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

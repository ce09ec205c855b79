/*
 * IQ2_XXS, IQ2_XS and IQ2_S in x16 (expanded form SIGNED, kernels/expansion.h), for AVX512-VBMI: f16 d, 16
 * nibbles of scales, three dwords for every 32 weights. The includer defines W_FORMAT, W_CUT and W_SUB
 * (weights_avx512_tmpl.h): 16, or 32 where both scales of a 32 are the same.
 */
#include "kernels/x86/weights_avx512.h"

#define W_ISA   avx512vbmi
#define W_ELEMS 256
#define W_BYTES 106
#define W_MIN   QB_MIN_NONE
#define W_SHIFT 6
#define W_CHUNK 32

/* The scale of 16s number s, odd, as float. */
QB_INLINE __m512 odd_scale(const __m512i scales[2], int s)
{
    return odd_as_float(scales[s / 8], s % 4 * 8 + s / 4 % 2 * 4);
}

/* The scales of 16s 2 i and 2 i + 1, odd, int16. */
QB_INLINE __m512i odd_pair(const __m512i scales[2], int i)
{
    __m512i v = i / 2 % 2 ? high_nibbles(scales[i / 4]) : low_nibbles(scales[i / 4]);
    return byte_pair(_mm512_or_si512(_mm512_add_epi8(v, v), _mm512_set1_epi8(1)), i % 2);
}

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    const __m512i scales[2] = {_mm512_loadu_si512(s->p[0] + 16 * 2), _mm512_loadu_si512(s->p[0] + 16 * 6)};
    h->d = _mm512_mul_ps(rows16_scale(s, 0, 0, kind), _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int i = 0; i < W_ELEMS / W_SUB; i++)
        h->scale[i] = odd_scale(scales, i * (W_SUB / 16));
    QB_UNROLL
    for (int i = 0; i < W_ELEMS / W_SUB / 2; i++)
        h->scale_pair[i] = W_SUB == 16 ? odd_pair(scales, i)
                                       : pack_pair(odd_pair(scales, 2 * i), odd_pair(scales, 2 * i + 1));
}

/* Of an index vpermb takes six bits, of which three mean something here: the table repeats. */
QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    const __m512i codes = _mm512_set1_epi64(0x00152738006b5948ll /* 64 - level, 64 + level */);
    const __m512i bit0 = _mm512_set1_epi8(0x11), bit1 = _mm512_set1_epi8(0x22);
    __m512i v[4];
    (void)kind;
    QB_UNROLL
    for (int i = 0; i < 3; i++)
        v[i] = _mm512_loadu_si512(s->p[0] + 16 * (10 + 12 * c + 4 * i));
    v[3] = select_bits(bit1, _mm512_srli_epi16(v[1], 2), _mm512_srli_epi16(v[2], 1));
    v[3] = select_bits(bit0, _mm512_srli_epi16(v[0], 3), v[3]);
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        w[2 * i] = _mm512_permutexvar_epi8(v[i], codes);
        w[2 * i + 1] = _mm512_permutexvar_epi8(_mm512_srli_epi16(v[i], 4), codes);
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c * (32 / W_SUB) + j;
}

#include "kernels/x86/weights_avx512_tmpl.h"

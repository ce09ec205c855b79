/*
 * Q5_K for AVX512-VNNI: as Q4_K, with a fifth bit: bit k of byte l belongs to weight l of sub-block k.
 */
#include "kernels/x86/weights_k_avx512.h"

#define W_FORMAT QB_FORMAT_Q5_K
#define W_ELEMS  256
#define W_BYTES  176
#define W_SUB    32
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_I16
#define W_CUT    2
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    read_k_header(s, kind, h);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    const __m512i fifth = _mm512_set1_epi8(16);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i v[4], bits[4];
        rows16_load(s, 48 + 32 * c + 16 * i, kind, v);
        rows16_load(s, 16 + 16 * i, kind, bits);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            __mmask64 low = _mm512_test_epi8_mask(bits[j], _mm512_set1_epi8((char)(1 << (2 * c))));
            __mmask64 high = _mm512_test_epi8_mask(bits[j], _mm512_set1_epi8((char)(2 << (2 * c))));
            __m512i lo = low_nibbles(v[j]), hi = high_nibbles(v[j]);
            w[4 * i + j] = _mm512_mask_add_epi8(lo, low, lo, fifth);
            w[8 + 4 * i + j] = _mm512_mask_add_epi8(hi, high, hi, fifth);
        }
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q5_k, plain, ROWS16_STRIDED)
W_KERNELS(q5_k, r16, ROWS16_R16)
W_KERNELS(q5_k, 8x4, ROWS16_8X4)
W_KERNELS(q5_k, 8x8, ROWS16_8X8)

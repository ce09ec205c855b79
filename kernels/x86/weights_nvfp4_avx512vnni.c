/*
 * NVFP4 for AVX512-VNNI: four E4M3 scales, each for 16 nibbles that choose one of 16 levels; 8 bytes a scale.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_NVFP4
#define W_ELEMS  64
#define W_BYTES  36
#define W_SUB    16
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

/* An E4M3 number is an f16 with its exponent at the lower end: 256 times too small, and 128 times here
 * because the scale is half of it. Byte 0x7f is 0. */
QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    const __m512i bits = _mm512_set1_epi16(0x3f80);
    const __m512 unit = _mm512_set1_ps(128.0f);
    __m512i v[4];
    rows16_load(s, 0, kind, v);
    __m512i e4m3 = _mm512_maskz_mov_epi8(_mm512_cmpneq_epi8_mask(v[0], _mm512_set1_epi8(0x7f)), v[0]);
    __m512i even = _mm512_and_si512(_mm512_slli_epi16(e4m3, 7), bits);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi16(e4m3, 1), bits);
    h->scale[0] = _mm512_mul_ps(rows16_f16_low(even), unit);
    h->scale[1] = _mm512_mul_ps(rows16_f16_low(odd), unit);
    h->scale[2] = _mm512_mul_ps(rows16_f16_low(_mm512_srli_epi32(even, 16)), unit);
    h->scale[3] = _mm512_mul_ps(rows16_f16_low(_mm512_srli_epi32(odd, 16)), unit);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    __m512i v[4];
    rows16_load(s, 4 + 16 * c, kind, v);
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        int at = i / 2 * 4 + i % 2; /* sub-block i / 2 */
        w[at] = fp4_codes(low_nibbles(v[i]));
        w[at + 2] = fp4_codes(high_nibbles(v[i]));
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return 2 * c + j;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(nvfp4, plain, ROWS16_STRIDED)
W_KERNELS(nvfp4, r16, ROWS16_R16)

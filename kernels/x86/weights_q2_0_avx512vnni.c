/*
 * Q2_0 for AVX512-VNNI: f16 d, 64 codes of two bits, four consecutive ones a byte; weight = d * (code - 1).
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q2_0
#define W_ELEMS  64
#define W_BYTES  18
#define W_SUB    32
#define W_SHIFT  0
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  32

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 0, 0, kind);
    h->scale[1] = h->scale[0];
}

/* Byte i of each dword four times; the upper half moves 4 bits down, and codes that lie 2 bits too high are
 * looked up. */
QB_INLINE __m512i spread_codes(__m512i v, int i)
{
    const __m512i code =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1));
    __m512i b = _mm512_srlv_epi16(spread_byte(v, i), _mm512_set1_epi32(4 << 16));
    return _mm512_shuffle_epi8(code, _mm512_and_si512(b, _mm512_set1_epi16(0x0c03)));
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[8])
{
    __m512i v[4];
    rows16_load(s, 2, kind, v);
    QB_UNROLL
    for (int i = 0; i < 8; i++)
        w[i] = spread_codes(v[2 * c + i / 4], i % 4);
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q2_0, plain, ROWS16_STRIDED)
W_KERNELS(q2_0, r16, ROWS16_R16)

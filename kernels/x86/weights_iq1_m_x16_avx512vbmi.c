/*
 * Panels of IQ1_M in x16 (expanded form TERNARY_16, kernels/expansion.h), for AVX512-VBMI: f16 d, a dword of
 * moves, 16 nibbles of odd scales, planes of two bits.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_IQ1_M
#define W_ISA    avx512vbmi
#define W_ELEMS  256
#define W_BYTES  78
#define W_SUB    16
#define W_SHIFT  4
#define W_MIN    QB_MIN_NONE
#define W_CUT    0
#define W_CHUNK  64

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i v = _mm512_loadu_si512(s->p[0] + 16 * (6 + i / 2 * 4));
        v = i % 2 ? high_nibbles(v) : low_nibbles(v);
        h->scale_pair[2 * i] = byte_pair(v, 0);
        h->scale_pair[2 * i + 1] = byte_pair(v, 1);
    }
    h->d = _mm512_mul_ps(rows16_scale(s, 0, 0, kind), _mm512_set1_ps(0.125f));
}

/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

/* Of an index vpermb takes six bits, of which only two mean something here: the table repeats. */
QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    const __m512i codes = _mm512_set1_epi32(0x00191109),
                  two = _mm512_set1_epi8(2); /* 16 + 8 (level - 1) + 1 */
    __m512i moves = _mm512_loadu_si512(s->p[0] + 16 * 2);
    (void)kind;
    QB_UNROLL
    for (int x = 0; x < 16; x++) {
        const int j = x / 4, i = x % 4, bit = i / 2 * 16 + chunk_sub(c, j);
        __m512i q = _mm512_loadu_si512(s->p[0] + 16 * (14 + 16 * c + 4 * i));
        __m512i code = _mm512_permutexvar_epi8(j ? _mm512_srli_epi16(q, 2 * j) : q, codes);
        __mmask16 down = _mm512_test_epi32_mask(moves, _mm512_set1_epi32((int)(1u << bit)));
        w[x] = _mm512_mask_sub_epi32(code, down, code, two);
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_PANEL(iq1_m, x16, avx512vbmi, ROWS16_R16)

/*
 * IQ1_S in x16 for AVX512-VNNI: f16 d, 8 nibbles of scales and moves, planes of two bits.
 *
 * A panel holds 16 + scale times weight, looked up. GEMV multiplies the planes where they stand in the byte,
 * 4^plane too large, and shifts the sums of two 32s, which meet their integer scales as a pair.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_IQ1_S
#define W_ELEMS  256
#define W_BYTES  70
#define W_SUB    256
#define W_RUN    16
#define W_SHIFT  4
#define W_MIN    QB_MIN_I16
#define W_CHUNK  64
#define W_OWN_SUMS

/* Odd scales of 32s 0 .. 3 or 4 .. 7, in bytes; nibbles: the lower four bits of each byte. */
QB_INLINE __m512i odd_scales(__m512i nibbles)
{
    return _mm512_ternarylogic_epi32(_mm512_add_epi8(nibbles, nibbles), _mm512_set1_epi8(14),
                                     _mm512_set1_epi8(1), 0xea); /* (a & b) | c */
}

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i scales = _mm512_loadu_si512(s->p[0] + 16 * 2);
    h->scale[0] = rows16_scale(s, 0, 0, kind);
    h->min_scale = _mm512_mul_ps(h->scale[0], _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i nibbles = i ? high_nibbles(scales) : low_nibbles(scales), odd = odd_scales(nibbles);
        __mmask64 up = _mm512_testn_epi8_mask(nibbles, _mm512_set1_epi8(8));
        __m512i min = _mm512_mask_sub_epi8(odd, up, _mm512_setzero_si512(), odd);
        QB_UNROLL
        for (int j = 0; j < 2; j++) {
            h->sub_scale[2 * i + j] = byte_pair(odd, j);
            h->min_pair[2 * i + j] = signed_byte_pair(min, j);
        }
    }
}

/* Chunk c: 16 bytes, half of q[c / 2]. */
QB_INLINE int chunk_sub(int c, int j)
{
    return 4 * j + c;
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    __m512i scales = _mm512_loadu_si512(s->p[0] + 16 * 2), v[4];
    rows16_load(s, 6 + 16 * c, kind, v);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        const int k = chunk_sub(c, j) / 2;
        __m512i odd = spread_byte(odd_scales(k < 4 ? low_nibbles(scales) : high_nibbles(scales)), k % 4);
        __m512i table = multiples(_mm512_sub_epi8(_mm512_set1_epi8(16), odd), odd);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            w[4 * j + i] = lookup_two_bits(table, v[i], j);
    }
}

/* 4^j times the sum of (weight - 1) times activation over a 32 in plane j; x: its activations. */
QB_INLINE __m512i plane_dot(const __m512i v[8], int j, const int32_t *nsum, const int8_t *x, int i, int cols)
{
    const __m512i bits = _mm512_set1_epi8((char)(3 << 2 * j));
    __m512i w[8];
    QB_UNROLL
    for (int k = 0; k < 8; k++)
        w[k] = _mm512_and_si512(v[k], bits);
    return run_dot(_mm512_set1_epi32(nsum[i] * (1 << 2 * j)), w, 8, x, i, cols);
}

QB_INLINE void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h,
                          const struct qb_act *a, int64_t b, int cols, __m512i *sum)
{
    const int8_t *q = a->q + b * W_ELEMS * cols;
    const int32_t *nsum = a->nsum32 + b * 8 * cols;
    __m512i v[2][8];
    QB_UNROLL
    for (int c = 0; c < 4; c++)
        rows16_load(s, 6 + 16 * c, kind, v[c / 2] + c % 2 * 4);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        const int8_t *x = q + 64 * j * cols;
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        QB_UNROLL
        for (int i = 0; i < cols; i++) {
            __m512i first = plane_dot(v[0], j, nsum + 2 * j * cols, x, i, cols);
            __m512i second = plane_dot(v[1], j, nsum + (2 * j + 1) * cols, x + 32 * cols, i, cols);
            __m512i pair = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(first, 2 * j),
                                                   _mm512_slli_epi32(second, 16 - 2 * j));
            sum[i] = _mm512_dpwssd_epi32(sum[i], pair, h->sub_scale[j]);
        }
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(iq1_s, x16, ROWS16_R16)

/*
 * Q3_K for AVX512-VNNI: 32 bytes of high bits, two-bit planes, 16 scales of 6 bits, f16 d.
 *
 * A panel holds 128 less code times scale, looked up. GEMV multiplies the bare codes (0..7, 4 too much) and
 * lets the sums of 16 meet their negated integer scales in pairs.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q3_K
#define W_ELEMS  256
#define W_BYTES  110
#define W_SUB    256
#define W_RUN    16
#define W_SHIFT  7
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  64
#define W_OWN_SUMS

/* Minus the scales, -31..32: four bytes a dword, scales 4 g .. 4 g + 3 in sc[g]. */
QB_INLINE void read_negated_scales(const struct rows16 *s, enum rows16_kind kind, __m512i sc[4])
{
    const __m512i high = _mm512_set1_epi8(0x30), bias = _mm512_set1_epi8(32);
    __m512i v[3];
    if (kind == ROWS16_R16) {
        QB_UNROLL
        for (int i = 0; i < 3; i++)
            v[i] = rows16_dword(s, 96 + 4 * i, 92, kind);
    } else {
        __m512i u[4];
        rows16_load(s, 92, kind, u);
        v[0] = u[1];
        v[1] = u[2];
        v[2] = u[3];
    }
    __m512i bits[4] = {_mm512_slli_epi16(v[2], 4), _mm512_slli_epi16(v[2], 2), v[2],
                       _mm512_srli_epi16(v[2], 2)};
    QB_UNROLL
    for (int g = 0; g < 4; g++) {
        __m512i low = g < 2 ? low_nibbles(v[g]) : high_nibbles(v[g - 2]);
        sc[g] = _mm512_sub_epi8(bias, _mm512_or_si512(low, _mm512_and_si512(bits[g], high)));
    }
}

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i sc[4];
    h->scale[0] = _mm512_sub_ps(_mm512_set1_ps(-0.0f), rows16_scale(s, 108, 94, kind));
    read_negated_scales(s, kind, sc);
    QB_UNROLL
    for (int i = 0; i < 8; i++)
        h->sub_scale[i] = signed_byte_pair(sc[i / 2], i % 2);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    __m512i sc[4], v[4], mask[4];
    read_negated_scales(s, kind, sc);
    rows16_load(s, 32 + 16 * c, kind, v);
    rows16_load(s, 16 * (c % 2), kind, mask);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        int run = chunk_sub(c, j);
        __m512i scale = spread_byte(sc[run / 4], run % 4), two = _mm512_add_epi8(scale, scale);
        __m512i table = multiples(_mm512_set1_epi8((char)128), scale), four = _mm512_add_epi8(two, two);
        __m512i bit = _mm512_set1_epi8((char)(1 << (c / 2 * 4 + j)));
        QB_UNROLL
        for (int i = 0; i < 4; i++) {
            __m512i code = lookup_two_bits(table, v[i], j);
            w[4 * j + i] = _mm512_mask_sub_epi8(code, _mm512_testn_epi8_mask(mask[i], bit), code, four);
        }
    }
}

/* The bare codes of a plane: bit `plane` of the mask becomes the third bit. */
QB_INLINE __m512i three_bits(__m512i v, __m512i mask, int plane)
{
    __m512i bit = plane < 2 ? _mm512_slli_epi16(mask, 2 - plane) : _mm512_srli_epi16(mask, plane - 2);
    return _mm512_ternarylogic_epi32(two_bits(v, plane % 4), bit, _mm512_set1_epi8(4),
                                     0xf8); /* a | (b & c) */
}

QB_INLINE void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h,
                          const struct qb_act *a, int64_t b, int cols, __m512i *sum)
{
    const int8_t *q = a->q + b * W_ELEMS * cols;
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512i offset = _mm512_setzero_si512();
        QB_UNROLL
        for (int k = 0; k < 8; k++) {
            int32_t pair = *(const int32_t *)(a->npair16 + ((b * 8 + k) * cols + i) * 2);
            offset = _mm512_dpwssd_epi32(offset, h->sub_scale[k], _mm512_set1_epi32(pair));
        }
        sum[i] = _mm512_slli_epi32(offset, 2);
    }
    QB_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i v[8], mask[8], w[8];
        rows16_prefetch(s, 16 * W_BYTES / 2, kind);
        rows16_load(s, 32 + 32 * half, kind, v);
        rows16_load(s, 48 + 32 * half, kind, v + 4);
        rows16_load(s, 0, kind, mask);
        rows16_load(s, 16, kind, mask + 4);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            const int8_t *x = q + (128 * half + 32 * j) * cols;
            QB_UNROLL
            for (int k = 0; k < 8; k++)
                w[k] = three_bits(v[k], mask[k], 4 * half + j);
            QB_UNROLL
            for (int i = 0; i < cols; i++)
                sum[i] = _mm512_dpwssd_epi32(sum[i], runs_dot(w, x, i, cols), h->sub_scale[4 * half + j]);
        }
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q3_k, plain, ROWS16_STRIDED)
W_KERNELS(q3_k, r16, ROWS16_R16)

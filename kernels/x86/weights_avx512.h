/*
 * What the AVX512 decoders of all integer formats share: the header of a block and the nibble helpers.
 */
#ifndef QB_KERNELS_WEIGHTS_AVX512_H
#define QB_KERNELS_WEIGHTS_AVX512_H

#include "kernels/x86/int_scales_avx512.h"
#include "kernels/x86/rows16_avx512.h"

/* The scales of one block of 16 rows, lane = row. */
struct header {
    __m512 scale[16];      /* one per sub-block; integers if there is a scale_pair */
    __m512 min_f32;        /* QB_MIN_F32 (blocks of 32) */
    __m512i min_pair[8];   /* QB_MIN_I16 (4), QB_MIN_I16_16: minima 2i (low half) and 2i + 1 */
    __m512 min_scale;      /* of the integer minima */
    __m512i sub_scale[8];  /* integers that meet the sums of two runs of 16, int16; of two formats */
    __m512i scale_pair[8]; /* integer scales of sub-blocks 2i and 2i + 1, int16, and what multiplies them */
    __m512 d;
};

/* Pairs of integer minima in a block of 256. */
QB_INLINE int min_pairs(enum qb_min_kind min)
{
    return min == QB_MIN_I16 ? 4 : min == QB_MIN_I16_16 ? 8 : 0;
}

QB_INLINE void header_store(const struct header *h, struct qb_panel *p, int64_t b, int half, int subs,
                            enum qb_min_kind min, int cut)
{
    QB_UNROLL
    for (int i = 0; i < subs && cut == NO_INT_SCALES; i++)
        _mm512_store_ps(p->scale + (b * subs + i) * QB_PANEL_ROWS + half * 16, h->scale[i]);
    if (cut != NO_INT_SCALES)
        panel_int_scales(p, b, half, h->scale_pair, subs / 2, h->d, cut);
    if (min == QB_MIN_F32)
        _mm512_store_ps(p->min_f32 + b * QB_PANEL_ROWS + half * 16, h->min_f32);
    const int pairs = min_pairs(min);
    if (pairs == 0)
        return;
    QB_UNROLL
    for (int i = 0; i < pairs; i++)
        _mm512_store_si512(p->min_pair + ((b * pairs + i) * QB_PANEL_ROWS + half * 16) * 2, h->min_pair[i]);
    _mm512_store_ps(p->min_scale + b * QB_PANEL_ROWS + half * 16, h->min_scale);
}

/* Where the column sum of a block starts: the integer minima times the negated activation sums, or zero. */
QB_INLINE __m512 header_min(const struct header *h, const struct qb_act *a, int64_t b, int col, int cols,
                            enum qb_min_kind min)
{
    const int pairs = min_pairs(min);
    if (pairs == 0)
        return _mm512_setzero_ps();
    const int16_t *npair = min == QB_MIN_I16_16 ? a->npair16 : a->npair;
    __m512i t = _mm512_setzero_si512();
    QB_UNROLL
    for (int i = 0; i < pairs; i++) {
        int32_t pair = *(const int32_t *)(npair + ((b * pairs + i) * cols + col) * 2);
        t = _mm512_dpwssd_epi32(t, h->min_pair[i], _mm512_set1_epi32(pair));
    }
    return _mm512_mul_ps(_mm512_cvtepi32_ps(t), h->min_scale);
}

/* Activations 4 v .. 4 v + 3 of column `col`, for all rows. */
QB_INLINE __m512i broadcast_x4(const int8_t *q, int v, int col, int cols)
{
    return _mm512_set1_epi32(*(const int32_t *)(q + (v * cols + col) * 4));
}

/* Codes times activations over a run of `vecs` vectors, from `start` on; q: the activations of the run. Long
 * runs have two chains. */
QB_INLINE __m512i run_dot(__m512i start, const __m512i *w, int vecs, const int8_t *q, int col, int cols)
{
    __m512i even = start, odd = _mm512_setzero_si512();
    QB_UNROLL
    for (int v = 0; v < vecs; v++) {
        if (vecs > 4 && v % 2)
            odd = _mm512_dpbusd_epi32(odd, w[v], broadcast_x4(q, v, col, cols));
        else
            even = _mm512_dpbusd_epi32(even, w[v], broadcast_x4(q, v, col, cols));
    }
    return vecs > 4 ? _mm512_add_epi32(even, odd) : even;
}

/* The sums of two runs of 16, to meet a pair of integer scales; x: the activations of both. */
QB_INLINE __m512i runs_dot(const __m512i w[8], const int8_t *x, int col, int cols)
{
    const __m512i zero = _mm512_setzero_si512();
    return pack_pair(run_dot(zero, w, 4, x, col, cols), run_dot(zero, w + 4, 4, x + 16 * cols, col, cols));
}

/* Bytes 2 i and 2 i + 1 of every dword as a pair of int16, not negative. */
QB_INLINE __m512i byte_pair(__m512i dwords, int i)
{
    const __m512i pair01 =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1));
    const __m512i pair23 =
        _mm512_broadcast_i32x4(_mm_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1));
    return _mm512_shuffle_epi8(dwords, i ? pair23 : pair01);
}

/* Signed ones. */
QB_INLINE __m512i signed_byte_pair(__m512i dwords, int i)
{
    return _mm512_srai_epi16(_mm512_slli_epi16(byte_pair(dwords, i), 8), 8);
}

/* Byte i of every dword, four times. */
QB_INLINE __m512i spread_byte(__m512i dwords, int i)
{
    const __m512i row = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    return _mm512_shuffle_epi8(dwords, _mm512_add_epi8(row, _mm512_set1_epi8((char)i)));
}

/* start + 0, 1, 2, 3 times the byte that fills a dword: what lookup_two_bits chooses from. */
QB_INLINE __m512i multiples(__m512i start, __m512i byte)
{
    __m512i t = _mm512_mask_add_epi8(start, 0xaaaaaaaaaaaaaaaaull, start, byte);
    return _mm512_mask_add_epi8(t, 0xccccccccccccccccull, t, _mm512_add_epi8(byte, byte));
}

/* Bits 2 i, 2 i + 1 of each byte of v choose from the four bytes in the row's dword of `table`. */
QB_INLINE __m512i lookup_two_bits(__m512i table, __m512i v, int i)
{
    const __m512i row = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    __m512i code = _mm512_ternarylogic_epi32(_mm512_srli_epi16(v, 2 * i), _mm512_set1_epi8(3), row,
                                             0xea); /* (a & b) | c */
    return _mm512_shuffle_epi8(table, code);
}

QB_INLINE __m512i low_nibbles(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(0x0f));
}

QB_INLINE __m512i high_nibbles(__m512i v)
{
    return low_nibbles(_mm512_srli_epi16(v, 4));
}

/* A 32-block of nibbles: low nibbles are weights 0..15, high nibbles 16..31. */
QB_INLINE void split_nibbles(const __m512i v[4], __m512i w[8])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        w[i] = low_nibbles(v[i]);
        w[4 + i] = high_nibbles(v[i]);
    }
}

/* Add `value` to weight 4g + i of a 32-block where bit 4g + i of the row's dword is set. */
QB_INLINE void add_fifth_bits(__m512i bits, __m512i w[8])
{
    const __m512i value = _mm512_set1_epi8(16);
    QB_UNROLL
    for (int g = 0; g < 8; g++) {
        __m512i spread = spread_byte(bits, g / 2);
        __m512i select = _mm512_set1_epi32(g % 2 ? (int)0x80402010u : 0x08040201);
        w[g] = _mm512_mask_add_epi8(w[g], _mm512_test_epi8_mask(spread, select), w[g], value);
    }
}

/* The 16 levels of IQ4 as codes (level + 128), looked up by nibble. */
QB_INLINE __m512i iq4_codes(__m512i nibbles)
{
    const __m128i levels = _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                         (char)166, (char)181, (char)197, (char)217, (char)241);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), nibbles);
}

/* The 16 levels of MXFP4 and NVFP4 as codes (level + 16), looked up by nibble. */
QB_INLINE __m512i fp4_codes(__m512i nibbles)
{
    const __m128i levels = _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), nibbles);
}

/* Two-bit planes (Q2_K, Q3_K, TQ2_0): plane i of bytes. */
QB_INLINE __m512i two_bits(__m512i v, int i)
{
    return _mm512_and_si512(_mm512_srli_epi16(v, 2 * i), _mm512_set1_epi8(3));
}

/* Number of the run of 16 that plane j of chunk c is: 32 bytes have 128 weights, chunk c is a half of them.
 */
QB_INLINE int two_bit_run(int c, int j)
{
    return 8 * (c / 2) + 2 * j + c % 2;
}

/* Byte i of every dword, as float. */
QB_INLINE __m512 byte_as_float(__m512i dwords, int i)
{
    __m512i v = _mm512_srli_epi32(dwords, 8 * i);
    return _mm512_cvtepi32_ps(i == 3 ? v : _mm512_and_si512(v, _mm512_set1_epi32(0xff)));
}

/* 2 n + 1 of the nibble n that begins at bit `at` of every dword, as float. */
QB_INLINE __m512 odd_as_float(__m512i dwords, int at)
{
    const __m512 odd = _mm512_setr_ps(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutexvar_ps(at ? _mm512_srli_epi32(dwords, (unsigned)at) : dwords, odd);
}

/* Scale and minimum of Q4_1 and Q5_1 from the first dword of each block: f16 d, f16 m. */
QB_INLINE void read_scale_and_min(__m512i dwords, struct header *h)
{
    h->scale[0] = rows16_f16_low(dwords);
    h->min_f32 = rows16_f16_low(_mm512_srli_epi32(dwords, 16));
}

/* Scales and minima of Q4_K and Q5_K: f16 d and dmin, then twelve bytes of 6-bit pairs. */
QB_INLINE void read_k_scales(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    const __m512i six = _mm512_set1_epi8(0x3f), two = _mm512_set1_epi8(0x30);
    __m512i v[4], sc[2], mn[2];
    rows16_load(s, 0, kind, v);
    h->d = rows16_f16_low(v[0]);
    h->min_scale = rows16_f16_low(_mm512_srli_epi32(v[0], 16));
    sc[0] = _mm512_and_si512(v[1], six);
    mn[0] = _mm512_and_si512(v[2], six);
    sc[1] = _mm512_or_si512(low_nibbles(v[3]), _mm512_and_si512(_mm512_srli_epi16(v[1], 2), two));
    mn[1] = _mm512_or_si512(high_nibbles(v[3]), _mm512_and_si512(_mm512_srli_epi16(v[2], 2), two));
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        h->min_pair[2 * i] = byte_pair(mn[i], 0);
        h->min_pair[2 * i + 1] = byte_pair(mn[i], 1);
        h->scale_pair[2 * i] = byte_pair(sc[i], 0);
        h->scale_pair[2 * i + 1] = byte_pair(sc[i], 1);
        QB_UNROLL
        for (int j = 0; j < 4; j++)
            h->scale[4 * i + j] = byte_as_float(sc[i], j);
    }
}

#endif

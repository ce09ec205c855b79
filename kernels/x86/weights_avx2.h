/*
 * What the AVX2 decoders of several formats share: nibbles, fifth bits, the IQ4 levels, K-quant scales.
 */
#ifndef QB_KERNELS_WEIGHTS_AVX2_H
#define QB_KERNELS_WEIGHTS_AVX2_H

#include "kernels/x86/rows8_avx2.h"

/* Where the scales and minima of 8 rows go: element [i][rows] of the panel arrays, or of a copy on the stack.
 */
struct header8 {
    float *scale, *min_f32, *min_scale;
    int16_t *min_pair;
    int rows; /* distance from one sub-block to the next */
};

/* GEMV takes 16 rows at a time, two vectors: whole cache lines of r16, and two chains for every column. */
#define GEMV_VECS 2
#define GEMV_ROWS (8 * GEMV_VECS)

struct gemv_acc {
    __m256 v[GEMV_VECS][QB_GEMV_MAX_COLS];
};
struct gemv_sums {
    __m256i v[GEMV_VECS][QB_GEMV_MAX_COLS];
};

/* Four activations for all rows. */
QB_INLINE __m256i gemv_x4(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm256_set1_epi32(x);
}

QB_INLINE __m256i low_nibbles(__m256i v)
{
    return _mm256_and_si256(v, _mm256_set1_epi8(0x0f));
}

QB_INLINE __m256i high_nibbles(__m256i v)
{
    return low_nibbles(_mm256_srli_epi16(v, 4));
}

/* Weights 4i .. 4i + 3 of a 32-block: low nibbles are weights 0..15, high nibbles 16..31 of the 16 bytes at
 * o. */
QB_INLINE __m256i block_nibbles(struct block8 b, int o, int i)
{
    __m256i v = block8_dwords(b, o + 4 * (i % 4));
    return i < 4 ? low_nibbles(v) : high_nibbles(v);
}

/* Byte i of every dword, four times. */
QB_INLINE __m256i spread_byte(__m256i dwords, int i)
{
    const __m256i row =
        _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    return _mm256_shuffle_epi8(dwords, _mm256_add_epi8(row, _mm256_set1_epi8((char)i)));
}

/* Bits 4i .. 4i + 3 of the dword at o as bit 4 of four bytes. */
QB_INLINE __m256i fifth_bits(struct block8 b, int o, int i)
{
    __m256i bits = block8_dwords(b, o);
    if (i % 2 == 0)
        bits = _mm256_slli_epi16(bits,
                                 4); /* to the upper half of the byte, where a minimum makes 16 of any bit */
    __m256i one = _mm256_and_si256(spread_byte(bits, i / 2), _mm256_set1_epi32((int)0x80402010u));
    return _mm256_min_epu8(one, _mm256_set1_epi8(16));
}

/* The 16 levels of IQ4_NL and IQ4_XS by nibble. */
QB_INLINE __m256i iq4_levels(__m256i nibbles)
{
    const __m128i levels =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), nibbles);
}

/* The same as codes: level + 128. */
QB_INLINE __m256i iq4_codes(__m256i nibbles)
{
    const __m128i codes = _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                        (char)166, (char)181, (char)197, (char)217, (char)241);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(codes), nibbles);
}

/* The 16 levels of MXFP4 and NVFP4 as codes (level + 16), looked up by nibble. */
QB_INLINE __m256i fp4_codes(__m256i nibbles)
{
    const __m128i levels = _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(levels), nibbles);
}

/* Byte i of every dword as two int16 of the same value, in their lower or (the lower zero) upper halves. */
QB_INLINE __m256i twice_byte(__m256i dwords, int i, bool upper)
{
    const char z = -1, a = (char)i, b = (char)(4 + i), c = (char)(8 + i), d = (char)(12 + i);
    const __m128i low = _mm_setr_epi8(a, z, a, z, b, z, b, z, c, z, c, z, d, z, d, z);
    const __m128i high = _mm_setr_epi8(z, a, z, a, z, b, z, b, z, c, z, c, z, d, z, d);
    return _mm256_shuffle_epi8(dwords, _mm256_broadcastsi128_si256(upper ? high : low));
}

/* Bytes 2 i and 2 i + 1 of every dword as a pair of int16, not negative. */
QB_INLINE __m256i int16_pair(__m256i dwords, int i)
{
    const __m256i pair01 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1));
    const __m256i pair23 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15, -1));
    return _mm256_shuffle_epi8(dwords, i ? pair23 : pair01);
}

/* Byte `at` of the dwords first, first + step, first + 2 step and first + 3 step of column `col`, for all
 * rows. */
QB_INLINE __m256i gather_x4(const int8_t *q, int first, int step, int at, int col, int cols)
{
    const __m128i pick = _mm_set1_epi32((12 + at) << 24 | (8 + at) << 16 | (4 + at) << 8 | at);
    int32_t x[4];
    QB_UNROLL
    for (int k = 0; k < 4; k++)
        memcpy(&x[k], q + ((first + k * step) * cols + col) * 4, sizeof x[k]);
    __m256i x16 = _mm256_broadcastsi128_si256(_mm_setr_epi32(x[0], x[1], x[2], x[3]));
    return _mm256_shuffle_epi8(x16, _mm256_broadcastsi128_si256(pick));
}

/* Codes w of both vectors of rows times activations i of a run (q), in int16: into part, or the first of it.
 */
QB_INLINE void add_products(struct gemv_sums *part, const __m256i w[GEMV_VECS], const int8_t *q, int i,
                            int cols, bool first)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i t = _mm256_maddubs_epi16(w[v], gemv_x4(q + (i * cols + n) * 4));
        part->v[v][n] = first ? t : _mm256_add_epi16(part->v[v][n], t);
        QB_IN_ORDER(part->v[v][n]);
    }
}

/* sum += part times a pair of int16 factors for each row. */
QB_INLINE void add_part(struct gemv_sums *sum, const struct gemv_sums *part, const __m256i factor[GEMV_VECS],
                        int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        sum->v[v][n] = _mm256_add_epi32(sum->v[v][n], _mm256_madd_epi16(part->v[v][n], factor[v]));
        QB_IN_ORDER(sum->v[v][n]);
    }
}

/* Sums that start at the given numbers of the columns, or at zero. */
QB_INLINE void start_sums(struct gemv_sums *sum, const int32_t *from, int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++)
        sum->v[x % GEMV_VECS][x / GEMV_VECS] = _mm256_set1_epi32(from ? from[x / GEMV_VECS] : 0);
}

/* Two-bit planes (Q2_K, Q3_K, TQ2_0): plane i of bytes. */
QB_INLINE __m256i two_bits(__m256i v, int i)
{
    return _mm256_and_si256(i == 0 ? v : _mm256_srli_epi16(v, 2 * i), _mm256_set1_epi8(3));
}

/* Number of the run of 16 that plane j of chunk c is: 32 bytes have 128 weights, chunk c is a half of them.
 */
QB_INLINE int two_bit_run(int c, int j)
{
    return 8 * (c / 2) + 2 * j + c % 2;
}

/* start + 0, 1, 2, 3 times the byte that fills a dword: what lookup_two_bits chooses from. */
QB_INLINE __m256i multiples(__m256i start, __m256i byte)
{
    __m256i once = _mm256_and_si256(byte, _mm256_set1_epi16((short)0xff00));
    __m256i twice = _mm256_and_si256(_mm256_add_epi8(byte, byte), _mm256_set1_epi32((int)0xffff0000u));
    return _mm256_add_epi8(start, _mm256_add_epi8(once, twice));
}

/* The two bits of each byte of `codes` choose from the four bytes in the row's dword of `table`. */
QB_INLINE __m256i lookup_two_bits(__m256i table, __m256i codes)
{
    const __m256i row =
        _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    return _mm256_shuffle_epi8(table, _mm256_or_si256(codes, row));
}

/* Byte i of every dword, as float. */
QB_INLINE __m256 byte_as_float(__m256i dwords, int i)
{
    __m256i v = i == 0 ? dwords : _mm256_srli_epi32(dwords, 8 * i);
    return _mm256_cvtepi32_ps(i == 3 ? v : _mm256_and_si256(v, _mm256_set1_epi32(0xff)));
}

QB_INLINE void read_scale_f16(struct block8 b, int o, struct header8 h)
{
    _mm256_storeu_ps(h.scale, block8_f16(b, o));
}

/* f16 scale, f16 minimum. */
QB_INLINE void read_scale_min(struct block8 b, int o, struct header8 h)
{
    __m256 d, m;
    block8_f16_pair(block8_dwords(b, o), &d, &m);
    _mm256_storeu_ps(h.scale, d);
    _mm256_storeu_ps(h.min_f32, m);
}

/* Scales and minima of Q4_K and Q5_K: f16 d and dmin, then twelve bytes of 6-bit pairs. */
QB_INLINE void read_k_scales(struct block8 b, struct header8 h)
{
    const __m256i six = _mm256_set1_epi8(0x3f), two = _mm256_set1_epi8(0x30);
    __m256 d, dmin;
    block8_f16_pair(block8_dwords(b, 0), &d, &dmin);
    _mm256_storeu_ps(h.min_scale, dmin);
    __m256i v1 = block8_dwords(b, 4), v2 = block8_dwords(b, 8), v3 = block8_dwords(b, 12), sc[2], mn[2];
    sc[0] = _mm256_and_si256(v1, six);
    mn[0] = _mm256_and_si256(v2, six);
    sc[1] = _mm256_or_si256(low_nibbles(v3), _mm256_and_si256(_mm256_srli_epi16(v1, 2), two));
    mn[1] = _mm256_or_si256(high_nibbles(v3), _mm256_and_si256(_mm256_srli_epi16(v2, 2), two));
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        int16_t *pair = h.min_pair + 4 * i * h.rows;
        _mm256_storeu_si256((void *)pair, int16_pair(mn[i], 0));
        _mm256_storeu_si256((void *)(pair + 2 * h.rows), int16_pair(mn[i], 1));
        QB_UNROLL
        for (int j = 0; j < 4; j++)
            _mm256_storeu_ps(h.scale + (4 * i + j) * h.rows, _mm256_mul_ps(d, byte_as_float(sc[i], j)));
    }
}

#endif

/*
 * What the AVX2 decoders of the codebook formats share. A run is 32 weights, of which a block has 8.
 *
 * A byte permutation is too narrow for these tables, so each point is a load by its index. The loads want the
 * weights of one row side by side, everything else (indices, signs, scales) is cheapest with lane = row: so 8
 * rows are taken apart together into small arrays, from which the rows are put together one by one.
 */
#ifndef QB_KERNELS_POINTS_AVX2_H
#define QB_KERNELS_POINTS_AVX2_H

#include "kernels/x86/codebook_levels.h"
#include "kernels/x86/weights_avx2.h"

/* One block of 8 rows. Scale of 16 weights = unit x factor. */
struct points8 {
    struct block8 b;
    __m256 unit;
    __m256i min[4];           /* IQ1_S: min_pair of the panel */
    __m256i offset[8];        /* IQ1: what meets the pairs of activation sums, in units, [8 rows][2] */
    uint32_t signs[8][8];     /* [run][row]: a bit for every weight */
    uint32_t factor[8][8];    /* [run][row]: int16 of the first and of the last 16 weights */
    uint16_t index[32][8][2]; /* [pair][row] */
} __attribute__((aligned(32)));

/* The same from one row on. */
struct row8 {
    const uint8_t *bytes;
    int bytes_step;
    const uint32_t *signs, *factor;
    const uint16_t *index;
};

QB_INLINE struct row8 points8_row(const struct points8 *p, int row)
{
    return (struct row8){p->b.dword + 4 * row, p->b.rows, p->signs[0] + row, p->factor[0] + row,
                         p->index[0][row]};
}

/* The 4 bytes at offset o of the block. */
QB_INLINE const uint8_t *row8_bytes(struct row8 r, int o)
{
    return r.bytes + r.bytes_step * o;
}

/* Two indices. */
QB_INLINE const uint16_t *row8_index(struct row8 r, int pair)
{
    return r.index + 16 * pair;
}

QB_INLINE void points8_set(uint32_t to[8], __m256i v)
{
    _mm256_store_si256((void *)to, v);
}

QB_INLINE void points8_set_index(struct points8 *p, int pair, __m256i v)
{
    _mm256_store_si256((void *)p->index[pair], v);
}

/* Plain blocks of an f16 and `bytes` more, at least 16. */
QB_INLINE void image_f16_and_rest(const uint8_t *const p[8], size_t at, int bytes, uint8_t *image)
{
    rows8_image_2(p, at, 0, image);
    for (int o = 0; o + 16 <= bytes; o += 16)
        rows8_image_16(p, at, 2 + o, image);
    if (bytes % 16)
        rows8_image_16(p, at, 2 + bytes - 16, image);
}

/* Bytes `a` and `b` of every dword, one in each half of it. */
QB_INLINE __m256i byte_pair(__m256i dwords, int a, int b)
{
    const __m256i at = _mm256_setr_epi8(
        (char)a, -1, (char)b, -1, (char)(a + 4), -1, (char)(b + 4), -1, (char)(a + 8), -1, (char)(b + 8), -1,
        (char)(a + 12), -1, (char)(b + 12), -1, (char)a, -1, (char)b, -1, (char)(a + 4), -1, (char)(b + 4),
        -1, (char)(a + 8), -1, (char)(b + 8), -1, (char)(a + 12), -1, (char)(b + 12), -1);
    return _mm256_shuffle_epi8(dwords, at);
}

/* The halves of every dword times two powers of two, and the bits of `mask` in both. */
QB_INLINE __m256i shifted_pair(__m256i v, int low, int high, int mask)
{
    __m256i by = _mm256_set1_epi32(low | high << 16);
    return _mm256_and_si256(_mm256_mullo_epi16(v, by), _mm256_set1_epi16((short)mask));
}

/* 2 s + 1 for the bits `mask` of each half. */
QB_INLINE __m256i odd_factors(__m256i s, int mask)
{
    s = _mm256_and_si256(s, _mm256_set1_epi16((short)mask));
    return _mm256_add_epi16(_mm256_add_epi16(s, s), _mm256_set1_epi16(1));
}

/* The f16 at offset 0 times a power of two. */
QB_INLINE void read_unit(struct points8 *p, float times)
{
    p->unit = _mm256_mul_ps(block8_f16(p->b, 0), _mm256_set1_ps(times));
}

/* Scales of 16 weights as nibbles, those of 4 runs in the dword at o and of the others in the next. */
QB_INLINE void read_nibble_factors(struct points8 *p, int o)
{
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i v = byte_pair(block8_dwords(p->b, o + run / 4 * 4), run % 4, run % 4);
        v = _mm256_blend_epi16(v, _mm256_srli_epi16(v, 4), 0xaa);
        points8_set(p->factor[run], odd_factors(v, 15));
    }
}

/* Bytes of 7 sign bits: the eighth makes the number of minus signs even. */
QB_INLINE __m256i even_signs(__m256i codes)
{
    const __m256i odd = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), _mm256_set1_epi8(7));
    __m256i parity = _mm256_xor_si256(_mm256_shuffle_epi8(odd, codes), _mm256_shuffle_epi8(odd, high));
    return _mm256_or_si256(codes, parity);
}

/* Four sign codes of 7 bits below the scale of the run (IQ2_XXS, IQ3_XXS). */
QB_INLINE void read_signs_and_scale(struct points8 *p, int run, __m256i v)
{
    __m256i pairs = _mm256_blend_epi16(v, _mm256_slli_epi32(v, 2), 0xaa); /* 14 bits in each half */
    __m256i even = _mm256_and_si256(pairs, _mm256_set1_epi16(0x7f));
    __m256i odd = _mm256_and_si256(_mm256_slli_epi16(pairs, 1), _mm256_set1_epi16(0x7f00));
    points8_set(p->signs[run], even_signs(_mm256_or_si256(even, odd)));
    __m256i factor = _mm256_or_si256(_mm256_srli_epi32(v, 27), _mm256_set1_epi32(1));
    points8_set(p->factor[run], _mm256_or_si256(factor, _mm256_slli_epi32(factor, 16)));
}

QB_INLINE __m256i points_of_8(const uint64_t *levels, int a, int b, int c, int d)
{
    __m128i low = _mm_insert_epi64(_mm_loadl_epi64((const void *)&levels[a]), (int64_t)levels[b], 1);
    __m128i high = _mm_insert_epi64(_mm_loadl_epi64((const void *)&levels[c]), (int64_t)levels[d], 1);
    return _mm256_set_m128i(high, low);
}

/* The 4 points of a run whose indices stand in pairs: 0 and 2, 1 and 3. */
QB_INLINE __m256i indexed_points_of_8(struct row8 r, const uint64_t *levels, int run)
{
    const uint16_t *even = row8_index(r, 2 * run), *odd = row8_index(r, 2 * run + 1);
    return points_of_8(levels, even[0], odd[0], even[1], odd[1]);
}

QB_INLINE __m128i points_of_4(const uint32_t *levels, int a, int b, int c, int d)
{
    __m128i v = _mm_cvtsi32_si128((int)levels[a]);
    v = _mm_insert_epi32(v, (int)levels[b], 1);
    v = _mm_insert_epi32(v, (int)levels[c], 2);
    return _mm_insert_epi32(v, (int)levels[d], 3);
}

/* The bytes of a dword that are named by the digits of `order`, each for 8 weights. */
QB_INLINE __m256i bytes_of_8(uint32_t dword, int order)
{
    const int x = 0x01010101, b0 = x * (order & 3), b1 = x * (order >> 4 & 3), b2 = x * (order >> 8 & 3),
              b3 = x * (order >> 12 & 3);
    return _mm256_shuffle_epi8(_mm256_set1_epi32((int)dword),
                               _mm256_setr_epi32(b0, b0, b1, b1, b2, b2, b3, b3));
}

/* A positive number, or a negative one where the sign bit is set: 127 plus any single bit wraps. */
QB_INLINE __m256i plus_or_minus(uint32_t signs, int order)
{
    const __m256i bit = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    return _mm256_add_epi8(_mm256_and_si256(bytes_of_8(signs, order), bit), _mm256_set1_epi8(127));
}

/* The codes of a panel from levels and their signs. */
QB_INLINE __m256i signed_codes(__m256i levels, uint32_t signs, int order, int offset)
{
    return _mm256_add_epi8(_mm256_sign_epi8(levels, plus_or_minus(signs, order)),
                           _mm256_set1_epi8((char)offset));
}

/* Sums of the 8 lanes of 8 vectors, in their order. */
QB_INLINE __m256i lane_sums(const __m256i v[8])
{
    __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

/* v[row] lane k becomes v[k] lane row. */
QB_INLINE void transpose8(__m256i v[8])
{
    __m256i a[8], b[8];
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    QB_UNROLL
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
}

/* A block of 256 activations of `cols` columns, 4 of each in turn, to one array a column. */
QB_INLINE void split_columns(const int8_t *q, int cols, int8_t out[QB_GEMV_MAX_COLS][256])
{
    for (int i = 0; i < 8; i++) {
        QB_UNROLL
        for (int c = 0; c < cols; c++) {
            __m256i v = _mm256_setzero_si256();
            QB_UNROLL
            for (int k = 0; k < cols; k++) { /* lanes of source vector k */
                const __m256i first = _mm256_set1_epi32(c - 8 * k), last = _mm256_set1_epi32(8);
                __m256i at =
                    _mm256_add_epi32(first, _mm256_mullo_epi32(_mm256_set1_epi32(cols),
                                                               _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
                __m256i valid = _mm256_andnot_si256(_mm256_srai_epi32(at, 31), _mm256_cmpgt_epi32(last, at));
                __m256i from = _mm256_loadu_si256((const void *)(q + (i * cols + k) * 32));
                v = _mm256_or_si256(v, _mm256_and_si256(valid, _mm256_permutevar8x32_epi32(from, at)));
            }
            _mm256_store_si256((void *)(out[c] + 32 * i), v);
        }
    }
}

#endif

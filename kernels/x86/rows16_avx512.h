/*
 * Reading 16 rows of a matrix in any layout: what a layout is to the AVX512 kernels.
 *
 * A format's decoder asks for "bytes o .. o + 15 of the block, 16 rows" and gets four vectors; vector i holds
 * [16 rows][4 bytes], the bytes o + 4i .. o + 4i + 3. The source kind is a compile-time constant, so each
 * kernel has exactly the loads and shuffles of its layout. Included by the *_avx512vnni.c files only.
 */
#ifndef QB_KERNELS_ROWS16_AVX512_H
#define QB_KERNELS_ROWS16_AVX512_H

#include <immintrin.h>

#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include "kernels/x86/stream.h"

enum rows16_kind {
    ROWS16_STRIDED, /* plain, 16 full rows at a fixed stride */
    ROWS16_TABLE,   /* plain, one pointer a row: the end of a matrix, where the last row repeats */
    ROWS16_R16,
    ROWS16_4X4,
    ROWS16_4X8,
    ROWS16_8X4,
    ROWS16_8X8,
};

/* Rows that lie together in one group. */
QB_INLINE int rows16_group(enum rows16_kind kind)
{
    switch (kind) {
    case ROWS16_R16:
        return 16;
    case ROWS16_8X4:
    case ROWS16_8X8:
        return 8;
    case ROWS16_4X4:
    case ROWS16_4X8:
        return 4;
    default:
        return 1;
    }
}

/* The layouts of llama.cpp have the fields of a block in an order of their own (kernels/packings.def). */
QB_INLINE bool rows16_is_reordered(enum rows16_kind kind)
{
    return rows16_group(kind) == 4 || rows16_group(kind) == 8;
}

/* Position in 16 rows: the current block of each. */
struct rows16 {
    const uint8_t *p[4];    /* STRIDED, R16: p[0]; 8x4, 8x8: two groups; 4x4, 4x8: four groups */
    size_t stride;          /* STRIDED: bytes from row to row */
    const uint8_t *row[16]; /* TABLE */
    const uint8_t *ahead;   /* the next line that rows16_prefetch asks for, and how far it may go */
    const uint8_t *ahead_end;
};

/* r16 is one stream. The 16 streams of plain rows are too short for the hardware to follow; but together they
 * are contiguous too, so ask for the same place of the next 16 rows. */
QB_INLINE size_t rows16_ahead_bytes(size_t row_bytes, enum rows16_kind kind)
{
    return kind == ROWS16_R16 ? qb_cpu_stream.near_bytes : 16 * row_bytes;
}

/* First block of 16 rows from row0 at weight k0. Groups and rows past the end repeat the last one. */
QB_INLINE void rows16_init(struct rows16 *s, const struct qb_matrix *m, int64_t row0, int64_t k0,
                           enum rows16_kind kind)
{
    size_t row_bytes = qb_matrix_row_bytes(m), skip = qb_matrix_bytes_to(m, k0);
    int64_t last = m->n_rows - 1;
    if (kind == ROWS16_TABLE) {
        for (int i = 0; i < 16; i++)
            s->row[i] = m->data + (size_t)(row0 + i < last ? row0 + i : last) * row_bytes + skip;
        return;
    }
    s->stride = row_bytes;
    s->ahead = m->data + (size_t)row0 * row_bytes + skip * 16 + rows16_ahead_bytes(row_bytes, kind);
    s->ahead_end = s->ahead;
    const int rows = rows16_group(kind);
    for (int i = 0; i < (rows == 1 ? 1 : 16 / rows); i++) {
        int64_t g = row0 / rows + i, g_last = last / rows;
        s->p[i] =
            m->data + (size_t)(g < g_last ? g : g_last) * (size_t)rows * row_bytes + skip * (size_t)rows;
    }
}

QB_INLINE void rows16_next(struct rows16 *s, int block_bytes, enum rows16_kind kind)
{
    const int groups = 16 / rows16_group(kind);
    switch (kind) {
    case ROWS16_STRIDED:
        s->p[0] += block_bytes;
        break;
    case ROWS16_TABLE:
        QB_UNROLL
        for (int i = 0; i < 16; i++)
            s->row[i] += block_bytes;
        break;
    default:
        QB_UNROLL
        for (int i = 0; i < groups; i++)
            s->p[i] += 16 / groups * block_bytes;
        break;
    }
}

/* Ask for the next `bytes`. */
QB_INLINE void rows16_prefetch(struct rows16 *s, int bytes, enum rows16_kind kind)
{
    if (kind == ROWS16_TABLE)
        return;
    s->ahead_end += bytes;
    s->ahead = stream_walk(s->ahead, s->ahead_end);
}

/* The first 16 plain rows have nobody who asked for them before. */
QB_INLINE void rows16_prefetch_first(const struct qb_matrix *m, int64_t row0, enum rows16_kind kind)
{
    if (kind != ROWS16_STRIDED)
        return;
    const uint8_t *p = m->data + (size_t)row0 * qb_matrix_row_bytes(m);
    const uint8_t *end = p + 16 * qb_matrix_row_bytes(m);
    QB_NO_UNROLL
    for (; p < end; p += 64)
        _mm_prefetch((const char *)p, _MM_HINT_T0);
}

QB_INLINE const uint8_t *rows16_row(const struct rows16 *s, int i, enum rows16_kind kind)
{
    return kind == ROWS16_TABLE ? s->row[i] : s->p[0] + (size_t)i * s->stride;
}

/* 16 bytes at o of a row, in the lanes of `lanes`. */
QB_INLINE __m512i rows16_put(__m512i v, __mmask16 lanes, const uint8_t *row, int o)
{
    return _mm512_mask_broadcast_i32x4(v, lanes, _mm_loadu_si128((const void *)(row + o)));
}

/* 16 bytes at offset o of plain rows i, i + 4, i + 8, i + 12. Masked broadcasts: insertions do as well in L2,
 * but are slower from memory. */
QB_INLINE __m512i rows16_gather4(const struct rows16 *s, int i, int o, enum rows16_kind kind)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(rows16_row(s, i, kind) + o)));
    v = rows16_put(v, 0x00f0, rows16_row(s, i + 4, kind), o);
    v = rows16_put(v, 0x0f00, rows16_row(s, i + 8, kind), o);
    return rows16_put(v, 0xf000, rows16_row(s, i + 12, kind), o);
}

/* Plain rows: 16 loads, then 4x4 transposes of dwords inside the lanes. */
QB_INLINE void rows16_load_plain(const struct rows16 *s, int o, enum rows16_kind kind, __m512i v[4])
{
    __m512i a = rows16_gather4(s, 0, o, kind), b = rows16_gather4(s, 1, o, kind);
    __m512i c = rows16_gather4(s, 2, o, kind), d = rows16_gather4(s, 3, o, kind);
    __m512i ab_lo = _mm512_unpacklo_epi32(a, b), ab_hi = _mm512_unpackhi_epi32(a, b);
    __m512i cd_lo = _mm512_unpacklo_epi32(c, d), cd_hi = _mm512_unpackhi_epi32(c, d);
    v[0] = _mm512_unpacklo_epi64(ab_lo, cd_lo);
    v[1] = _mm512_unpackhi_epi64(ab_lo, cd_lo);
    v[2] = _mm512_unpacklo_epi64(ab_hi, cd_hi);
    v[3] = _mm512_unpackhi_epi64(ab_hi, cd_hi);
}

/*
 * The layouts of llama.cpp: 16 bytes of each row of a group are 64 or 128 contiguous bytes, in chunks of 4 or
 * 8. o: the field's offset in a packed row (all fields before it) plus the place in the field.
 */
QB_INLINE void rows16_load_8x8(const struct rows16 *s, int o, __m512i v[4])
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    QB_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i a = _mm512_loadu_si512(s->p[0] + 8 * o + 64 * i);
        __m512i b = _mm512_loadu_si512(s->p[1] + 8 * o + 64 * i);
        v[2 * i] = _mm512_permutex2var_epi32(a, even, b);
        v[2 * i + 1] = _mm512_permutex2var_epi32(a, odd, b);
    }
}

QB_INLINE void rows16_load_8x4(const struct rows16 *s, int o, __m512i v[4])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i a = _mm256_loadu_si256((const void *)(s->p[0] + 8 * o + 32 * i));
        __m256i b = _mm256_loadu_si256((const void *)(s->p[1] + 8 * o + 32 * i));
        v[i] = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
    }
}

QB_INLINE void rows16_load_4x4(const struct rows16 *s, int o, __m512i v[4])
{
    __m512i a = _mm512_loadu_si512(s->p[0] + 4 * o), b = _mm512_loadu_si512(s->p[1] + 4 * o);
    __m512i c = _mm512_loadu_si512(s->p[2] + 4 * o), d = _mm512_loadu_si512(s->p[3] + 4 * o);
    __m512i ab0 = _mm512_shuffle_i32x4(a, b, 0x44), cd0 = _mm512_shuffle_i32x4(c, d, 0x44);
    __m512i ab1 = _mm512_shuffle_i32x4(a, b, 0xee), cd1 = _mm512_shuffle_i32x4(c, d, 0xee);
    v[0] = _mm512_shuffle_i32x4(ab0, cd0, 0x88);
    v[1] = _mm512_shuffle_i32x4(ab0, cd0, 0xdd);
    v[2] = _mm512_shuffle_i32x4(ab1, cd1, 0x88);
    v[3] = _mm512_shuffle_i32x4(ab1, cd1, 0xdd);
}

QB_INLINE void rows16_load_4x8(const struct rows16 *s, int o, __m512i v[4])
{
    const __m512i lo = _mm512_setr_epi32(0, 2, 4, 6, 16, 18, 20, 22, 1, 3, 5, 7, 17, 19, 21, 23);
    const __m512i hi = _mm512_add_epi32(lo, _mm512_set1_epi32(8));
    __m512i a = _mm512_loadu_si512(s->p[0] + 4 * o), b = _mm512_loadu_si512(s->p[1] + 4 * o);
    __m512i c = _mm512_loadu_si512(s->p[2] + 4 * o), d = _mm512_loadu_si512(s->p[3] + 4 * o);
    __m512i ab0 = _mm512_permutex2var_epi32(a, lo, b), cd0 = _mm512_permutex2var_epi32(c, lo, d);
    __m512i ab1 = _mm512_permutex2var_epi32(a, hi, b), cd1 = _mm512_permutex2var_epi32(c, hi, d);
    v[0] = _mm512_shuffle_i64x2(ab0, cd0, 0x44);
    v[1] = _mm512_shuffle_i64x2(ab0, cd0, 0xee);
    v[2] = _mm512_shuffle_i64x2(ab1, cd1, 0x44);
    v[3] = _mm512_shuffle_i64x2(ab1, cd1, 0xee);
}

/* Bytes o .. o + 15 of the block; in the layouts of llama.cpp, of its packed form. */
QB_INLINE void rows16_load(const struct rows16 *s, int o, enum rows16_kind kind, __m512i v[4])
{
    switch (kind) {
    case ROWS16_STRIDED:
    case ROWS16_TABLE:
        rows16_load_plain(s, o, kind, v);
        break;
    case ROWS16_R16:
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            v[i] = _mm512_loadu_si512(s->p[0] + 16 * o + 64 * i);
        break;
    case ROWS16_4X4:
        rows16_load_4x4(s, o, v);
        break;
    case ROWS16_4X8:
        rows16_load_4x8(s, o, v);
        break;
    case ROWS16_8X4:
        rows16_load_8x4(s, o, v);
        break;
    case ROWS16_8X8:
        rows16_load_8x8(s, o, v);
        break;
    }
}

/* The dword at offset o of the block; plain rows read the 16 bytes from `safe` on (inside the block). */
QB_INLINE __m512i rows16_dword(const struct rows16 *s, int o, int safe, enum rows16_kind kind)
{
    if (kind == ROWS16_R16)
        return _mm512_loadu_si512(s->p[0] + 16 * o);
    __m512i v[4];
    rows16_load(s, safe, kind, v);
    return v[(o - safe) / 4];
}

/* The f16 in the low half of every dword, as floats. */
QB_INLINE __m512 rows16_f16_low(__m512i dwords)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(dwords));
}

/* 8 bytes at p, 8 bytes at q. */
QB_INLINE __m128i rows16_halves(const uint8_t *p, const uint8_t *q)
{
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const void *)p), _mm_loadl_epi64((const void *)q));
}

/* The layouts of llama.cpp: the f16 at offset o of a packed row. */
QB_INLINE __m512 rows16_group_f16(const struct rows16 *s, int o, enum rows16_kind kind)
{
    __m128i lo, hi;
    if (rows16_group(kind) == 8) {
        lo = _mm_loadu_si128((const void *)(s->p[0] + 8 * o));
        hi = _mm_loadu_si128((const void *)(s->p[1] + 8 * o));
    } else {
        lo = rows16_halves(s->p[0] + 4 * o, s->p[1] + 4 * o);
        hi = rows16_halves(s->p[2] + 4 * o, s->p[3] + 4 * o);
    }
    return _mm512_cvtph_ps(_mm256_set_m128i(hi, lo));
}

/* The first byte of each row in an interleaved layout: a field of one byte. */
QB_INLINE __m128i rows16_first_bytes(const struct rows16 *s, enum rows16_kind kind)
{
    if (kind == ROWS16_R16)
        return _mm_loadu_si128((const void *)s->p[0]);
    if (rows16_group(kind) == 8)
        return rows16_halves(s->p[0], s->p[1]);
    return _mm_setr_epi32((int)qb_load_u32(s->p[0]), (int)qb_load_u32(s->p[1]), (int)qb_load_u32(s->p[2]),
                          (int)qb_load_u32(s->p[3]));
}

/* The scale of the block, an f16 at offset o in a 2-byte field of its own; plain rows read the 16 bytes from
 * `safe` on (inside the block). The layouts of llama.cpp begin with it. */
QB_INLINE __m512 rows16_scale(const struct rows16 *s, int o, int safe, enum rows16_kind kind)
{
    if (rows16_is_reordered(kind))
        return rows16_group_f16(s, 0, kind);
    if (kind == ROWS16_R16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(s->p[0] + 16 * o)));
    __m512i v[4];
    rows16_load_plain(s, safe, kind, v);
    return rows16_f16_low(_mm512_srli_epi32(v[(o - safe) / 4], (o - safe) % 4 * 8));
}

#endif

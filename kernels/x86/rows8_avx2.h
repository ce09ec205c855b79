/*
 * Reading 8 rows of a matrix in any layout: what a layout is to the AVX2 kernels.
 *
 * A format's decoder asks for 4 (or 2) bytes at offset o of the block and gets [8 rows][4 bytes]. In r16
 * these lie side by side already. A block of any other layout is first brought into that order on the stack,
 * 8 rows at a time: the image. The kind is a compile-time constant. Included by the *_avx2.c files only.
 */
#ifndef QB_KERNELS_ROWS8_AVX2_H
#define QB_KERNELS_ROWS8_AVX2_H

#include <immintrin.h>

#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include "kernels/simd.h"

/* Keeps the compiler from regrouping a chain of sums into a tree, which needs more registers than there are.
 */
#define QB_IN_ORDER(v) __asm__("" : "+x"(v))

enum rows8_kind { ROWS8_PLAIN, ROWS8_R16, ROWS8_4X4, ROWS8_4X8, ROWS8_8X8 };

/* Where 8 rows start. PLAIN: p[i] = row i; 4x4, 4x8, 8x8: p[0] rows 0..3, p[1] rows 4..7; R16: p[0] = their
 * u16s, p[1] = their dwords. */
struct rows8 {
    const uint8_t *p[8];
};

/* One block of 8 rows: the dwords at byte offset o start at dword + rows * o, the u16s at u16 + rows * o. */
struct block8 {
    const uint8_t *u16, *dword;
    int rows;
};

/* Rows row0..row0 + 7 from weight k0; past row `last` the last row or group repeats. */
QB_INLINE void rows8_init(struct rows8 *s, const struct qb_matrix *m, int64_t row0, int64_t last, int64_t k0,
                          enum rows8_kind kind)
{
    size_t row_bytes = qb_matrix_row_bytes(m), skip = qb_format_bytes(m->format, k0);
    int64_t g, second = row0 + 4 < last ? row0 + 4 : last;
    switch (kind) {
    case ROWS8_PLAIN:
        for (int i = 0; i < 8; i++)
            s->p[i] = m->data + (size_t)(row0 + i < last ? row0 + i : last) * row_bytes + skip;
        break;
    case ROWS8_R16:
        g = (row0 < last ? row0 : last) / 16;
        s->p[0] = m->data + (size_t)g * 16 * row_bytes + skip * 16 + (row0 % 16 ? 16 : 0);
        s->p[1] = s->p[0] + (row0 % 16 ? 16 : 0);
        break;
    case ROWS8_4X4:
    case ROWS8_4X8:
        g = (row0 < last ? row0 : last) / 4;
        s->p[0] = m->data + (size_t)g * 4 * row_bytes + skip * 4;
        s->p[1] = m->data + (size_t)(second / 4) * 4 * row_bytes + skip * 4;
        break;
    case ROWS8_8X8:
        g = (row0 < last ? row0 : last) / 8;
        s->p[0] = m->data + (size_t)g * 8 * row_bytes + skip * 8;
        s->p[1] = s->p[0];
        break;
    }
}

/*
 * What a GEMV over the 16 rows from row0 asks for at its start. r16 is one stream. The streams of the other
 * layouts are short, but 16 rows together are contiguous in all: ask for the same place of the next 16 rows.
 */
#define ROWS8_AHEAD_BYTES 8192
QB_INLINE const uint8_t *rows8_ahead(const struct qb_matrix *m, int64_t row0, enum rows8_kind kind)
{
    size_t row_bytes = qb_matrix_row_bytes(m);
    return m->data + (size_t)row0 * row_bytes + (kind == ROWS8_R16 ? ROWS8_AHEAD_BYTES : 16 * row_bytes);
}

/* Prefetches past the end of the mapping do nothing. */
QB_INLINE void rows8_prefetch(const uint8_t *ahead, int bytes, enum rows8_kind kind)
{
    QB_UNROLL
    for (int i = 0; i < bytes; i += 64) {
        if (kind == ROWS8_R16) /* the hint must be a constant without optimization too */
            _mm_prefetch((const char *)ahead + i, _MM_HINT_T0);
        else
            _mm_prefetch((const char *)ahead + i, _MM_HINT_T1);
    }
}

QB_INLINE __m256i block8_dwords(struct block8 b, int o)
{
    return _mm256_loadu_si256((const void *)(b.dword + b.rows * o));
}

/* The f16 at offset o of each row. */
QB_INLINE __m256 block8_f16(struct block8 b, int o)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(b.u16 + b.rows * o)));
}

/* Two f16 side by side in each dword. */
QB_INLINE void block8_f16_pair(__m256i dwords, __m256 *low, __m256 *high)
{
    __m256i lo = _mm256_blend_epi16(dwords, _mm256_setzero_si256(), 0xaa);
    __m256i hi = _mm256_srli_epi32(dwords, 16);
    __m256i v = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
    *low = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
    *high = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
}

/* 16 bytes at p of row i, and of row i + 4 in the upper lane. */
QB_INLINE __m256i rows8_load_pair(const uint8_t *const p[8], size_t at, int i)
{
    __m128i lo = _mm_loadu_si128((const void *)(p[i] + at));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lo), _mm_loadu_si128((const void *)(p[i + 4] + at)),
                                   1);
}

/* Bytes o .. o + 15 of the plain blocks at `at`: 4x4 transposes of dwords inside the lanes. */
QB_INLINE void rows8_image_16(const uint8_t *const p[8], size_t at, int o, uint8_t *image)
{
    __m256i a = rows8_load_pair(p, at + (size_t)o, 0), b = rows8_load_pair(p, at + (size_t)o, 1);
    __m256i c = rows8_load_pair(p, at + (size_t)o, 2), d = rows8_load_pair(p, at + (size_t)o, 3);
    __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
    __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
    __m256i *to = (void *)(image + 8 * o);
    _mm256_storeu_si256(to, _mm256_unpacklo_epi64(ab0, cd0));
    _mm256_storeu_si256(to + 1, _mm256_unpackhi_epi64(ab0, cd0));
    _mm256_storeu_si256(to + 2, _mm256_unpacklo_epi64(ab1, cd1));
    _mm256_storeu_si256(to + 3, _mm256_unpackhi_epi64(ab1, cd1));
}

QB_INLINE void rows8_image_4(const uint8_t *const p[8], size_t at, int o, uint8_t *image)
{
    const size_t x = at + (size_t)o;
    __m256i v =
        _mm256_setr_epi32((int)qb_load_u32(p[0] + x), (int)qb_load_u32(p[1] + x), (int)qb_load_u32(p[2] + x),
                          (int)qb_load_u32(p[3] + x), (int)qb_load_u32(p[4] + x), (int)qb_load_u32(p[5] + x),
                          (int)qb_load_u32(p[6] + x), (int)qb_load_u32(p[7] + x));
    _mm256_storeu_si256((void *)(image + 8 * o), v);
}

QB_INLINE void rows8_image_2(const uint8_t *const p[8], size_t at, int o, uint8_t *image)
{
    const size_t x = at + (size_t)o;
    __m128i v = _mm_setr_epi16((short)qb_load_u16(p[0] + x), (short)qb_load_u16(p[1] + x),
                               (short)qb_load_u16(p[2] + x), (short)qb_load_u16(p[3] + x),
                               (short)qb_load_u16(p[4] + x), (short)qb_load_u16(p[5] + x),
                               (short)qb_load_u16(p[6] + x), (short)qb_load_u16(p[7] + x));
    _mm_storeu_si128((void *)(image + 8 * o), v);
}

/*
 * The historical interleaves of a block of f16 d and 16 bytes: `lo`, `hi` are the groups (or group halves) of
 * rows 0..3 and 4..7 from their d on; qs_lo, qs_hi their codes, row4_bytes the distance from one chunk of 4
 * rows to the next.
 */
QB_INLINE void rows8_image_interleaved(const struct rows8 *s, int64_t block, int block_bytes, uint8_t flip,
                                       uint8_t *image, enum rows8_kind kind)
{
    const int group = kind == ROWS8_8X8 ? 8 : 4;
    const uint8_t *a = s->p[0] + block * group * block_bytes;
    const uint8_t *b = kind == ROWS8_8X8 ? a + 32 : s->p[1] + block * group * block_bytes;
    const __m256i x = _mm256_set1_epi8((char)flip);
    memcpy(image, a, 8);
    memcpy(image + 8, kind == ROWS8_8X8 ? a + 8 : b, 8);
    a += 2 * group;
    b += 2 * group;
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i *to = (void *)(image + 16 + 32 * i);
        if (kind == ROWS8_4X4) { /* [4 rows][4 bytes] */
            __m128i lo = _mm_loadu_si128((const void *)(a + 16 * i));
            __m128i hi = _mm_loadu_si128((const void *)(b + 16 * i));
            _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_set_m128i(hi, lo), x));
        } else if (i % 2 == 0) { /* [4 rows][8 bytes] */
            const int step = kind == ROWS8_8X8 ? 32 : 16;
            __m256 lo = _mm256_loadu_ps((const void *)(a + step * i));
            __m256 hi = _mm256_loadu_ps((const void *)(b + step * i));
            __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(lo, hi, 0x88));
            __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(lo, hi, 0xdd));
            _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_permute4x64_epi64(even, 0xd8), x));
            _mm256_storeu_si256(to + 1, _mm256_xor_si256(_mm256_permute4x64_epi64(odd, 0xd8), x));
        }
    }
}

#endif

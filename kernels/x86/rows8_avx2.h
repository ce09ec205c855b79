/*
 * Reading 8 rows of a matrix in any layout: what a layout is to the AVX2 kernels.
 *
 * A format's decoder asks for 4 (or 2) bytes at offset o of the block and gets [8 rows][4 bytes]. In r16
 * these lie side by side already, and in 8x4. A block of any other layout is first brought into that order on
 * the stack, 8 rows at a time: the image. The kind is a compile-time constant. Included by the *_avx2.c files
 * only.
 */
#ifndef QB_KERNELS_ROWS8_AVX2_H
#define QB_KERNELS_ROWS8_AVX2_H

#include <immintrin.h>

#include "base/f16.h"
#include "kernels/kernel_protos.h"
#include "kernels/x86/stream.h"

/* Keeps the compiler from regrouping a chain of sums into a tree, which needs more registers than there are.
 */
#define QB_IN_ORDER(v) __asm__("" : "+x"(v))

enum rows8_kind { ROWS8_PLAIN, ROWS8_R16, ROWS8_4X4, ROWS8_4X8, ROWS8_8X4, ROWS8_8X8 };

/* Where 8 rows start. PLAIN: p[i] = row i; 4x4, 4x8: p[0] rows 0..3, p[1] rows 4..7; 8x4, 8x8: p[0]; R16:
 * p[0] = their u16s, p[1] = their dwords. */
struct rows8 {
    const uint8_t *p[8];
};

/* One block of 8 rows: the dwords at byte offset o start at dword + rows * o, the u16s at u16 + rows * o.
 * 8x4, 8x8: u16 is the packed block, whose scales have an order of their own. */
struct block8 {
    const uint8_t *u16, *dword;
    int rows;
    enum rows8_kind kind;
};

QB_INLINE bool block8_is_group(struct block8 b)
{
    return b.kind == ROWS8_8X4 || b.kind == ROWS8_8X8;
}

/* Rows row0..row0 + 7 from weight k0; past row `last` the last row or group repeats. */
QB_INLINE void rows8_init(struct rows8 *s, const struct qb_matrix *m, int64_t row0, int64_t last, int64_t k0,
                          enum rows8_kind kind)
{
    size_t row_bytes = qb_matrix_row_bytes(m), skip = qb_matrix_bytes_to(m, k0);
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
    case ROWS8_8X4:
    case ROWS8_8X8:
        g = (row0 < last ? row0 : last) / 8;
        s->p[0] = m->data + (size_t)g * 8 * row_bytes + skip * 8;
        break;
    }
}

/*
 * What a GEMV over the 16 rows from row0 asks for at its start. r16 is one stream. The streams of the other
 * layouts are short, but 16 rows together are contiguous in all: ask for the same place of the next 16 rows.
 */
QB_INLINE const uint8_t *rows8_ahead(const struct qb_matrix *m, int64_t row0, enum rows8_kind kind)
{
    size_t row_bytes = qb_matrix_row_bytes(m);
    return m->data + (size_t)row0 * row_bytes +
           (kind == ROWS8_R16 ? qb_cpu_stream.near_bytes : 16 * row_bytes);
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

/* The first bytes of the block: a field of one byte. The rows of r16 are 8 bytes apart there, not 16. */
QB_INLINE __m256i block8_first_bytes(struct block8 b)
{
    const uint8_t *p = b.kind == ROWS8_R16 ? b.u16 - (b.dword - b.u16) / 2 : b.u16;
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
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

QB_INLINE void rows8_image_1(const uint8_t *const p[8], size_t at, int o, uint8_t *image)
{
    for (int i = 0; i < 8; i++)
        image[8 * o + i] = p[i][at + (size_t)o];
}

/* Where the interleaved quants of a format stand: plain bytes [at, at + bytes) of a block, `shift` bytes
 * further on in a packed row. */
struct rows8_quants {
    int at, bytes, shift;
    uint8_t flip;
};

/* [4 rows][8 bytes] at p and at q as [8 rows][4 bytes], two of them. */
QB_INLINE void rows8_image_8_bytes(const uint8_t *p, const uint8_t *q, __m256i flip, __m256i *to)
{
    __m256 lo = _mm256_loadu_ps((const void *)p), hi = _mm256_loadu_ps((const void *)q);
    __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(lo, hi, 0x88));
    __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(lo, hi, 0xdd));
    _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_permute4x64_epi64(even, 0xd8), flip));
    _mm256_storeu_si256(to + 1, _mm256_xor_si256(_mm256_permute4x64_epi64(odd, 0xd8), flip));
}

/* 8x8: the quants of a packed block. */
QB_INLINE void rows8_image_8x8(const uint8_t *group, struct rows8_quants q, uint8_t *image)
{
    for (int o = q.at; o < q.at + q.bytes; o += 8) {
        const uint8_t *from = group + 8 * (o + q.shift);
        rows8_image_8_bytes(from, from + 32, _mm256_set1_epi8((char)q.flip), (void *)(image + 8 * o));
    }
}

/* 4x4, 4x8: the packed blocks a and b of 4 rows each, with the fields before the quants. */
QB_INLINE void rows8_image_4_rows(const uint8_t *a, const uint8_t *b, struct rows8_quants q, uint8_t *image,
                                  enum rows8_kind kind)
{
    const __m256i flip = _mm256_set1_epi8((char)q.flip);
    memcpy(image, a, 4 * (size_t)q.at);
    memcpy(image + 4 * q.at, b, 4 * (size_t)q.at);
    for (int o = q.at; o < q.at + q.bytes; o += 8) {
        __m256i *to = (void *)(image + 8 * o);
        if (kind == ROWS8_4X8) {
            rows8_image_8_bytes(a + 4 * o, b + 4 * o, flip, to);
            continue;
        }
        QB_UNROLL
        for (int i = 0; i < 2; i++) { /* [4 rows][4 bytes] */
            __m128i lo = _mm_loadu_si128((const void *)(a + 4 * o + 16 * i));
            __m128i hi = _mm_loadu_si128((const void *)(b + 4 * o + 16 * i));
            _mm256_storeu_si256(to + i, _mm256_xor_si256(_mm256_set_m128i(hi, lo), flip));
        }
    }
}

/* Block number `block` of 8 rows in a layout of llama.cpp; `image` has room for 8 blocks. */
QB_INLINE struct block8 rows8_interleaved(const struct rows8 *s, int64_t block, int block_bytes,
                                          struct rows8_quants q, uint8_t *image, enum rows8_kind kind)
{
    if (kind == ROWS8_4X4 || kind == ROWS8_4X8) {
        int64_t at = block * 4 * block_bytes;
        rows8_image_4_rows(s->p[0] + at, s->p[1] + at, q, image, kind);
        return (struct block8){image, image, 8, kind};
    }
    const uint8_t *group = s->p[0] + block * 8 * block_bytes;
    if (kind == ROWS8_8X4)
        return (struct block8){group, group + 8 * q.shift, 8, kind};
    rows8_image_8x8(group, q, image);
    return (struct block8){group, image, 8, kind};
}

#endif

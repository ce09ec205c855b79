/*
 * Packing plain rows into every interleaved layout, for AVX2: the fields of packings.def with all their
 * numbers constant, so each layout of a format has a loop of its own.
 *
 * Everything goes in steps of 16 bytes of each row: transposes of dwords, from which chunks of 2 and 1 bytes
 * follow by a shuffle. The last step of a field overlaps the one before it. Stores are ordinary ones: the
 * memory is new, and what the kernel has just cleared of it is still in the cache.
 */
#include <immintrin.h>

#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include <string.h>

enum {
#define QB_LAYOUT(id, name, rows, ...) ROWS_##id = rows,
#include "kernels/layouts.def"
#undef QB_LAYOUT
};

/* The plain rows of a group, at the current unit. */
struct rows {
    const uint8_t *p;
    size_t stride;
    const uint8_t *ahead; /* what to ask for */
};

QB_INLINE struct rows rows_at(struct rows s, int row, int64_t o)
{
    s.p += (size_t)row * s.stride + (size_t)o;
    return s;
}

QB_INLINE __m128i load_16(struct rows s, int row)
{
    return _mm_loadu_si128((const void *)(s.p + (size_t)row * s.stride));
}

/* 16 bytes of rows a and b. */
QB_INLINE __m256i load_2x16(struct rows s, int a, int b)
{
    return _mm256_set_m128i(load_16(s, b), load_16(s, a));
}

QB_INLINE void store(uint8_t *to, __m256i v, uint8_t flip)
{
    if (flip)
        v = _mm256_xor_si256(v, _mm256_set1_epi8((char)flip));
    _mm256_storeu_si256((void *)to, v);
}

/* 16 bytes of 8 rows: v[i] = [8 rows][bytes 4i .. 4i + 3]. */
QB_INLINE void transpose_8_rows(struct rows s, __m256i v[4])
{
    __m256i a = load_2x16(s, 0, 4), b = load_2x16(s, 1, 5), c = load_2x16(s, 2, 6), d = load_2x16(s, 3, 7);
    __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
    __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
    v[0] = _mm256_unpacklo_epi64(ab0, cd0);
    v[1] = _mm256_unpackhi_epi64(ab0, cd0);
    v[2] = _mm256_unpacklo_epi64(ab1, cd1);
    v[3] = _mm256_unpackhi_epi64(ab1, cd1);
}

/* [8 rows][2 u16] as [2][8 rows]. */
QB_INLINE __m256i split_u16(__m256i v)
{
    const __m128i halves = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(halves)), 0xd8);
}

/* [8 rows][4 bytes] as [4][8 rows]. */
QB_INLINE __m256i split_bytes(__m256i v)
{
    const __m128i bytes = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    v = _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(bytes));
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Steps: 16 bytes of each row to rows * 16 bytes. */

QB_INLINE void step_16_rows(uint8_t *to, struct rows s, int chunk)
{
    __m256i v[4], w[4];
    transpose_8_rows(s, v);
    transpose_8_rows(rows_at(s, 8, 0), w);
    QB_UNROLL
    for (int i = 0; i < 4; i++, to += 64) {
        if (chunk == 2) {
            __m256i a = split_u16(v[i]), b = split_u16(w[i]);
            v[i] = _mm256_permute2x128_si256(a, b, 0x20);
            w[i] = _mm256_permute2x128_si256(a, b, 0x31);
        }
        store(to, v[i], 0);
        store(to + 32, w[i], 0);
    }
}

/* Chunks of 8 of 4 rows, to `to` and to + next. */
QB_INLINE void step_qwords(uint8_t *to, struct rows s, int next, uint8_t flip)
{
    __m256i even = load_2x16(s, 0, 2), odd = load_2x16(s, 1, 3);
    store(to, _mm256_unpacklo_epi64(even, odd), flip);
    store(to + next, _mm256_unpackhi_epi64(even, odd), flip);
}

QB_INLINE void step_8_rows(uint8_t *to, struct rows s, int chunk, uint8_t flip)
{
    if (chunk == 8) {
        step_qwords(to, s, 64, flip);
        step_qwords(to + 32, rows_at(s, 4, 0), 64, flip);
        return;
    }
    __m256i v[4];
    transpose_8_rows(s, v);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        store(to + 32 * i, chunk == 4 ? v[i] : chunk == 2 ? split_u16(v[i]) : split_bytes(v[i]), flip);
}

QB_INLINE void step_4_rows(uint8_t *to, struct rows s, int chunk, uint8_t flip)
{
    if (chunk == 8) {
        step_qwords(to, s, 32, flip);
        return;
    }
    __m256i ac = load_2x16(s, 0, 2), bd = load_2x16(s, 1, 3);
    __m256i lo = _mm256_unpacklo_epi32(ac, bd),
            hi = _mm256_unpackhi_epi32(ac, bd); /* a0 b0 a1 b1 | c0 d0 .. */
    __m256i lo2 = _mm256_permute4x64_epi64(lo, 0xd8), hi2 = _mm256_permute4x64_epi64(hi, 0xd8);
    store(to, lo2, flip);
    store(to + 32, hi2, flip);
}

QB_INLINE void step(uint8_t *to, struct rows s, int rows, int chunk, uint8_t flip)
{
    if (rows == 16)
        step_16_rows(to, s, chunk);
    else if (rows == 8)
        step_8_rows(to, s, chunk, flip);
    else
        step_4_rows(to, s, chunk, flip);
}

/* A field of one chunk: an f16, a byte; the ends of short rows of floats. */
QB_INLINE void copy_chunk(uint8_t *to, struct rows s, int rows, int chunk)
{
    QB_UNROLL
    for (int r = 0; r < rows; r++)
        memcpy(to + r * chunk, s.p + (size_t)r * s.stride, (size_t)chunk);
}

/* `bytes` of every row in chunks; where they end. */
QB_INLINE uint8_t *pack_chunks(uint8_t *to, struct rows s, int rows, int64_t bytes, int chunk, uint8_t flip)
{
    int64_t o = 0;
    for (; o + 16 <= bytes; o += 16)
        step(to + o * rows, rows_at(s, 0, o), rows, chunk, flip);
    if (o < bytes && bytes >= 16)
        step(to + (bytes - 16) * rows, rows_at(s, 0, bytes - 16), rows, chunk, flip);
    for (; o < bytes && bytes < 16; o += chunk)
        copy_chunk(to + o * rows, rows_at(s, 0, o), rows, chunk);
    return to + bytes * rows;
}

/* Four sub-blocks of twelve bytes; sc, mn: their scales and minima, [sub-block][8 rows]. */
QB_INLINE void put_six_bit(uint8_t *to, __m256i sc, __m256i mn)
{
    const __m256i low = _mm256_set1_epi8(0x0f), high = _mm256_set1_epi8(0x30);
    const __m256i first = _mm256_set1_epi64x(0xffffffff); /* rows 0 .. 3 */
    __m256i scales = _mm256_srli_epi64(sc, 32), minima = _mm256_srli_epi64(mn, 32);
    __m256i nibbles =
        _mm256_or_si256(_mm256_and_si256(scales, low), _mm256_slli_epi16(_mm256_and_si256(minima, low), 4));
    scales = _mm256_slli_epi16(_mm256_and_si256(scales, high), 2);
    minima = _mm256_slli_epi16(_mm256_and_si256(minima, high), 2);
    scales = _mm256_or_si256(_mm256_and_si256(sc, first), scales);
    minima = _mm256_or_si256(_mm256_and_si256(mn, first), minima);
    uint64_t pairs[4], rest[4];
    store((uint8_t *)pairs, _mm256_or_si256(scales, _mm256_slli_epi64(minima, 32)), 0);
    store((uint8_t *)rest, nibbles, 0);
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        memcpy(to + 12 * i, &pairs[i], 8);
        memcpy(to + 12 * i + 8, &rest[i], 4);
    }
}

/* The twelve bytes of 8 rows: the rows take the places of the sub-blocks. */
QB_INLINE uint8_t *pack_six_bit(uint8_t *to, struct rows s)
{
    const __m256i six = _mm256_set1_epi8(0x3f), two = _mm256_set1_epi8(0x30), low = _mm256_set1_epi8(0x0f);
    __m256i v[4];
    transpose_8_rows(s, v); /* four bytes too many: the block goes on */
    __m256i sc03 = _mm256_and_si256(v[0], six), mn03 = _mm256_and_si256(v[1], six);
    __m256i sc47 = _mm256_and_si256(v[2], low), mn47 = _mm256_and_si256(_mm256_srli_epi16(v[2], 4), low);
    sc47 = _mm256_or_si256(sc47, _mm256_and_si256(_mm256_srli_epi16(v[0], 2), two));
    mn47 = _mm256_or_si256(mn47, _mm256_and_si256(_mm256_srli_epi16(v[1], 2), two));
    put_six_bit(to, split_bytes(sc03), split_bytes(mn03));
    put_six_bit(to + 48, split_bytes(sc47), split_bytes(mn47));
    return to + 96;
}

/*
 * The rows of a group are too short for the hardware to follow; together they are contiguous, so ask for the
 * next group meanwhile. Prefetches past the end of the mapping do nothing.
 */
QB_INLINE void prefetch(const uint8_t *ahead, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)ahead + i, _MM_HINT_T0);
}

/* One function for each layout of a format: n units of `bytes` a row. */
typedef void pack_fn(struct rows s, int64_t n, size_t bytes, uint8_t *to);

#define PACK_FN(name, n_rows, ...)                                                                           \
    static void pack_##name(struct rows s, int64_t n, size_t bytes, uint8_t *to)                             \
    {                                                                                                        \
        enum { rows = n_rows };                                                                              \
        for (; n > 0; n--, s.p += bytes, s.ahead += rows * bytes) {                                          \
            prefetch(s.ahead, rows *bytes);                                                                  \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    }
#define CHUNKS(offset, bytes, chunk)          to = pack_chunks(to, rows_at(s, 0, offset), rows, bytes, chunk, 0)
#define FLIPPED(offset, bytes, chunk)         to = pack_chunks(to, rows_at(s, 0, offset), rows, bytes, chunk, 0x88)
#define SIX_BIT(offset)                       to = pack_six_bit(to, rows_at(s, 0, offset))
#define QB_PACKING(format, layout, unit, ...) PACK_FN(format##_##layout, ROWS_##layout, __VA_ARGS__)
#include "kernels/packings.def"
#undef QB_PACKING

struct packing {
    pack_fn *pack;
    int unit; /* blocks */
};
#define QB_PACKING(format, layout, unit, ...)                                                                \
    [QB_FORMAT_##format][QB_LAYOUT_##layout] = {pack_##format##_##layout, unit},
static const struct packing packings[QB_FORMAT_COUNT][QB_LAYOUT_COUNT] = {
#include "kernels/packings.def"
};
#undef QB_PACKING

/* Floats go in runs of FLOAT_RUN bytes a row; what is left of a row is shorter. */
#define FLOAT_RUN 64
PACK_FN(floats_16, 16, CHUNKS(0, FLOAT_RUN, 2))
PACK_FN(floats_32, 16, CHUNKS(0, FLOAT_RUN, 4)) /* and pairs of bf16 */

/* Blocks of one weight: a row is one field. */
static void pack_floats(struct rows s, int64_t bytes, int chunk, uint8_t *to)
{
    int64_t n = bytes / FLOAT_RUN, done = n * FLOAT_RUN;
    (chunk == 2 ? pack_floats_16 : pack_floats_32)(s, n, FLOAT_RUN, to);
    s.p += done;
    if (chunk == 2)
        pack_chunks(to + 16 * done, s, 16, bytes - done, 2, 0);
    else
        pack_chunks(to + 16 * done, s, 16, bytes - done, 4, 0);
}

/* Block by block: expanding takes longer than what it packs. */
static void pack_expanded(const struct packing *p, const struct qb_expansion *e, struct rows s, int64_t n,
                          size_t bytes, uint8_t *to)
{
    uint8_t expanded[16][QB_MAX_EXPANDED_BYTES];
    for (; n > 0; n--, s.p += bytes, to += 16 * e->block_bytes) {
        for (int r = 0; r < 16; r++)
            e->expand(s.p + (size_t)r * s.stride, expanded[r]);
        p->pack((struct rows){expanded[0], sizeof expanded[0], expanded[0]}, 1, (size_t)e->block_bytes, to);
    }
}

void qb_pack_avx2(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                  size_t stride, uint8_t *dst)
{
    if (layout == QB_LAYOUT_PLAIN) {
        memcpy(dst, src, qb_format_bytes(f, n_cols));
        return;
    }
    const struct packing *p = &packings[f->id][layout];
    size_t rows = (size_t)qb_layout_get(layout)->rows;
    const struct qb_expansion *e = qb_layout_expansion(layout, f);
    struct rows s = {src, stride, src + rows * stride};
    if (f->block_elems == 1)
        pack_floats(s, n_cols * f->block_bytes, f->id == QB_FORMAT_F16 ? 2 : 4, dst);
    else if (e)
        pack_expanded(p, e, s, n_cols / f->block_elems, (size_t)f->block_bytes, dst);
    else
        p->pack(s, n_cols / f->block_elems / p->unit, (size_t)(p->unit * f->block_bytes), dst);
}

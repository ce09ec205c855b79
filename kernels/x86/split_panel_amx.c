/*
 * Panels in planes for AMX (kernels/kernels.h): integer products of codes and scales in two bytes, or float
 * weights in pieces of bf16. Both in vectors of AVX-512.
 */
#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include <immintrin.h>

#define ROW   (QB_PANEL_ROWS * 4) /* bytes of codes for 4 weights */
#define LOW   0x00ff00ff          /* the lower byte of every word */
#define UPPER 0xffff0000          /* the half of a float that is a bf16 */

/* a where the mask has ones, b elsewhere. */
QB_INLINE __m512i blend_bits(__m512i a, __m512i b, __m512i mask)
{
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* Weights k and k + 1 of 16 rows side by side: the upper halves of floats. */
QB_INLINE __m512i pair_of(__m512 first, __m512 second)
{
    __m512i a = _mm512_srli_epi32(_mm512_castps_si512(first), 16);
    return blend_bits(_mm512_castps_si512(second), a, _mm512_set1_epi32((int)UPPER));
}

/* ---- int8 ---- */

/* Codes less their offset, as they are: sub-scales are in the codes, or there are none. */
static void take_codes(int64_t n_k, int offset, struct qb_panel *p)
{
    const __m512i off = _mm512_set1_epi8((char)offset);
    for (int64_t i = 0; i < n_k * QB_PANEL_ROWS; i += 64)
        _mm512_store_si512(p->plane + i, _mm512_sub_epi8(_mm512_load_si512(p->code + i), off));
    p->n_planes = 1;
}

/* n vectors, ROW apart, of codes of 16 rows under the scale in both words of a lane: upper and lower bytes.
 */
QB_INLINE void scale_codes(const uint8_t *code, uint8_t *upper, uint8_t *lower, __m512i scale, int offset,
                           int n)
{
    const __m512i low = _mm512_set1_epi32(LOW);
    const __m512i off = _mm512_mullo_epi16(scale, _mm512_set1_epi16((short)offset));
    QB_UNROLL
    for (int i = 0; i < n; i++) {
        __m512i v = _mm512_load_si512(code + i * ROW);
        __m512i even = _mm512_mullo_epi16(_mm512_and_si512(v, low), scale);
        __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(v, 8), scale);
        if (offset > 0) {
            even = _mm512_sub_epi16(even, off);
            odd = _mm512_sub_epi16(odd, off);
        }
        _mm512_store_si512(upper + i * ROW, blend_bits(_mm512_srli_epi16(even, 8), odd, low));
        _mm512_store_si512(lower + i * ROW, blend_bits(even, _mm512_slli_epi16(odd, 8), low));
    }
}

/* Two sub-blocks of 16 rows: pair, their scales. */
QB_INLINE void scale_pair(const uint8_t *code, uint8_t *upper, uint8_t *lower, const int16_t *pair, int sub,
                          int offset)
{
    __m512i both = _mm512_load_si512(pair);
    const __m512i first = _mm512_set1_epi32(0xffff);
    __m512i even = blend_bits(both, _mm512_slli_epi32(both, 16), first);
    __m512i odd = blend_bits(_mm512_srli_epi32(both, 16), both, first);
    size_t next = (size_t)sub / 4 * ROW;
    scale_codes(code, upper, lower, even, offset, sub / 4);
    scale_codes(code + next, upper + next, lower + next, odd, offset, sub / 4);
}

QB_INLINE void scale_panel(int64_t n_k, int sub, int offset, struct qb_panel *p)
{
    uint8_t *upper = p->plane, *lower = p->plane + n_k * QB_PANEL_ROWS;
    for (int64_t k = 0; k < n_k; k += 2 * sub) {
        const int16_t *pair = p->scale_pair + k / sub * QB_PANEL_ROWS;
        QB_UNROLL
        for (int half = 0; half < 2; half++) {
            size_t at = (size_t)k * QB_PANEL_ROWS + 64 * (size_t)half;
            scale_pair(p->code + at, upper + at, lower + at, pair + 32 * half, sub, offset);
        }
    }
    p->n_planes = 2;
}

/* Pairs of minima of 16 rows, of 16 or of 32 weights each, as pairs of those of 16: 8 vectors, twice. */
QB_INLINE void split_minima(const int16_t *pair, bool of_32, uint16_t *to)
{
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        __m512i both = _mm512_load_si512(pair + (of_32 ? i / 2 : i) * QB_PANEL_ROWS * 2);
        __m512i first = _mm512_srai_epi32(_mm512_slli_epi32(both, 16), 16),
                second = _mm512_srai_epi32(both, 16);
        if (of_32)
            first = second = i % 2 ? second : first;
        __m512i v = pair_of(_mm512_cvtepi32_ps(first), _mm512_cvtepi32_ps(second));
        _mm512_store_si512(to + i * QB_PANEL_ROWS * 2, v);
        _mm512_store_si512(to + (i + 8) * QB_PANEL_ROWS * 2, v);
    }
}

static void split_all_minima(enum qb_min_kind kind, int64_t n_k, struct qb_panel *p)
{
    int per = qb_min_weights(kind);
    for (int64_t b = 0; b < n_k / 256; b++) {
        for (int half = 0; half < 2; half++) {
            const int16_t *pair = p->min_pair + b * (256 / per) * QB_PANEL_ROWS + 32 * half;
            split_minima(pair, per == 32, p->min_plane + b * QB_MIN_PLANE + 32 * half);
        }
    }
}

void qb_split_panel_q8_256_amx(const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    int offset = p->offset_shift == QB_OFFSET_NONE ? 0 : 1 << p->offset_shift;
    p->has_min = qb_min_is_integer(f->min);
    if (p->has_min)
        split_all_minima(f->min, n_k, p);
    if (!p->int_scales)
        take_codes(n_k, offset, p);
    else if (f->sub == 16)
        scale_panel(n_k, 16, offset, p);
    else
        scale_panel(n_k, 32, offset, p);
}

/* ---- bf16 ---- */

/* What is left of a weight after its first 8 bits. */
QB_INLINE __m512 rest_of(__m512 x)
{
    __m512i first = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)UPPER));
    return _mm512_sub_ps(x, _mm512_castsi512_ps(first));
}

/* Where the pieces of two weights go, and bits of what the last plane got and of what none has. */
struct split {
    uint8_t *plane;
    size_t plane_bytes;
    int planes;
    __m512i last, left;
};

QB_INLINE void put_pair(struct split *s, size_t at, __m512 first, __m512 second)
{
    uint8_t *to = s->plane + at;
    __m512i pieces = _mm512_setzero_si512();
    QB_UNROLL
    for (int i = 0; i < s->planes; i++, to += s->plane_bytes) {
        pieces = pair_of(first, second);
        _mm512_store_si512(to, pieces);
        first = rest_of(first);
        second = rest_of(second);
    }
    __m512i left = _mm512_or_si512(_mm512_castps_si512(first), _mm512_castps_si512(second));
    s->last = _mm512_or_si512(s->last, pieces);
    s->left = _mm512_or_si512(s->left, left);
}

/* Four weights of 16 rows: code times scale plus what belongs to the sub-block, rounded once. */
QB_INLINE void put_codes(struct split *s, size_t at, __m512i v, __m512 scale, __m512 plus)
{
    const __m512i byte = _mm512_set1_epi32(0xff);
    __m512 w[4];
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i code = _mm512_and_si512(_mm512_srli_epi32(v, 8 * (unsigned)i), byte);
        w[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(code), scale, plus);
    }
    put_pair(s, at, w[0], w[1]);
    put_pair(s, at + ROW, w[2], w[3]);
}

/* 16 rows of a sub-block. */
QB_INLINE void split_sub(const struct qb_panel *p, int64_t k, int sub, int half, enum qb_min_kind min,
                         float offset, struct split *s)
{
    __m512 scale = _mm512_load_ps(p->scale + k / sub * QB_PANEL_ROWS + 16 * half);
    __m512 plus = _mm512_mul_ps(scale, _mm512_set1_ps(-offset));
    if (min == QB_MIN_F32)
        plus = _mm512_load_ps(p->min_f32 + k / sub * QB_PANEL_ROWS + 16 * half);
    for (int64_t i = k; i < k + sub; i += 4) {
        const uint8_t *code = p->code + i / 4 * ROW + 64 * half;
        put_codes(s, (size_t)(i / 2 * ROW + 64 * half), _mm512_load_si512(code), scale, plus);
    }
}

static bool any_bit(__m512i v)
{
    return _mm512_test_epi32_mask(v, _mm512_set1_epi32(0x7fff7fff)) != 0;
}

/* @return do so many planes hold the weights? A last one of zeros is not counted. */
QB_INLINE bool split_codes(const struct qb_format *f, int sub, int64_t n_k, int planes, struct qb_panel *p)
{
    const __m512i zero = _mm512_setzero_si512();
    struct split s = {p->plane, (size_t)n_k / 2 * ROW, planes, zero, zero};
    float offset = p->offset_shift == QB_OFFSET_NONE ? 0.0f : (float)(1 << p->offset_shift);
    for (int64_t k = 0; k < n_k; k += sub) {
        split_sub(p, k, sub, 0, f->min, offset, &s);
        split_sub(p, k, sub, 1, f->min, offset, &s);
    }
    p->n_planes = planes == 1 || any_bit(s.last) ? planes : planes - 1;
    return planes == 3 || !any_bit(s.left);
}

/* Codes less their offset as bf16: integers of 8 bits are exact. */
static void keep_codes(int64_t n_k, struct qb_panel *p)
{
    const __m512i offset = _mm512_set1_epi8((char)(1 << p->offset_shift));
    for (int64_t i = 0; i < n_k / 4 * 2; i++) {
        __m512i v = _mm512_sub_epi8(_mm512_load_si512(p->code + i * 64), offset);
        __m512 w[4];
        QB_UNROLL
        for (int j = 0; j < 4; j++)
            w[j] = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24 - 8 * (unsigned)j), 24));
        uint8_t *to = p->plane + i / 2 * 2 * ROW + i % 2 * 64;
        _mm512_store_si512(to, pair_of(w[0], w[1]));
        _mm512_store_si512(to + ROW, pair_of(w[2], w[3]));
    }
    p->n_planes = 1;
}

/* As few planes as hold the weights: the first number that a format's scales allow does so for almost all. */
QB_INLINE void split_weights(const struct qb_format *f, int sub, int64_t n_k, struct qb_panel *p)
{
    if (qb_panel_is_one_plane(f) && split_codes(f, sub, n_k, 1, p))
        return;
    if (!split_codes(f, sub, n_k, 2, p))
        split_codes(f, sub, n_k, 3, p);
}

static void split_integers(const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    if (p->plane_codes)
        keep_codes(n_k, p);
    else if (f->sub == 16)
        split_weights(f, 16, n_k, p);
    else
        split_weights(f, 32, n_k, p);
}

/* bf16 weights are a plane; the last step may want pairs of zeros. */
static void take_bf16(int64_t n_k, struct qb_panel *p)
{
    int64_t n = (n_k + 1) / 2, all = (n_k + 31) / 32 * 16;
    const uint8_t *from = (const uint8_t *)p->bf16;
    for (int64_t i = 0; i < 2 * n; i++)
        _mm512_store_si512(p->plane + i * 64, _mm512_load_si512(from + i * 64));
    for (int64_t i = 2 * n; i < 2 * all; i++)
        _mm512_store_si512(p->plane + i * 64, _mm512_setzero_si512());
    p->n_planes = 1;
}

void qb_split_panel_bf16_amx(const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    p->has_min = false;
    p->plane_codes = qb_panel_keeps_codes(f);
    if (f->quantized)
        split_integers(f, n_k, p);
    else
        take_bf16(n_k, p);
}

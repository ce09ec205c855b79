/*
 * Activations to int8 (kernels/act.h has the rule) over the vectors of simd_*.h. The columns of a tile are
 * the lanes of a vector wherever there is one value a column: scales, sums, and, transposed, fours of q. So
 * whole rows of the arrays are stored at once. A tile that is wider than a vector goes in parts. The
 * including file defines QB_ISA_FN(name) and pack_32: 32 integral floats to 32 int8.
 */
#include <float.h>

#include "kernels/kernel_protos.h"

#define VECS_32 (32 / VF_N)
_Static_assert(QB_MAX_VECTOR_COLS == 8, "the columns of a tile fill a vector");

/*
 * Some columns of one tile: an array with a row of `width` entries for every B values has its entry for value
 * k and column c at [k / B * width + c].
 */
struct act_part {
    const struct qb_act *a;
    size_t width;
    int n;          /* columns */
    bool whole;     /* all of the tile */
    bool by_column; /* the order of q; a constant where a part is quantized */
    __m256i lanes;  /* of the columns */
    int32_t *q;     /* fours; by column, 16 of them a column */
    float *scale, *fsum, *step, *ssum;
    uint8_t *steps;
    int32_t *nsum16, *nsum32, *nsum256;
    int32_t *fixed, *start, *npair, *npair16; /* pairs */
    uint16_t *nsum_bf16;
};

/* n columns from column c on, which lie in one tile and fill a vector at most. */
static struct act_part act_part_at(const struct qb_act *a, int c, int n)
{
    int pos, width, tile = qb_act_tile_of(a, c, &pos);
    int64_t c0 = qb_act_tile(a, tile, &width), n_k = a->n_k;
    struct act_part t = {.a = a, .width = (size_t)width, .n = n, .whole = n == width};
    t.lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    t.q = (int32_t *)(void *)(a->q + qb_act_q_at(a, c0, width, pos, 0));
    t.scale = a->scale + c0 * (n_k / qb_act_block(a->kind)) + pos;
    t.nsum16 = a->nsum16 + c0 * (n_k / 16) + pos;
    t.nsum32 = a->nsum32 + c0 * (n_k / 32) + pos;
    if (a->fsum)
        t.fsum = a->fsum + c0 * (n_k / 32) + pos;
    if (a->kind == QB_ACT_Q8_STEPS) {
        t.step = a->step + c0 * qb_act_step_count(n_k) + pos;
        t.steps = a->steps + c0 * (n_k / 32) + pos;
        t.ssum = a->ssum + c0 * (n_k / 32) + pos;
    }
    if (a->kind == QB_ACT_Q8_32) {
        t.step = a->step + c0 * qb_act_step_count(n_k) + pos;
        t.fixed = (int32_t *)(void *)a->fixed + c0 * qb_act_pair_count(n_k) + pos;
        t.start = (int32_t *)(void *)a->start + c0 * qb_act_pair_count(n_k) + pos;
    }
    if (qb_act_block(a->kind) != 256)
        return t;
    t.nsum256 = a->nsum256 + c0 * (n_k / 256) + pos;
    t.npair = (int32_t *)(void *)a->npair + c0 * (n_k / 64) + pos;
    t.npair16 = (int32_t *)(void *)a->npair16 + c0 * (n_k / 32) + pos;
    if (a->nsum_bf16)
        t.nsum_bf16 = a->nsum_bf16 + qb_act_nsum_bf16_at(a, c0, width, pos, 0);
    return t;
}

/* May the lanes behind the columns be stored too? They fall on rows after those of value k, `per` values
 * each, which are written later. */
INLINE bool rows_follow(const struct act_part *t, int64_t k, int per)
{
    return t->whole && (t->a->n_k - k) / per > QB_MAX_VECTOR_COLS / (int64_t)t->width + 1;
}

INLINE void put_row(const struct act_part *t, int32_t *to, __m256i row, bool follow)
{
    if (follow)
        _mm256_storeu_si256((__m256i *)(void *)to, row);
    else
        _mm256_maskstore_epi32(to, t->lanes, row);
}

INLINE void put_floats(const struct act_part *t, float *to, __m256 row, bool follow)
{
    put_row(t, (int32_t *)(void *)to, _mm256_castps_si256(row), follow);
}

/* One number a column, as bytes. */
INLINE void put_bytes(const struct act_part *t, uint8_t *to, __m256 row, bool follow)
{
    __m256i dwords = _mm256_cvtps_epi32(row);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(dwords), _mm256_extracti128_si256(dwords, 1));
    uint8_t bytes[16];
    if (follow) {
        _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(words, words));
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)bytes, _mm_packus_epi16(words, words));
    for (int c = 0; c < t->n; c++)
        to[c] = bytes[c];
}

/* ---- largest values and scales ---- */

INLINE vf block_max(const float *x, int n)
{
    vf m = vf_zero();
    for (int i = 0; i < n; i += VF_N)
        m = vf_max(m, vf_abs(vf_load(x + i)));
    return m;
}

/* Of every four lanes of a and b the larger of lanes i and i + 2, taken in turn. */
INLINE __m256 max_of_fours(__m256 a, __m256 b)
{
    return _mm256_max_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
}

INLINE __m256 max_of_pairs(__m256 ab, __m256 cd)
{
    __m256d x = _mm256_castps_pd(ab), y = _mm256_castps_pd(cd);
    return _mm256_max_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)),
                         _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
}

/* Lane c: the largest lane of m[c]. */
INLINE __m256 max_of_columns(const __m256 m[QB_MAX_VECTOR_COLS])
{
    __m256 low = max_of_pairs(max_of_fours(m[0], m[1]), max_of_fours(m[2], m[3]));
    __m256 high = max_of_pairs(max_of_fours(m[4], m[5]), max_of_fours(m[6], m[7]));
    return _mm256_max_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}

/* The scales of a block of every column, and what values are multiplied with. */
struct block_scales {
    __m256 scale_row;
    float scale[QB_MAX_VECTOR_COLS], inverse[QB_MAX_VECTOR_COLS];
};

INLINE void block_scales(__m256 max, struct block_scales *s)
{
    __m256 scale = _mm256_div_ps(max, _mm256_set1_ps(127.0f));
    __m256 normal = _mm256_cmp_ps(scale, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ);
    s->scale_row = _mm256_and_ps(scale, normal);
    _mm256_storeu_ps(s->scale, s->scale_row);
    _mm256_storeu_ps(s->inverse, _mm256_div_ps(_mm256_set1_ps(1.0f), scale));
}

/* ---- int8 ---- */

/* A column is a stream of its own: two lines of what comes AHEAD values later. */
#define AHEAD 512
INLINE void prefetch_32(const float *x)
{
    _mm_prefetch((const char *)(x + AHEAD), _MM_HINT_T0);
    _mm_prefetch((const char *)(x + AHEAD + 16), _MM_HINT_T0);
}

/*
 * 32 values as int8: rint(x / scale). The product with the reciprocal is within 127 * 2^-22 of the quotient
 * and rounds to the same integer unless it lies that close to a half; only then the division is done.
 */
INLINE __m256i quantize_32(const float *x, float scale, float inverse)
{
    if (scale == 0.0f)
        return _mm256_setzero_si256();
    vf v[VECS_32], inv = vf_set1(inverse), from_int = vf_zero();
    UNROLL
    for (int i = 0; i < VECS_32; i++) {
        vf t = vf_mul(vf_load(x + i * VF_N), inv);
        v[i] = vf_round(t);
        from_int = vf_max(from_int, vf_abs(vf_sub(t, v[i])));
    }
    if (__builtin_expect(vf_any_above(from_int, 0.49996f), 0)) {
        UNROLL
        for (int i = 0; i < VECS_32; i++)
            v[i] = vf_div(vf_load(x + i * VF_N), vf_set1(scale));
    }
    return pack_32(v);
}

/* ---- sums and rows ---- */

/* Minus the sums of the first and the last 16 of every column: psadbw adds unsigned bytes, so q + 128, by
 * eights. */
INLINE void negated_sums(const __m256i q[QB_MAX_VECTOR_COLS], __m256i *lo, __m256i *hi)
{
    const __m256i flip = _mm256_set1_epi8(-128), all = _mm256_set1_epi32(16 * 128);
    __m256i two[4], four[2];
    UNROLL
    for (int c = 0; c < 4; c++) { /* eights of columns 2c, 2c + 1 side by side */
        __m256i a = _mm256_sad_epu8(_mm256_xor_si256(q[2 * c], flip), _mm256_setzero_si256());
        __m256i b = _mm256_sad_epu8(_mm256_xor_si256(q[2 * c + 1], flip), _mm256_setzero_si256());
        two[c] = _mm256_or_si256(a, _mm256_slli_epi64(b, 32));
    }
    UNROLL
    for (int i = 0; i < 2; i++)
        four[i] = _mm256_add_epi32(_mm256_unpacklo_epi64(two[2 * i], two[2 * i + 1]),
                                   _mm256_unpackhi_epi64(two[2 * i], two[2 * i + 1]));
    *lo = _mm256_sub_epi32(all, _mm256_permute2x128_si256(four[0], four[1], 0x20));
    *hi = _mm256_sub_epi32(all, _mm256_permute2x128_si256(four[0], four[1], 0x31));
}

/* Dword i of vector c to dword c of vector i. */
INLINE void transpose_8x8(__m256i v[8])
{
    __m256i two[8], four[8];
    UNROLL
    for (int i = 0; i < 8; i += 2) {
        two[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        two[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        UNROLL
        for (int h = 0; h < 2; h++) {
            four[i + 2 * h] = _mm256_unpacklo_epi64(two[i + h], two[i + 2 + h]);
            four[i + 2 * h + 1] = _mm256_unpackhi_epi64(two[i + h], two[i + 2 + h]);
        }
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(four[i], four[4 + i], 0x20);
        v[4 + i] = _mm256_permute2x128_si256(four[i], four[4 + i], 0x31);
    }
}

INLINE __m256i int16_pairs(__m256i first, __m256i second)
{
    return _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa);
}

/* q of 32 values of every column at k, by column: half of the 64 bytes that lie together. */
INLINE void put_halves(const struct act_part *t, int64_t k, const __m256i q[QB_MAX_VECTOR_COLS])
{
    int32_t *to = t->q + (size_t)(k / QB_ACT_COLUMN_Q) * t->width * (QB_ACT_COLUMN_Q / 4);
    to += k % QB_ACT_COLUMN_Q / 4;
    for (int c = 0; c < t->n; c++, to += QB_ACT_COLUMN_Q / 4)
        _mm256_storeu_si256((__m256i *)(void *)to, q[c]);
}

/* The same in either order; a tile of one column is never by column. */
INLINE void put_q(const struct act_part *t, int64_t k, __m256i q[QB_MAX_VECTOR_COLS], bool follow)
{
    int32_t *to = t->q + 8 * (size_t)(k / 32) * t->width;
    if (t->width == 1) {
        _mm256_storeu_si256((__m256i *)(void *)to, q[0]);
        return;
    }
    if (t->by_column) {
        put_halves(t, k, q);
        return;
    }
    transpose_8x8(q);
    UNROLL
    for (int i = 0; i < 8; i++)
        put_row(t, to + (size_t)i * t->width, q[i], follow);
}

/*
 * 32 values of every column at k: q and its sums over 16 and 32. @return minus the sums over 32; `pair`:
 * minus those over 16.
 */
INLINE __m256i put_32(const struct act_part *t, int64_t k, const float *x, size_t ldx, const float *scale,
                      const float *inverse, bool follow, __m256i *pair)
{
    __m256i q[QB_MAX_VECTOR_COLS], lo, hi;
    for (int c = 0; c < t->n; c++) {
        prefetch_32(x + (size_t)c * ldx);
        q[c] = quantize_32(x + (size_t)c * ldx, scale[c], inverse[c]);
    }
    for (int c = t->n; c < QB_MAX_VECTOR_COLS; c++)
        q[c] = _mm256_setzero_si256();
    negated_sums(q, &lo, &hi);
    size_t row = (size_t)(k / 32) * t->width;
    put_q(t, k, q, follow);
    put_row(t, t->nsum16 + 2 * row, lo, follow);
    put_row(t, t->nsum16 + 2 * row + t->width, hi, follow);
    *pair = int16_pairs(lo, hi);
    __m256i sum = _mm256_add_epi32(lo, hi);
    put_row(t, t->nsum32 + row, sum, follow);
    return sum;
}

/* 32 values under scales of their own; @return the sums of q. */
INLINE __m256 put_scaled_32(const struct act_part *t, int64_t k, const float *x, size_t ldx,
                            const struct block_scales *s)
{
    bool follow = rows_follow(t, k, 32);
    __m256i pair, sum = put_32(t, k, x, ldx, s->scale, s->inverse, follow, &pair);
    __m256 plus = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_setzero_si256(), sum));
    size_t row = (size_t)(k / 32) * t->width;
    put_floats(t, t->scale + row, s->scale_row, follow);
    put_floats(t, t->fsum + row, _mm256_mul_ps(s->scale_row, plus), follow);
    return plus;
}

/* ---- the kinds ---- */

typedef vf block_max_fn(const float *x, int n);

/* Lane c: the largest value of n of column c. */
INLINE __m256 largest_of_columns(const struct act_part *t, const float *x, size_t ldx, int n,
                                 block_max_fn *largest)
{
    __m256 m[QB_MAX_VECTOR_COLS];
    for (int c = 0; c < t->n; c++)
        m[c] = vf_fold_max(largest(x + (size_t)c * ldx, n));
    for (int c = t->n; c < QB_MAX_VECTOR_COLS; c++)
        m[c] = _mm256_setzero_ps();
    return max_of_columns(m);
}

/* Blocks of 32 at a time: all scales first, so that no block waits for divisions. */
#define GROUP_K      QB_ACT_STEP_K
#define GROUP_BLOCKS (GROUP_K / 32)

/* Scales of n values at k0 in fixed point, and the sums that go with them; both arrays have room for one
 * more.
 */
INLINE void group_fixed(const struct act_part *t, int64_t k0, int n, struct block_scales *s, __m256 *sum)
{
    __m256 top = _mm256_setzero_ps();
    for (int b = 0; b < n / 32; b++)
        top = _mm256_max_ps(top, s[b].scale_row);
    __m256 step = _mm256_div_ps(top, _mm256_set1_ps(QB_ACT_MAX_FIXED));
    __m256 normal = _mm256_cmp_ps(step, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ);
    __m256 inverse = _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(1.0f), step), normal);
    put_floats(t, t->step + (size_t)(k0 / QB_ACT_STEP_K) * t->width, _mm256_and_ps(step, normal), false);
    s[n / 32].scale_row = sum[n / 32] = _mm256_setzero_ps();
    for (int b = 0; b < n / 32; b += 2) {
        int64_t k = k0 + 32 * b;
        size_t row = (size_t)(k / 64) * t->width;
        bool follow = rows_follow(t, k, 64);
        __m256i fixed[2], start[2];
        UNROLL
        for (int i = 0; i < 2; i++) {
            fixed[i] = _mm256_cvtps_epi32(_mm256_mul_ps(s[b + i].scale_row, inverse));
            start[i] = _mm256_cvtps_epi32(_mm256_mul_ps(sum[b + i], _mm256_set1_ps(-8.0f)));
        }
        put_row(t, t->fixed + row, int16_pairs(fixed[0], fixed[1]), follow);
        put_row(t, t->start + row, int16_pairs(start[0], start[1]), follow);
    }
}

/* n values, GROUP_K or what is left. */
INLINE void group_q8_32(const struct act_part *t, int64_t k0, int n, const float *x, size_t ldx,
                        block_max_fn *largest)
{
    struct block_scales s[GROUP_BLOCKS + 1];
    __m256 sum[GROUP_BLOCKS + 1];
    for (int k = 0; k < n; k += 32)
        block_scales(largest_of_columns(t, x + k, ldx, 32, largest), &s[k / 32]);
    for (int k = 0; k < n; k += 32)
        sum[k / 32] = put_scaled_32(t, k0 + k, x + k, ldx, &s[k / 32]);
    if (t->fixed)
        group_fixed(t, k0, n, s, sum);
}

/* int16 of 8 significant bits at most to bf16, the upper half of the float. */
INLINE __m256i bf16_of_ints(__m256i x)
{
    __m256i even = _mm256_srai_epi32(_mm256_slli_epi32(x, 16), 16), odd = _mm256_srai_epi32(x, 16);
    even = _mm256_castps_si256(_mm256_cvtepi32_ps(even));
    odd = _mm256_castps_si256(_mm256_cvtepi32_ps(odd));
    return _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa);
}

/* Sums over 16 of 256 values of every column, in pairs, in two parts; pair becomes one vector a column. */
INLINE void put_nsum_bf16(const struct act_part *t, int64_t k, __m256i pair[QB_MAX_VECTOR_COLS])
{
    const __m256i low = _mm256_set1_epi16(15);
    uint16_t *to = t->nsum_bf16 + (size_t)(k / 256) * t->width * 2 * QB_ACT_BLOCK_NSUM;
    transpose_8x8(pair);
    for (int c = 0; c < t->n; c++, to += 2 * QB_ACT_BLOCK_NSUM) {
        __m256i *half = (__m256i *)(void *)to;
        _mm256_storeu_si256(half, bf16_of_ints(_mm256_andnot_si256(low, pair[c])));
        _mm256_storeu_si256(half + 1, bf16_of_ints(_mm256_and_si256(low, pair[c])));
    }
}

/* 256 values of every column. */
INLINE void block_q8_256(const struct act_part *t, int64_t k, const float *x, size_t ldx,
                         const struct block_scales *s)
{
    __m256i all = _mm256_setzero_si256(), sums[256 / 32], *pair = sums;
    size_t row = (size_t)(k / 256) * t->width;
    bool follow = rows_follow(t, k, 256);
    for (int64_t end = k + 256; k < end; k += 64, x += 64) {
        __m256i first, second, lo, hi;
        first = put_32(t, k, x, ldx, s->scale, s->inverse, rows_follow(t, k, 32), &lo);
        second = put_32(t, k + 32, x + 32, ldx, s->scale, s->inverse, rows_follow(t, k + 32, 32), &hi);
        if (t->by_column) {
            *pair++ = lo;
            *pair++ = hi;
        }
        put_row(t, t->npair16 + (size_t)(k / 32) * t->width, lo, rows_follow(t, k, 32));
        put_row(t, t->npair16 + (size_t)(k / 32 + 1) * t->width, hi, rows_follow(t, k + 32, 32));
        put_row(t, t->npair + (size_t)(k / 64) * t->width, int16_pairs(first, second), rows_follow(t, k, 64));
        all = _mm256_add_epi32(all, _mm256_add_epi32(first, second));
    }
    put_row(t, t->nsum256 + row, all, follow);
    put_floats(t, t->scale + row, s->scale_row, follow);
    if (t->by_column)
        put_nsum_bf16(t, k - 256, sums);
}

INLINE void part_q8_256(const struct act_part *t, const float *x, size_t ldx, block_max_fn *largest)
{
    for (int64_t k = 0; k < t->a->n_k; k += 256, x += 256) {
        struct block_scales s;
        block_scales(largest_of_columns(t, x, ldx, 256, largest), &s);
        block_q8_256(t, k, x, ldx, &s);
    }
}

/* The scales of a block of 32 under steps; @return the steps. */
INLINE __m256 stepped_scales(__m256 max, __m256 step, __m256 per_max, struct block_scales *s)
{
    __m256 one = _mm256_set1_ps(1.0f), most = _mm256_set1_ps(QB_ACT_MAX_STEPS);
    __m256 n = _mm256_ceil_ps(_mm256_mul_ps(max, per_max));
    n = _mm256_min_ps(_mm256_max_ps(n, one), most);
    s->scale_row = _mm256_mul_ps(step, n);
    _mm256_storeu_ps(s->scale, s->scale_row);
    _mm256_storeu_ps(s->inverse, _mm256_div_ps(one, s->scale_row));
    return n;
}

INLINE void group_q8_steps(const struct act_part *t, int64_t k0, int n, const float *x, size_t ldx,
                           block_max_fn *largest)
{
    struct block_scales s[GROUP_BLOCKS];
    __m256 row[GROUP_BLOCKS], top = _mm256_setzero_ps(); /* largest values, then steps */
    for (int b = 0; b < n / 32; b++) {
        row[b] = largest_of_columns(t, x + 32 * b, ldx, 32, largest);
        top = _mm256_max_ps(top, row[b]);
    }
    __m256 step = _mm256_div_ps(top, _mm256_set1_ps(127.0f * QB_ACT_MAX_STEPS));
    __m256 normal = _mm256_cmp_ps(step, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ);
    __m256 per_max = _mm256_div_ps(_mm256_set1_ps(QB_ACT_MAX_STEPS), top);
    per_max = _mm256_and_ps(per_max, normal); /* zero: then there is one step */
    step = _mm256_and_ps(step, normal);
    put_floats(t, t->step + (size_t)(k0 / QB_ACT_STEP_K) * t->width, step, false);
    for (int b = 0; b < n / 32; b++)
        row[b] = stepped_scales(row[b], step, per_max, &s[b]);
    for (int b = 0; b < n / 32; b++) {
        int64_t k = k0 + 32 * b;
        __m256 sum = put_scaled_32(t, k, x + 32 * b, ldx, &s[b]);
        size_t at = (size_t)(k / 32) * t->width;
        bool follow = rows_follow(t, k, 32);
        put_floats(t, t->ssum + at, _mm256_mul_ps(row[b], sum), follow);
        put_bytes(t, t->steps + at, row[b], follow);
    }
}

#define PART_BY_GROUPS(kind)                                                                                 \
    INLINE void part_##kind(const struct act_part *t, const float *x, size_t ldx, block_max_fn *largest)     \
    {                                                                                                        \
        for (int64_t k = 0, n; k < t->a->n_k; k += n, x += n) {                                              \
            n = t->a->n_k - k < GROUP_K ? t->a->n_k - k : GROUP_K;                                           \
            group_##kind(t, k, (int)n, x, ldx, largest);                                                     \
        }                                                                                                    \
    }
PART_BY_GROUPS(q8_32)
PART_BY_GROUPS(q8_steps)

/* Columns from c on that can go together: in one tile, in one vector, below c1. */
INLINE int part_columns(int pos, int width, int c, int c1)
{
    int n = width - pos < c1 - c ? width - pos : c1 - c;
    return n < QB_MAX_VECTOR_COLS ? n : QB_MAX_VECTOR_COLS;
}

/* Any columns, tile by tile; a tile of one column, as in token generation, has a constant width. */
#define ACT_COLUMNS(fn, part, largest, columns_together)                                                     \
    static void fn(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)                             \
    {                                                                                                        \
        for (int c = c0, n; c < c1; c += n) {                                                                \
            int pos, width, tile = qb_act_tile_of(a, c, &pos);                                               \
            qb_act_tile(a, tile, &width);                                                                    \
            n = part_columns(pos, width, c, c1);                                                             \
            struct act_part t = act_part_at(a, c, n);                                                        \
            t.by_column = columns_together;                                                                  \
            if (width == 1) {                                                                                \
                t.n = 1;                                                                                     \
                t.width = 1;                                                                                 \
                part(&t, x + (size_t)c * ldx, ldx, largest);                                                 \
            } else {                                                                                         \
                part(&t, x + (size_t)c * ldx, ldx, largest);                                                 \
            }                                                                                                \
        }                                                                                                    \
    }
/* A kind with one order. */
#define ACT_FN(name, part, largest)                                                                          \
    ACT_COLUMNS(name##_fours, part, largest, false)                                                          \
    void QB_ISA_FN(act_##name)(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)                 \
    {                                                                                                        \
        name##_fours(x, ldx, c0, c1, a);                                                                     \
    }
/* With two: each has code of its own, so that neither pays for the other. */
#define ACT_FN_ORDERS(name, part, largest)                                                                   \
    ACT_COLUMNS(name##_fours, part, largest, false)                                                          \
    ACT_COLUMNS(name##_by_column, part, largest, true)                                                       \
    void QB_ISA_FN(act_##name)(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)                 \
    {                                                                                                        \
        if (a->by_column)                                                                                    \
            name##_by_column(x, ldx, c0, c1, a);                                                             \
        else                                                                                                 \
            name##_fours(x, ldx, c0, c1, a);                                                                 \
    }
ACT_FN(q8_32, part_q8_32, block_max)
ACT_FN(q8_steps, part_q8_steps, block_max)
ACT_FN_ORDERS(q8_256, part_q8_256, block_max)

/*
 * Activations to int8 (kernels/act.h has the rule) over the vectors of simd_*.h. The including file defines
 * QB_ISA_FN(name) and pack_32: 32 integral floats to 32 int8.
 */
#include <float.h>

#include "kernels/kernel_protos.h"

#define VECS_32 (32 / VF_N)

/*
 * Where the values of one column go; entries of an array lie `width` (of the tile) apart. Block j of 32
 * values has its place at i = j * width, the same for all columns of a tile: pointers that move would be
 * stored and loaded again.
 */
struct act_column {
    size_t width;
    int32_t *q; /* fours */
    float *scale, *fsum, *step, *ssum;
    uint8_t *steps;
    int32_t *nsum16, *nsum32, *nsum256;
    int32_t *npair, *npair16; /* pairs */
};

static struct act_column act_column_at(const struct qb_act *a, int c)
{
    int pos, width, tile = qb_act_tile_of(a, c, &pos);
    int64_t c0 = qb_act_tile(a, tile, &width), n_k = a->n_k;
    struct act_column t = {.width = (size_t)width};
    t.q = (int32_t *)(void *)a->q + c0 * (n_k / 4) + pos;
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
    if (qb_act_block(a->kind) != 256)
        return t;
    t.nsum256 = a->nsum256 + c0 * (n_k / 256) + pos;
    t.npair = (int32_t *)(void *)a->npair + c0 * (n_k / 64) + pos;
    t.npair16 = (int32_t *)(void *)a->npair16 + c0 * (n_k / 32) + pos;
    return t;
}

INLINE float block_max(const float *x, int n)
{
    vf m = vf_zero();
    for (int i = 0; i < n; i += VF_N)
        m = vf_max(m, vf_abs(vf_load(x + i)));
    return vf_hmax(m);
}

/* Scales of a block of every column of a tile, and what values are multiplied with: one division for all. */
struct block_scales {
    float scale[QB_MAX_TILE_COLS], inverse[QB_MAX_TILE_COLS];
};
_Static_assert(QB_MAX_TILE_COLS == 8, "the scales of a tile fill a vector");

INLINE void block_scales(const float max[QB_MAX_TILE_COLS], struct block_scales *s)
{
    __m256 scale = _mm256_div_ps(_mm256_loadu_ps(max), _mm256_set1_ps(127.0f));
    __m256 normal = _mm256_cmp_ps(scale, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ);
    _mm256_storeu_ps(s->scale, _mm256_and_ps(scale, normal));
    _mm256_storeu_ps(s->inverse, _mm256_div_ps(_mm256_set1_ps(1.0f), scale));
}

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

/* Sums of the first and the last 16: psadbw adds unsigned bytes, so q + 128, by eights. */
INLINE void sums_16(__m256i q, int32_t *lo, int32_t *hi)
{
    __m256i s = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    __m256i t = _mm256_add_epi32(s, _mm256_unpackhi_epi64(s, s));
    *lo = _mm256_extract_epi32(t, 0) - 16 * 128;
    *hi = _mm256_extract_epi32(t, 4) - 16 * 128;
}

INLINE void store_q(const struct act_column *t, size_t i, __m256i q)
{
    int32_t four[8], *to = t->q + 8 * i;
    _mm256_storeu_si256((__m256i *)(void *)four, q);
    UNROLL
    for (int n = 0; n < 8; n++, to += t->width)
        *to = four[n];
}

/* The sums over 32 values and its halves, negated; @return minus the whole sum. */
INLINE int32_t store_sums(const struct act_column *t, size_t i, int32_t lo, int32_t hi)
{
    t->nsum16[2 * i] = -lo;
    t->nsum16[2 * i + t->width] = -hi;
    t->nsum32[i] = -(lo + hi);
    return -(lo + hi);
}

INLINE int32_t int16_pair(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)(first & 0xffff) | (uint32_t)second << 16);
}

/* 32 values and the sums of their halves. */
INLINE void put_32(const struct act_column *t, size_t i, const float *x, float scale, float inverse,
                   int32_t *lo, int32_t *hi)
{
    prefetch_32(x);
    __m256i q = quantize_32(x, scale, inverse);
    sums_16(q, lo, hi);
    store_q(t, i, q);
}

/* @return the sum of q */
INLINE int32_t block_q8_32(const struct act_column *t, size_t i, const float *x, float scale, float inverse)
{
    int32_t lo, hi;
    put_32(t, i, x, scale, inverse, &lo, &hi);
    store_sums(t, i, lo, hi);
    t->scale[i] = scale;
    t->fsum[i] = scale * (float)(lo + hi);
    return lo + hi;
}

/* The scales of 512 values of every column of a tile. */
struct step_scales {
    float step[QB_MAX_TILE_COLS];
    struct {
        float scale[QB_MAX_TILE_COLS], inverse[QB_MAX_TILE_COLS];
        float steps[QB_MAX_TILE_COLS];
    } block[QB_ACT_STEP_K / 32];
};

INLINE void step_scales(const float *x, size_t ldx, int n_cols, int n_blocks, struct step_scales *s)
{
    float max[QB_ACT_STEP_K / 32][QB_MAX_TILE_COLS] = {{0}};
    __m256 top = _mm256_setzero_ps(), one = _mm256_set1_ps(1.0f), most = _mm256_set1_ps(QB_ACT_MAX_STEPS);
    for (int b = 0; b < n_blocks; b++) {
        for (int c = 0; c < n_cols; c++)
            max[b][c] = block_max(x + (size_t)c * ldx + b * 32, 32);
        top = _mm256_max_ps(top, _mm256_loadu_ps(max[b]));
    }
    __m256 step = _mm256_div_ps(top, _mm256_set1_ps(127.0f * QB_ACT_MAX_STEPS));
    __m256 normal = _mm256_cmp_ps(step, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ);
    __m256 per_max = _mm256_and_ps(_mm256_div_ps(most, top), normal); /* zero: then there is one step */
    step = _mm256_and_ps(step, normal);
    _mm256_storeu_ps(s->step, step);
    for (int b = 0; b < n_blocks; b++) {
        __m256 n = _mm256_ceil_ps(_mm256_mul_ps(_mm256_loadu_ps(max[b]), per_max));
        n = _mm256_min_ps(_mm256_max_ps(n, one), most);
        __m256 scale = _mm256_mul_ps(step, n);
        _mm256_storeu_ps(s->block[b].steps, n);
        _mm256_storeu_ps(s->block[b].scale, scale);
        _mm256_storeu_ps(s->block[b].inverse, _mm256_div_ps(one, scale));
    }
}

INLINE void block_q8_steps(const struct act_column *t, size_t i, const float *x, const struct step_scales *s,
                           int b, int col)
{
    float steps = s->block[b].steps[col];
    int32_t sum = block_q8_32(t, i, x, s->block[b].scale[col], s->block[b].inverse[col]);
    t->steps[i] = (uint8_t)steps;
    t->ssum[i] = steps * (float)sum;
}

/* 32 values of a block of 256; @return minus their sum. */
INLINE int32_t block_part(const struct act_column *t, size_t i, const float *x, float scale, float inverse)
{
    int32_t lo, hi;
    put_32(t, i, x, scale, inverse, &lo, &hi);
    t->npair16[i] = int16_pair(-lo, -hi);
    return store_sums(t, i, lo, hi);
}

INLINE void block_q8_256(const struct act_column *t, size_t i, const float *x, float scale, float inverse)
{
    int32_t sum = 0;
    t->scale[i / 8] = scale;
    for (int k = 0; k < 256; k += 64) {
        size_t at = i + (size_t)(k / 32) * t->width;
        int32_t first = block_part(t, at, x + k, scale, inverse);
        int32_t second = block_part(t, at + t->width, x + k + 32, scale, inverse);
        t->npair[at / 2] = int16_pair(first, second);
        sum += first + second;
    }
    t->nsum256[i / 8] = sum;
}

/* Columns [c0, c0 + n) of one tile, block after block: what a block writes lies side by side. */
#define ACT_PART(name, block, n_block, largest)                                                              \
    static void name##_part(const float *x, size_t ldx, int c0, int n, const struct qb_act *a)               \
    {                                                                                                        \
        struct act_column t[QB_MAX_TILE_COLS];                                                               \
        for (int c = 0; c < n; c++)                                                                          \
            t[c] = act_column_at(a, c0 + c);                                                                 \
        x += (size_t)c0 * ldx;                                                                               \
        for (int64_t k = 0; k < a->n_k; k += n_block, x += n_block) {                                        \
            float max[QB_MAX_TILE_COLS] = {0};                                                               \
            struct block_scales s;                                                                           \
            for (int c = 0; c < n; c++)                                                                      \
                max[c] = largest(x + (size_t)c * ldx, n_block);                                              \
            block_scales(max, &s);                                                                           \
            for (int c = 0; c < n; c++)                                                                      \
                block(&t[c], (size_t)(k / 32) * t->width, x + (size_t)c * ldx, s.scale[c], s.inverse[c]);    \
        }                                                                                                    \
    }
ACT_PART(q8_32, block_q8_32, 32, block_max)
ACT_PART(q8_256, block_q8_256, 256, block_max)

static void q8_steps_part(const float *x, size_t ldx, int c0, int n, const struct qb_act *a)
{
    struct act_column t[QB_MAX_TILE_COLS];
    for (int c = 0; c < n; c++)
        t[c] = act_column_at(a, c0 + c);
    x += (size_t)c0 * ldx;
    for (int64_t k = 0; k < a->n_k; k += QB_ACT_STEP_K, x += QB_ACT_STEP_K) {
        struct step_scales s;
        int n_blocks = (int)(a->n_k - k < QB_ACT_STEP_K ? a->n_k - k : QB_ACT_STEP_K) / 32;
        step_scales(x, ldx, n, n_blocks, &s);
        for (int c = 0; c < n; c++)
            t[c].step[(size_t)(k / QB_ACT_STEP_K) * t->width] = s.step[c];
        for (int b = 0; b < n_blocks; b++)
            for (int c = 0; c < n; c++)
                block_q8_steps(&t[c], (size_t)(k / 32 + b) * t->width, x + (size_t)c * ldx + b * 32, &s, b,
                               c);
    }
}

/* Any columns, tile by tile. */
#define ACT_FN(name)                                                                                         \
    void QB_ISA_FN(act_##name)(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)                 \
    {                                                                                                        \
        for (int c = c0, n; c < c1; c += n) {                                                                \
            int pos, width, tile = qb_act_tile_of(a, c, &pos);                                               \
            qb_act_tile(a, tile, &width);                                                                    \
            n = width - pos < c1 - c ? width - pos : c1 - c;                                                 \
            name##_part(x, ldx, c, n, a);                                                                    \
        }                                                                                                    \
    }
ACT_FN(q8_32)
ACT_FN(q8_steps)
ACT_FN(q8_256)

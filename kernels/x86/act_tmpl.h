/*
 * Activations to int8 (kernels/act.h has the rule) over the vectors of simd_*.h. The including file defines
 * QB_ISA_FN(name) and pack_32: 32 integral floats to 32 int8.
 */
#include <float.h>
#include <string.h>

#include "kernels/kernel_protos.h"

#define VECS_32 (32 / VF_N)

/* Where the values of one column go. */
struct act_column {
    struct qb_act *a;
    int64_t c0; /* first column of the tile */
    int width, pos;
};

INLINE int64_t act_index(const struct act_column *t, int64_t k, int per)
{
    return t->c0 * (t->a->n_k / per) + k / per * t->width + t->pos;
}

INLINE float block_scale(const float *x, int n)
{
    vf m = vf_zero();
    for (int i = 0; i < n; i += VF_N)
        m = vf_max(m, vf_abs(vf_load(x + i)));
    float scale = vf_hmax(m) / 127.0f;
    return scale < FLT_MIN ? 0 : scale;
}

/* 32 values as int8. */
INLINE __m256i quantize_32(const float *x, float scale)
{
    if (scale == 0.0f)
        return _mm256_setzero_si256();
    vf v[VECS_32], s = vf_set1(scale);
    UNROLL
    for (int i = 0; i < VECS_32; i++)
        v[i] = vf_div(vf_load(x + i * VF_N), s);
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

/* Fours of q at k of the column, `width` fours apart. */
INLINE void store_q(const struct act_column *t, int64_t k, __m256i q)
{
    int32_t four[8];
    int8_t *to = t->a->q + t->c0 * t->a->n_k + (k / 4 * t->width + t->pos) * 4;
    _mm256_storeu_si256((__m256i *)(void *)four, q);
    UNROLL
    for (int i = 0; i < 8; i++)
        memcpy(to + (size_t)(i * t->width) * 4, &four[i], 4);
}

INLINE void column_q8_32(const struct act_column *t, const float *x)
{
    for (int64_t k = 0; k < t->a->n_k; k += 32) {
        float scale = block_scale(x + k, 32);
        __m256i q = quantize_32(x + k, scale);
        int32_t lo, hi;
        sums_16(q, &lo, &hi);
        store_q(t, k, q);
        int64_t i = act_index(t, k, 32);
        t->a->scale[i] = scale;
        t->a->nsum32[i] = -(lo + hi);
        t->a->fsum[i] = scale * (float)(lo + hi);
    }
}

INLINE void column_q8_256(const struct act_column *t, const float *x)
{
    int16_t *npair = t->a->npair + t->c0 * (t->a->n_k / 32);
    for (int64_t k0 = 0; k0 < t->a->n_k; k0 += 256) {
        float scale = block_scale(x + k0, 256);
        t->a->scale[act_index(t, k0, 256)] = scale;
        for (int64_t k = k0; k < k0 + 256; k += 32) {
            __m256i q = quantize_32(x + k, scale);
            int32_t lo, hi;
            sums_16(q, &lo, &hi);
            store_q(t, k, q);
            t->a->nsum16[act_index(t, k, 16)] = -lo;
            t->a->nsum16[act_index(t, k + 16, 16)] = -hi;
            t->a->nsum32[act_index(t, k, 32)] = -(lo + hi);
            npair[(k / 64 * t->width + t->pos) * 2 + k / 32 % 2] = (int16_t) - (lo + hi);
        }
    }
}

#define ACT_FN(name, column)                                                                                 \
    void QB_ISA_FN(name)(const float *x, size_t ldx, int c0, int c1, struct qb_act *a)                       \
    {                                                                                                        \
        for (int c = c0; c < c1; c++) {                                                                      \
            struct act_column t = {.a = a};                                                                  \
            int tile = qb_act_tile_of(a, c, &t.pos);                                                         \
            t.c0 = qb_act_tile(a, tile, &t.width);                                                           \
            column(&t, x + (size_t)c * ldx);                                                                 \
        }                                                                                                    \
    }
ACT_FN(act_q8_32, column_q8_32)
ACT_FN(act_q8_256, column_q8_256)

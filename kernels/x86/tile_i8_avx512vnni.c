/*
 * Integer tile kernels for AVX512-VNNI: 32 panel rows (two vectors of 16) x up to 7 activation columns.
 *
 * Registers: 14 integer and 14 float accumulators, two code vectors, one broadcast. Every k step is two loads
 * of codes, one 4-byte broadcast and two vpdpbusd a column. The integer accumulators start at the offset
 * term, so signed weights cost nothing inside; a fold (convert, FMA with the sub-block's scale) follows every
 * 32 or 16 weights. Activations with a scale per 256 fold into floats without it and meet it once per 256, on
 * the way to `out`. Formats whose sub-scales are in the codes fold once per 256 and need no float
 * accumulators in between.
 */
#include <immintrin.h>

#include "kernels/kernel_protos.h"
#include "kernels/simd.h"

#define TILE_COLS 7

/* What one instance is specialized on; all constants after inlining. */
struct tile_shape {
    int cols;  /* 1..TILE_COLS */
    int sub;   /* weights per fold: 16, 32 or 256 */
    int act;   /* activations per scale: 32 or 256 */
    int shift; /* of the code offset, or QB_OFFSET_NONE */
    enum qb_min_kind min;
};

/* The activations of a tile, from k0 on. */
struct tile_act {
    const int8_t *q;
    const float *scale, *fsum;
    const int32_t *nsum;
    const int16_t *npair;
};

QB_INLINE struct tile_act tile_act_at(const struct qb_act *a, int tile, int64_t k0, struct tile_shape s)
{
    int w;
    int64_t c0 = qb_act_tile(a, tile, &w);
    const int32_t *nsum = s.sub == 16 ? a->nsum16 : s.sub == 32 ? a->nsum32 : a->nsum256;
    struct tile_act t = {
        .q = a->q + c0 * a->n_k + k0 * w,
        .scale = a->scale + c0 * (a->n_k / s.act) + k0 / s.act * w,
        .nsum = nsum + c0 * (a->n_k / s.sub) + k0 / s.sub * w,
    };
    if (s.min == QB_MIN_F32)
        t.fsum = a->fsum + c0 * (a->n_k / 32) + k0 / 32 * w;
    if (s.min == QB_MIN_I16)
        t.npair = a->npair + c0 * (a->n_k / 32) + k0 / 32 * w;
    if (s.min == QB_MIN_I16_16)
        t.npair = a->npair16 + c0 * (a->n_k / 16) + k0 / 16 * w;
    return t;
}

/* Up to 32 weights of every row times all columns. */
QB_INLINE void tile_dot_part(const uint8_t *w, const int8_t *q, int n, int cols, __m512i *i0, __m512i *i1)
{
    QB_UNROLL
    for (int k = 0; k < n / 4; k++) {
        __m512i w0 = _mm512_load_si512(w + k * 128);
        __m512i w1 = _mm512_load_si512(w + k * 128 + 64);
        QB_UNROLL
        for (int c = 0; c < cols; c++) {
            __m512i x = _mm512_set1_epi32(*(const int32_t *)(q + (k * cols + c) * 4));
            i0[c] = _mm512_dpbusd_epi32(i0[c], w0, x);
            i1[c] = _mm512_dpbusd_epi32(i1[c], w1, x);
        }
    }
}

/* Integer accumulators of all columns over sub-block b of the panel, starting at the offset term. */
QB_INLINE void tile_dot(const uint8_t *code, const struct tile_act *a, int64_t b, struct tile_shape s,
                        __m512i *i0, __m512i *i1)
{
    const uint8_t *w = code + b * s.sub * QB_PANEL_ROWS;
    const int8_t *q = a->q + b * s.sub * s.cols;
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        i0[c] = _mm512_setzero_si512();
        if (s.shift != QB_OFFSET_NONE)
            i0[c] = _mm512_slli_epi32(_mm512_set1_epi32(a->nsum[b * s.cols + c]), s.shift);
        i1[c] = i0[c];
    }
    for (int part = 0; part < s.sub; part += 32, w += 32 * QB_PANEL_ROWS, q += 32 * s.cols)
        tile_dot_part(w, q, s.sub < 32 ? s.sub : 32, s.cols, i0, i1);
}

/* f += scale (x activation scale) * dot, over sub-block b. */
QB_INLINE void tile_fold(const struct qb_panel *p, const struct tile_act *a, int64_t b, struct tile_shape s,
                         __m512i *i0, __m512i *i1, __m512 *f0, __m512 *f1)
{
    __m512 s0 = _mm512_load_ps(p->scale + b * QB_PANEL_ROWS);
    __m512 s1 = _mm512_load_ps(p->scale + b * QB_PANEL_ROWS + 16);
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        __m512 t0 = s0, t1 = s1;
        if (s.act == 32) {
            __m512 x = _mm512_set1_ps(a->scale[b * s.sub / 32 * s.cols + c]);
            t0 = _mm512_mul_ps(s0, x);
            t1 = _mm512_mul_ps(s1, x);
        }
        f0[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i0[c]), t0, f0[c]);
        f1[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i1[c]), t1, f1[c]);
    }
    if (s.min != QB_MIN_F32)
        return;
    __m512 m0 = _mm512_load_ps(p->min_f32 + b * QB_PANEL_ROWS);
    __m512 m1 = _mm512_load_ps(p->min_f32 + b * QB_PANEL_ROWS + 16);
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        __m512 x = _mm512_set1_ps(a->fsum[b * s.cols + c]);
        f0[c] = _mm512_fmadd_ps(m0, x, f0[c]);
        f1[c] = _mm512_fmadd_ps(m1, x, f1[c]);
    }
}

/*
 * f += min_scale * (minima . negated sums) over pairs 4 quad .. 4 quad + 3 of the panel: int16, four vpdpwssd
 * a vector. min_scale: of the 256 weights that hold them.
 */
QB_INLINE void tile_min_quad(const struct qb_panel *p, const struct tile_act *a, int64_t quad,
                             const float *min_scale, struct tile_shape s, __m512 *f0, __m512 *f1)
{
    const int16_t *m = p->min_pair + quad * 4 * QB_PANEL_ROWS * 2;
    const int16_t *n = a->npair + quad * 4 * s.cols * 2;
    __m512 ms0 = _mm512_load_ps(min_scale), ms1 = _mm512_load_ps(min_scale + 16);
    __m512i m0[4], m1[4];
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        m0[i] = _mm512_load_si512(m + i * QB_PANEL_ROWS * 2);
        m1[i] = _mm512_load_si512(m + i * QB_PANEL_ROWS * 2 + 32);
    }
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        __m512i t0 = _mm512_setzero_si512(), t1 = t0;
        QB_UNROLL
        for (int i = 0; i < 4; i++) {
            __m512i x = _mm512_set1_epi32(*(const int32_t *)(n + (i * s.cols + c) * 2));
            t0 = _mm512_dpwssd_epi32(t0, m0[i], x);
            t1 = _mm512_dpwssd_epi32(t1, m1[i], x);
        }
        f0[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t0), ms0, f0[c]);
        f1[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t1), ms1, f1[c]);
    }
}

/* The integer minima of block b of 256: 8 of 32 weights or 16 of 16. */
QB_INLINE void tile_min_i16(const struct qb_panel *p, const struct tile_act *a, int64_t b,
                            struct tile_shape s, __m512 *f0, __m512 *f1)
{
    const float *min_scale = p->min_scale + b * QB_PANEL_ROWS;
    if (s.min == QB_MIN_I16)
        tile_min_quad(p, a, b, min_scale, s, f0, f1);
    if (s.min == QB_MIN_I16_16) {
        tile_min_quad(p, a, 2 * b, min_scale, s, f0, f1);
        tile_min_quad(p, a, 2 * b + 1, min_scale, s, f0, f1);
    }
}

/* out (+)= f, scaled per column when x is given. */
QB_INLINE void tile_store(struct tile_shape s, const __m512 *f0, const __m512 *f1, const float *x,
                          const float *init, bool accumulate, float *out, size_t ldo)
{
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        float *o = out + (size_t)c * ldo;
        const float *from = accumulate ? o : init;
        __m512 c0 = _mm512_setzero_ps(), c1 = c0;
        if (from) {
            c0 = _mm512_loadu_ps(from);
            c1 = _mm512_loadu_ps(from + 16);
        }
        __m512 v = _mm512_set1_ps(x ? x[c] : 1.0f);
        _mm512_storeu_ps(o, _mm512_fmadd_ps(f0[c], v, c0));
        _mm512_storeu_ps(o + 16, _mm512_fmadd_ps(f1[c], v, c1));
    }
}

/* One tile over the whole slice. Activations per 32: one float sum over the slice. Per 256: one store every
 * 256. */
QB_INLINE void tile_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0, int64_t n_k,
                        const float *init, bool accumulate, float *out, size_t ldo, struct tile_shape s)
{
    struct tile_act a = tile_act_at(act, tile, k0, s);
    int64_t step = s.act == 32 ? n_k : 256;
    for (int64_t k = 0; k < n_k; k += step) {
        __m512 f0[TILE_COLS], f1[TILE_COLS];
        QB_UNROLL
        for (int c = 0; c < s.cols; c++)
            f0[c] = f1[c] = _mm512_setzero_ps();
        for (int64_t b = k / s.sub; b < (k + step) / s.sub; b++) {
            __m512i i0[TILE_COLS], i1[TILE_COLS];
            tile_dot(p->code, &a, b, s, i0, i1);
            tile_fold(p, &a, b, s, i0, i1, f0, f1);
        }
        tile_min_i16(p, &a, k / 256, s, f0, f1);
        tile_store(s, f0, f1, s.act == 32 ? NULL : a.scale + k / 256 * s.cols, init, accumulate, out, ldo);
        accumulate = true;
    }
}

#define TILE_CASE(N, SUB, ACT, SHIFT, MIN)                                                                   \
    case N:                                                                                                  \
        tile_run(p, a, tile, k0, n_k, init, accumulate, out, ldo,                                            \
                 (struct tile_shape){N, SUB, ACT, SHIFT, MIN});                                              \
        break;
#define TILE_CASES(...)                                                                                      \
    TILE_CASE(1, __VA_ARGS__)                                                                                \
    TILE_CASE(2, __VA_ARGS__)                                                                                \
    TILE_CASE(3, __VA_ARGS__)                                                                                \
    TILE_CASE(4, __VA_ARGS__)                                                                                \
    TILE_CASE(5, __VA_ARGS__)                                                                                \
    TILE_CASE(6, __VA_ARGS__)                                                                                \
    TILE_CASE(7, __VA_ARGS__)

/* One kernel: a switch over the tile width, each case fully specialized. */
#define TILE_FN(linkage, name, SUB, ACT, SHIFT, MIN)                                                         \
    linkage void name(const struct qb_panel *p, const struct qb_act *a, int tile, int64_t k0, int64_t n_k,   \
                      const float *init, bool accumulate, float *out, size_t ldo)                            \
    {                                                                                                        \
        int w;                                                                                               \
        qb_act_tile(a, tile, &w);                                                                            \
        switch (w) {                                                                                         \
            TILE_CASES(SUB, ACT, SHIFT, MIN)                                                                 \
        }                                                                                                    \
    }

/* A class with several code offsets chooses its instance by the panel. */
#define TILE_BY_OFFSET(name, choice)                                                                         \
    void name(const struct qb_panel *p, const struct qb_act *a, int tile, int64_t k0, int64_t n_k,           \
              const float *init, bool accumulate, float *out, size_t ldo)                                    \
    {                                                                                                        \
        int shift = p->offset_shift;                                                                         \
        qb_tile_fn *fn = choice;                                                                             \
        fn(p, a, tile, k0, n_k, init, accumulate, out, ldo);                                                 \
    }

TILE_FN(static, tile_s32_a32_shift0, 32, 32, 0, QB_MIN_NONE)
TILE_FN(static, tile_s32_a32_shift3, 32, 32, 3, QB_MIN_NONE)
TILE_FN(static, tile_s32_a32_shift4, 32, 32, 4, QB_MIN_NONE)
TILE_BY_OFFSET(qb_tile_s32_a32_avx512vnni, shift == 3   ? tile_s32_a32_shift3
                                           : shift == 4 ? tile_s32_a32_shift4
                                                        : tile_s32_a32_shift0)

TILE_FN(static, tile_s16_a256_shift4, 16, 256, 4, QB_MIN_NONE)
TILE_FN(static, tile_s16_a256_shift5, 16, 256, 5, QB_MIN_NONE)
TILE_FN(static, tile_s16_a256_shift6, 16, 256, 6, QB_MIN_NONE)
TILE_BY_OFFSET(qb_tile_s16_a256_avx512vnni, shift == 5   ? tile_s16_a256_shift5
                                            : shift == 6 ? tile_s16_a256_shift6
                                                         : tile_s16_a256_shift4)

TILE_FN(static, tile_s32_a256_shift4, 32, 256, 4, QB_MIN_NONE)
TILE_FN(static, tile_s32_a256_shift6, 32, 256, 6, QB_MIN_NONE)
TILE_BY_OFFSET(qb_tile_s32_a256_avx512vnni, shift == 4 ? tile_s32_a256_shift4 : tile_s32_a256_shift6)

TILE_FN(, qb_tile_s16_a32_avx512vnni, 16, 32, 4, QB_MIN_NONE)
TILE_FN(, qb_tile_s32_a32_wide_avx512vnni, 32, 32, 7, QB_MIN_NONE)
TILE_FN(, qb_tile_m32_a32_avx512vnni, 32, 32, QB_OFFSET_NONE, QB_MIN_F32)
TILE_FN(, qb_tile_s32_a256_wide_avx512vnni, 32, 256, 7, QB_MIN_NONE)
TILE_FN(, qb_tile_m32_a256_avx512vnni, 32, 256, QB_OFFSET_NONE, QB_MIN_I16)
TILE_FN(, qb_tile_s256_a256_avx512vnni, 256, 256, 0, QB_MIN_NONE)
TILE_FN(, qb_tile_s256_a256_wide_avx512vnni, 256, 256, 7, QB_MIN_NONE)
TILE_FN(, qb_tile_s256_m16_a256_avx512vnni, 256, 256, QB_OFFSET_NONE, QB_MIN_I16_16)
TILE_FN(, qb_tile_s256_m32_a256_avx512vnni, 256, 256, 4, QB_MIN_I16)

/*
 * Integer tile kernels for AVX2: 32 panel rows (four vectors of 8) x up to 4 activation columns.
 *
 * vpmaddubsw multiplies unsigned codes by signed activations and adds pairs into int16. Codes of up to 6 bits
 * leave room for several products before vpmaddwd widens the sum to int32 (`depth`). The offset of the codes
 * is paid once per sub-block, from the negated activation sums: in int32, or already in the int16 sums
 * (`centered`), which doubles the depth because they are then sums of signed weights; on the way they may
 * wrap. Codes of 8 bits (WIDE) leave no room, and are multiplied as magnitudes with activations of the
 * weight's sign.
 *
 * A register tile is 2 vectors of rows x 4 columns, or 1 x 4 where sums are widened often; float sums wait in
 * L1. The multiplier takes two of vpmaddubsw, vpmaddwd and FMA a cycle: docs/performance.md has the bound of
 * each class.
 */
#include "kernels/x86/rows8_avx2.h"

#define TILE_COLS 4
#define MAX_VECS  2
/* What one instance is specialized on; all constants after inlining. */
struct tile_shape {
    int cols;  /* 1..TILE_COLS */
    int vecs;  /* vectors of 8 rows at a time */
    int sub;   /* weights per fold: 16, 32 or 256 */
    int act;   /* activations per scale: 32 or 256 */
    int shift; /* of the code offset, or QB_OFFSET_NONE */
    /* products in an int16: floor(32767 / (254 * largest code)), or of the largest |weight| if centered; 0 =
     * WIDE */
    int depth;
    enum qb_min_kind min;
    bool centered; /* int16 sums start at minus the offset's share, so that they are sums of signed weights */
};

/* The activations of a tile, from k0 on. */
struct tile_act {
    const int8_t *q;
    const float *scale, *fsum;
    const int32_t *nsum;
    const int16_t *npair;
    const int32_t *start; /* [sub-block][column], centered shapes */
};

/* One register tile: [vector of rows][column]. */
struct tile_int {
    __m256i v[MAX_VECS][TILE_COLS];
};
struct tile_sum {
    __m256 v[MAX_VECS][TILE_COLS];
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

/* Four bytes (or a pair of int16) for all rows. */
QB_INLINE __m256i broadcast4(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

/* What the int16 sums of each sub-block start at: minus 2^shift times the sums of activations that meet in a
 * lane. */
QB_INLINE void tile_starts(const struct tile_act *a, int64_t n, struct tile_shape s, int32_t *start)
{
    const __m128i valid = _mm_cmpgt_epi32(_mm_set1_epi32(s.cols), _mm_setr_epi32(0, 1, 2, 3));
    const __m128i offset = _mm_set1_epi8((char)(1 << (s.shift & 7)));
    const int8_t *x = a->q;
    for (int64_t b = 0; b < n; b++) {
        __m128i sum = _mm_setzero_si128();
        QB_UNROLL
        for (int k = 0; k < s.sub / 4; k++, x += s.cols * 4)
            sum = _mm_sub_epi16(sum, _mm_maddubs_epi16(offset, _mm_maskload_epi32((const void *)x, valid)));
        _mm_store_si128((void *)(start + b * TILE_COLS), sum);
    }
}

/* Sums of products of up to 32 weights; w: the codes of the first row vector, x: the activations. */
QB_INLINE struct tile_int tile_dot_part(const uint8_t *w, const int8_t *x, const int32_t *start,
                                        struct tile_shape s)
{
    const int n = s.sub < 32 ? s.sub : 32;
    const __m256i ones = _mm256_set1_epi16(1), flip = _mm256_set1_epi8((char)0x80);
    const int depth = s.depth == 0 ? 1 : s.depth;
    struct tile_int part, sum;
    QB_UNROLL
    for (int k = 0; k < n / 4; k++) {
        __m256i sign[MAX_VECS], code[MAX_VECS];
        QB_UNROLL
        for (int v = 0; v < s.vecs; v++) {
            code[v] = _mm256_load_si256((const void *)(w + k * QB_PANEL_ROWS * 4 + v * 32));
            sign[v] = code[v];
            if (s.depth == 0) {
                sign[v] = _mm256_xor_si256(code[v], flip);
                code[v] = _mm256_abs_epi8(sign[v]);
            }
        }
        QB_UNROLL
        for (int i = 0; i < s.cols * s.vecs; i++) {
            const int c = i / s.vecs, v = i % s.vecs;
            __m256i y = broadcast4(x + (k * s.cols + c) * 4);
            __m256i t = _mm256_maddubs_epi16(code[v], s.depth == 0 ? _mm256_sign_epi8(y, sign[v]) : y);
            if (s.centered && k == 0)
                part.v[v][c] = broadcast4(start + c);
            part.v[v][c] = k % depth == 0 && !s.centered ? t : _mm256_add_epi16(part.v[v][c], t);
            QB_IN_ORDER(part.v[v][c]);
            if ((k + 1) % depth == 0 || k + 1 == n / 4) {
                t = _mm256_madd_epi16(part.v[v][c], ones);
                sum.v[v][c] = k < depth ? t : _mm256_add_epi32(sum.v[v][c], t);
                QB_IN_ORDER(sum.v[v][c]);
            }
        }
    }
    return sum;
}

/* Sums of products of one sub-block. */
QB_INLINE struct tile_int tile_dot(const uint8_t *w, const int8_t *x, const int32_t *start,
                                   struct tile_shape s)
{
    struct tile_int sum = tile_dot_part(w, x, start, s);
    for (int part = 32; part < s.sub; part += 32) {
        struct tile_int more = tile_dot_part(w + part * QB_PANEL_ROWS, x + part * s.cols, start, s);
        QB_UNROLL
        for (int i = 0; i < s.cols * s.vecs; i++)
            sum.v[i % s.vecs][i / s.vecs] =
                _mm256_add_epi32(sum.v[i % s.vecs][i / s.vecs], more.v[i % s.vecs][i / s.vecs]);
    }
    return sum;
}

/* f += scale (x activation scale) * (dot + offset), over sub-block b, panel rows from r. */
QB_INLINE void tile_fold(const struct qb_panel *p, int r, const struct tile_act *a, int64_t b,
                         struct tile_shape s, const struct tile_int *dot, struct tile_sum *f)
{
    QB_UNROLL
    for (int i = 0; i < s.cols * s.vecs; i++) {
        const int c = i / s.vecs, v = i % s.vecs;
        __m256i d = dot->v[v][c];
        if (s.depth != 0 && s.shift != QB_OFFSET_NONE && !s.centered)
            d = _mm256_add_epi32(d, _mm256_slli_epi32(broadcast4(a->nsum + b * s.cols + c), s.shift));
        __m256 scale = _mm256_load_ps(p->scale + b * QB_PANEL_ROWS + r + 8 * v);
        if (s.act == 32)
            scale = _mm256_mul_ps(scale, _mm256_set1_ps(a->scale[b * s.sub / 32 * s.cols + c]));
        f->v[v][c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(d), scale, f->v[v][c]);
        if (s.min == QB_MIN_F32)
            f->v[v][c] = _mm256_fmadd_ps(_mm256_load_ps(p->min_f32 + b * QB_PANEL_ROWS + r + 8 * v),
                                         _mm256_set1_ps(a->fsum[b * s.cols + c]), f->v[v][c]);
    }
}

/* f += min_scale * (minima . negated sums) over the 256 weights of block n: int16 pairs. */
QB_INLINE void tile_min_i16(const struct qb_panel *p, int r, const struct tile_act *a, int64_t n,
                            struct tile_shape s, struct tile_sum *f)
{
    const int pairs = s.min == QB_MIN_I16_16 ? 8 : 4;
    const int16_t *m = p->min_pair + (n * pairs * QB_PANEL_ROWS + r) * 2;
    const int16_t *x = a->npair + n * pairs * s.cols * 2;
    QB_UNROLL
    for (int i = 0; i < s.cols * s.vecs; i++) {
        const int c = i / s.vecs, v = i % s.vecs;
        __m256i sum = _mm256_setzero_si256();
        QB_UNROLL
        for (int k = 0; k < pairs; k++) {
            __m256i min = _mm256_load_si256((const void *)(m + (k * QB_PANEL_ROWS + 8 * v) * 2));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(min, broadcast4(x + (k * s.cols + c) * 2)));
        }
        f->v[v][c] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                            _mm256_load_ps(p->min_scale + n * QB_PANEL_ROWS + r + 8 * v), f->v[v][c]);
    }
}

/* out (+)= f, scaled per column when x is given. */
QB_INLINE void tile_store(struct tile_shape s, const struct tile_sum *f, const float *x, const float *init,
                          bool accumulate, float *out, size_t ldo)
{
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        __m256 scale = _mm256_set1_ps(x ? x[c] : 1.0f);
        QB_UNROLL
        for (int v = 0; v < s.vecs; v++) {
            float *o = out + (size_t)c * ldo + 8 * v;
            const float *from = accumulate ? o : init ? init + 8 * v : NULL;
            __m256 start = from ? _mm256_loadu_ps(from) : _mm256_setzero_ps();
            _mm256_storeu_ps(o, _mm256_fmadd_ps(f->v[v][c], scale, start));
        }
    }
}

/* Panel rows r .. r + 8 * vecs over `n` sub-blocks from sub-block b. */
QB_INLINE void tile_rows(const struct qb_panel *p, int r, const struct tile_act *a, int64_t b, int64_t n,
                         struct tile_shape s, struct tile_sum *f)
{
    QB_UNROLL
    for (int i = 0; i < s.cols * s.vecs; i++)
        f->v[i % s.vecs][i / s.vecs] = _mm256_setzero_ps();
    for (int64_t end = b + n; b < end; b++) {
        struct tile_int dot = tile_dot(p->code + (b * s.sub * QB_PANEL_ROWS + r * 4),
                                       a->q + b * s.sub * s.cols, a->start + b * TILE_COLS, s);
        tile_fold(p, r, a, b, s, &dot, f);
    }
}

/* One tile over the slice: one float sum over all of it (activations per 32) or over every 256. */
QB_INLINE void tile_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0, int64_t n_k,
                        const float *init, bool accumulate, float *out, size_t ldo, struct tile_shape s)
{
    struct tile_act a = tile_act_at(act, tile, k0, s);
    int64_t step = s.act == 32 ? n_k : 256;
    int32_t start[QB_PANEL_K / 16 * TILE_COLS] __attribute__((aligned(16)));
    a.start = start;
    if (s.centered)
        tile_starts(&a, n_k / s.sub, s, start);
    for (int64_t k = 0; k < n_k; k += step) {
        for (int r = 0; r < QB_PANEL_ROWS; r += 8 * s.vecs) {
            struct tile_sum f;
            tile_rows(p, r, &a, k / s.sub, step / s.sub, s, &f);
            if (qb_min_is_integer(s.min))
                tile_min_i16(p, r, &a, k / 256, s, &f);
            tile_store(s, &f, s.act == 32 ? NULL : a.scale + k / 256 * s.cols, init ? init + r : NULL,
                       accumulate, out + r, ldo);
        }
        accumulate = true;
    }
}

#define TILE_CASE(N, ...)                                                                                    \
    case N:                                                                                                  \
        tile_run(p, a, tile, k0, n_k, init, accumulate, out, ldo, (struct tile_shape){N, __VA_ARGS__});      \
        break;

/* One kernel: a switch over the tile width, each case fully specialized. */
#define TILE_FN(linkage, name, ...)                                                                          \
    linkage void name(const struct qb_panel *p, const struct qb_act *a, int tile, int64_t k0, int64_t n_k,   \
                      const float *init, bool accumulate, float *out, size_t ldo)                            \
    {                                                                                                        \
        int w;                                                                                               \
        qb_act_tile(a, tile, &w);                                                                            \
        switch (w) {                                                                                         \
            TILE_CASE(1, __VA_ARGS__)                                                                        \
            TILE_CASE(2, __VA_ARGS__)                                                                        \
            TILE_CASE(3, __VA_ARGS__)                                                                        \
            TILE_CASE(4, __VA_ARGS__)                                                                        \
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

/* vecs, sub, act, shift, depth, min, centered: in the order of struct tile_shape */
TILE_FN(static, tile_s32_a32_2bit, 2, 32, 32, 0, 8, QB_MIN_NONE, false)
TILE_FN(static, tile_s32_a32_4bit, 2, 32, 32, 3, 8, QB_MIN_NONE, false)
TILE_FN(static, tile_s32_a32_5bit, 2, 32, 32, 4, 8, QB_MIN_NONE, true)
TILE_BY_OFFSET(qb_tile_s32_a32_avx2, shift == 3   ? tile_s32_a32_4bit
                                     : shift == 4 ? tile_s32_a32_5bit
                                                  : tile_s32_a32_2bit)

TILE_FN(static, tile_s16_a256_5bit, 1, 16, 256, 4, 4, QB_MIN_NONE, true)
TILE_FN(static, tile_s16_a256_6bit, 1, 16, 256, 5, 4, QB_MIN_NONE, true)
TILE_FN(static, tile_s16_a256_7bit, 1, 16, 256, 6, 1, QB_MIN_NONE, false)
TILE_BY_OFFSET(qb_tile_s16_a256_avx2, shift == 5   ? tile_s16_a256_6bit
                                      : shift == 6 ? tile_s16_a256_7bit
                                                   : tile_s16_a256_5bit)

TILE_FN(static, tile_s32_a256_5bit, 2, 32, 256, 4, 8, QB_MIN_NONE, true)
TILE_FN(static, tile_s32_a256_7bit, 1, 32, 256, 6, 1, QB_MIN_NONE, false)
TILE_BY_OFFSET(qb_tile_s32_a256_avx2, shift == 4 ? tile_s32_a256_5bit : tile_s32_a256_7bit)

TILE_FN(, qb_tile_s16_a32_avx2, 1, 16, 32, 4, 4, QB_MIN_NONE, true)
TILE_FN(, qb_tile_s32_a32_wide_avx2, 1, 32, 32, 7, 0, QB_MIN_NONE, false)
TILE_FN(, qb_tile_m32_a32_avx2, 2, 32, 32, QB_OFFSET_NONE, 4, QB_MIN_F32, false)
TILE_FN(, qb_tile_s32_a256_wide_avx2, 1, 32, 256, 7, 0, QB_MIN_NONE, false)
TILE_FN(, qb_tile_m32_a256_avx2, 2, 32, 256, QB_OFFSET_NONE, 4, QB_MIN_I16, false)
TILE_FN(, qb_tile_s256_a256_avx2, 2, 256, 256, 0, 8, QB_MIN_NONE, false)
TILE_FN(, qb_tile_s256_a256_wide_avx2, 1, 256, 256, 7, 0, QB_MIN_NONE, false)
TILE_FN(, qb_tile_s256_m16_a256_avx2, 2, 256, 256, QB_OFFSET_NONE, 2, QB_MIN_I16_16, false)
TILE_FN(, qb_tile_s256_m32_a256_avx2, 2, 256, 256, 4, 4, QB_MIN_I16, false)

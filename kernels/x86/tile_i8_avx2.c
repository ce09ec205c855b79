/*
 * Integer tile kernels for AVX2: 32 panel rows (four vectors of 8) x up to 6 activation columns.
 *
 * vpmaddubsw multiplies unsigned codes by signed activations and adds pairs into int16. Codes of up to 6 bits
 * leave room for several products before vpmaddwd widens the sum to int32 (`depth`). The offset of the codes
 * is paid once per sub-block, from the negated activation sums: in int32, or already in the int16 sums
 * (`center`), which doubles the depth because they are then sums of signed weights; on the way they may
 * wrap. Codes of 8 bits (WIDE) leave no room: panels of Q8_0 hold magnitudes, which meet activations of the
 * weight's sign; those of IQ4 meet activations of a kind of pairs (kernels/act.h), so that one product does
 * not saturate and centered sums of two fit.
 *
 * A register tile is 2 vectors of rows x 3 columns, twice for a tile of 6: int16 and int32 sums, two codes, a
 * broadcast and a product fill 16 registers, and 5 loads feed 6 products. Shapes with fewer sums take all 6
 * columns. Float sums wait in L1. The multiplier takes two of vpmaddubsw, vpmaddwd and FMA a cycle:
 * docs/performance.md has the bound of each class.
 */
#include "kernels/x86/rows8_avx2.h"
#include "kernels/x86/tile_calls.h"

#define START_COLS       8 /* a vector */
#define MAX_VECS         2
#define MIN_CENTERED_RUN 8

/* What one instance is specialized on; all constants after inlining. */
struct tile_shape {
    int cols;  /* 1..TILE_COLS */
    int group; /* columns at a time */
    int vecs;  /* vectors of 8 rows at a time */
    int sub;   /* weights per fold: 16, 32 or 256 */
    int act;   /* activations per scale: 32 or 256 */
    int shift; /* of the code offset, or QB_OFFSET_NONE */
    /* products in an int16: floor(32767 / (254 * largest |code - 2^center|)), or less; 2 with activations of
     * pairs; 0 = magnitudes */
    int depth;
    enum qb_min_kind min;
    int center; /* int16 sums start at minus 2^center times the activations, or at zero: QB_OFFSET_NONE */
};

/* The activations of a tile, from k0 on. */
struct tile_act {
    const int8_t *q;
    const float *scale, *fsum;
    const int32_t *nsum;
    const int16_t *npair;
    const int32_t *start; /* [run][column], centered shapes */
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

/* The same, `columns` further on in the tile. */
QB_INLINE struct tile_act tile_act_from(const struct tile_act *a, int columns, struct tile_shape s)
{
    struct tile_act t = {.q = a->q + columns * 4,
                         .scale = a->scale + columns,
                         .nsum = a->nsum + columns,
                         .start = a->start + columns};
    if (s.min == QB_MIN_F32)
        t.fsum = a->fsum + columns;
    if (qb_min_is_integer(s.min))
        t.npair = a->npair + columns * 2;
    return t;
}

/* Four bytes (or a pair of int16) for all rows. */
QB_INLINE __m256i broadcast4(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

/* A run: weights whose products one int16 holds. */
QB_INLINE int run_weights(struct tile_shape s)
{
    return s.depth == 0 ? 4 : 4 * s.depth < s.sub ? 4 * s.depth : s.sub;
}

/* Bytes of a panel for one weight of every row: those of magnitudes have the weights beside them. */
QB_INLINE int row_bytes(struct tile_shape s)
{
    return s.depth == 0 ? 2 * QB_PANEL_ROWS : QB_PANEL_ROWS;
}

/* What the int16 sums of each of n runs start at: minus 2^center times the sums of activations that meet in a
 * lane. */
QB_INLINE void tile_starts(const struct tile_act *a, int64_t n, struct tile_shape s, int32_t *start)
{
    const __m256i valid =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(s.cols), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i offset = _mm256_set1_epi8((char)(1 << (s.center & 7)));
    const int8_t *x = a->q;
    for (int64_t i = 0; i < n; i++) {
        __m256i sum = _mm256_setzero_si256();
        QB_UNROLL
        for (int k = 0; k < run_weights(s) / 4; k++, x += s.cols * 4) {
            __m256i y = _mm256_maskload_epi32((const void *)x, valid);
            sum = _mm256_sub_epi16(sum, _mm256_maddubs_epi16(offset, y));
        }
        _mm256_store_si256((void *)(start + i * START_COLS), sum);
    }
}

/* part (+)= products of n (up to 32) weights, in int16; w: the codes of the first row vector, x: the
 * activations. */
QB_INLINE void tile_products(const uint8_t *w, const int8_t *x, int n, struct tile_shape s, bool add,
                             struct tile_int *part)
{
    QB_UNROLL
    for (int k = 0; k < n / 4; k++) {
        __m256i sign[MAX_VECS], code[MAX_VECS];
        QB_UNROLL
        for (int v = 0; v < s.vecs; v++) {
            const uint8_t *at = w + k * 4 * row_bytes(s) + v * 32;
            sign[v] = _mm256_load_si256((const void *)at);
            code[v] = s.depth == 0 ? _mm256_load_si256((const void *)(at + QB_PANEL_ROWS * 4)) : sign[v];
        }
        QB_UNROLL
        for (int i = 0; i < s.group * s.vecs; i++) {
            const int c = i / s.vecs, v = i % s.vecs;
            __m256i y = broadcast4(x + (k * s.cols + c) * 4);
            __m256i t = _mm256_maddubs_epi16(code[v], s.depth == 0 ? _mm256_sign_epi8(y, sign[v]) : y);
            part->v[v][c] = add || k > 0 ? _mm256_add_epi16(part->v[v][c], t) : t;
            QB_IN_ORDER(part->v[v][c]);
        }
    }
}

/* sum (+)= part, widened to int32. */
QB_INLINE void tile_widen(const struct tile_int *part, struct tile_shape s, bool add, struct tile_int *sum)
{
    const __m256i ones = _mm256_set1_epi16(1);
    QB_UNROLL
    for (int i = 0; i < s.group * s.vecs; i++) {
        const int c = i / s.vecs, v = i % s.vecs;
        __m256i t = _mm256_madd_epi16(part->v[v][c], ones);
        sum->v[v][c] = add ? _mm256_add_epi32(sum->v[v][c], t) : t;
        QB_IN_ORDER(sum->v[v][c]);
    }
}

QB_INLINE void tile_fill(struct tile_shape s, const int32_t *start, struct tile_int *t)
{
    QB_UNROLL
    for (int i = 0; i < s.group * s.vecs; i++)
        t->v[i % s.vecs][i / s.vecs] = start ? broadcast4(start + i / s.vecs) : _mm256_setzero_si256();
}

/* sum (+)= products of n (up to 32) weights in runs that are no longer. */
QB_INLINE void tile_short_runs(const uint8_t *w, const int8_t *x, const int32_t *start, int n,
                               struct tile_shape s, bool add, struct tile_int *sum)
{
    const int run = run_weights(s);
    const bool centered = s.center != QB_OFFSET_NONE;
    QB_UNROLL
    for (int k = 0; k < n; k += run) {
        struct tile_int part;
        if (centered)
            tile_fill(s, start + k / run * START_COLS, &part);
        tile_products(w + k * row_bytes(s), x + k * s.cols, run, s, centered, &part);
        tile_widen(&part, s, add || k > 0, sum);
    }
}

/* sum = products of one sub-block that is one run. */
QB_INLINE void tile_long_run(const uint8_t *w, const int8_t *x, const int32_t *start, struct tile_shape s,
                             struct tile_int *sum)
{
    struct tile_int part;
    tile_fill(s, s.center != QB_OFFSET_NONE ? start : NULL, &part);
    for (int k = 0; k < s.sub; k += 32)
        tile_products(w + k * row_bytes(s), x + k * s.cols, 32, s, true, &part);
    tile_widen(&part, s, false, sum);
}

/* Sums of products of one sub-block. */
QB_INLINE struct tile_int tile_dot(const uint8_t *w, const int8_t *x, const int32_t *start,
                                   struct tile_shape s)
{
    struct tile_int sum;
    if (s.sub <= 32) {
        tile_short_runs(w, x, start, s.sub, s, false, &sum);
    } else if (run_weights(s) == s.sub) {
        tile_long_run(w, x, start, s, &sum);
    } else {
        tile_fill(s, NULL, &sum);
        for (int k = 0; k < s.sub; k += 32)
            tile_short_runs(w + k * row_bytes(s), x + k * s.cols, start + k / run_weights(s) * START_COLS, 32,
                            s, true, &sum);
    }
    return sum;
}

/* dot + (offset - 2^center) times the negated sum of activations: what the int16 sums left out. */
QB_INLINE __m256i tile_offset(__m256i dot, const int32_t *nsum, struct tile_shape s)
{
    if (s.depth == 0 || s.shift == s.center)
        return dot;
    __m256i n = broadcast4(nsum);
    if (s.shift != QB_OFFSET_NONE)
        dot = _mm256_add_epi32(dot, _mm256_slli_epi32(n, s.shift));
    if (s.center != QB_OFFSET_NONE)
        dot = _mm256_sub_epi32(dot, _mm256_slli_epi32(n, s.center));
    return dot;
}

/* f += scale (x activation scale) * (dot + offset), over sub-block b, panel rows from r. */
QB_INLINE void tile_fold(const struct qb_panel *p, int r, const struct tile_act *a, int64_t b,
                         struct tile_shape s, const struct tile_int *dot, struct tile_sum *f)
{
    QB_UNROLL
    for (int i = 0; i < s.group * s.vecs; i++) {
        const int c = i / s.vecs, v = i % s.vecs;
        __m256i d = tile_offset(dot->v[v][c], a->nsum + b * s.cols + c, s);
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
    for (int i = 0; i < s.group * s.vecs; i++) {
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

/* out = from (NULL: 0) + f, scaled per column when x is given. */
QB_INLINE void tile_store(struct tile_shape s, const struct tile_sum *f, const float *x, const float *from,
                          size_t ldf, float *out, size_t ldo)
{
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        __m256 scale = _mm256_set1_ps(x ? x[c] : 1.0f);
        QB_UNROLL
        for (int v = 0; v < s.vecs; v++) {
            __m256 start = from ? _mm256_loadu_ps(from + (size_t)c * ldf + 8 * v) : _mm256_setzero_ps();
            _mm256_storeu_ps(out + (size_t)c * ldo + 8 * v, _mm256_fmadd_ps(f->v[v][c], scale, start));
        }
    }
}

/* Panel rows r .. r + 8 * vecs over `n` sub-blocks from sub-block b. */
QB_INLINE void tile_rows(const struct qb_panel *p, int r, const struct tile_act *a, int64_t b, int64_t n,
                         struct tile_shape s, struct tile_sum *f)
{
    QB_UNROLL
    for (int i = 0; i < s.group * s.vecs; i++)
        f->v[i % s.vecs][i / s.vecs] = _mm256_setzero_ps();
    for (int64_t end = b + n; b < end; b++) {
        struct tile_int dot =
            tile_dot(p->code + (b * s.sub * row_bytes(s) + r * 4), a->q + b * s.sub * s.cols,
                     a->start + b * (s.sub / run_weights(s)) * START_COLS, s);
        tile_fold(p, r, a, b, s, &dot, f);
    }
}

/* Weights k .. k + n for panel rows from r on and columns from c on. */
QB_INLINE void tile_group(const struct qb_panel *p, int r, const struct tile_act *act, int c, int64_t k,
                          int64_t n, const float *from, size_t ldf, float *out, size_t ldo,
                          struct tile_shape s)
{
    struct tile_act a = tile_act_from(act, c, s);
    struct tile_sum f;
    tile_rows(p, r, &a, k / s.sub, n / s.sub, s, &f);
    if (qb_min_is_integer(s.min))
        tile_min_i16(p, r, &a, k / 256, s, &f);
    tile_store(s, &f, s.act == 32 ? NULL : a.scale + k / 256 * s.cols, qb_start_at(from, (size_t)c * ldf + r),
               ldf, out + (size_t)c * ldo + r, ldo);
}

/* One tile over the slice: one float sum over all of it (activations per 32) or over every 256. */
QB_INLINE void tile_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0, int64_t n_k,
                        const float *from, size_t ldf, float *out, size_t ldo, struct tile_shape s)
{
    struct tile_act a = tile_act_at(act, tile, k0, s);
    struct tile_shape rest = s;
    int64_t step = s.act == 32 ? n_k : 256;
    int32_t start[QB_PANEL_K / MIN_CENTERED_RUN * START_COLS] __attribute__((aligned(32)));
    a.start = start;
    if (s.center != QB_OFFSET_NONE)
        tile_starts(&a, n_k / run_weights(s), s, start);
    s.group = s.cols < s.group ? s.cols : s.group;
    rest.group = s.cols % s.group;
    for (int64_t k = 0; k < n_k; k += step) {
        for (int r = 0; r < QB_PANEL_ROWS; r += 8 * s.vecs) {
            int c = 0;
            for (; c + s.group <= s.cols; c += s.group)
                tile_group(p, r, &a, c, k, step, from, ldf, out, ldo, s);
            if (rest.group > 0)
                tile_group(p, r, &a, c, k, step, from, ldf, out, ldo, rest);
        }
        from = out;
        ldf = ldo;
    }
}

#define NONE QB_OFFSET_NONE

/* group, vecs, sub, act, shift, depth, min, center: in the order of struct tile_shape */
TILE_FN(static, tile_s32_a32_2bit, 3, 2, 32, 32, 0, 8, QB_MIN_NONE, NONE)
TILE_FN(static, tile_s32_a32_4bit, 3, 2, 32, 32, 3, 8, QB_MIN_NONE, NONE)
TILE_FN(static, tile_s32_a32_5bit, 3, 2, 32, 32, 4, 8, QB_MIN_NONE, 4)
TILE_BY_PANEL(qb_tile_s32_a32_avx2, shift == 3   ? tile_s32_a32_4bit
                                    : shift == 4 ? tile_s32_a32_5bit
                                                 : tile_s32_a32_2bit)

/* The levels of codes of 7 bits go up to 62 (IQ2, IQ3_XXS). */
TILE_FN(static, tile_s16_a256_3bit, 3, 2, 16, 256, 2, 4, QB_MIN_NONE, NONE)
TILE_FN(static, tile_s16_a256_5bit, 3, 2, 16, 256, 4, 4, QB_MIN_NONE, 4)
TILE_FN(static, tile_s16_a256_6bit, 3, 2, 16, 256, 5, 4, QB_MIN_NONE, 5)
TILE_FN(static, tile_s16_a256_7bit, 3, 2, 16, 256, 6, 2, QB_MIN_NONE, 6)
TILE_BY_PANEL(qb_tile_s16_a256_avx2, shift == 2   ? tile_s16_a256_3bit
                                     : shift == 5 ? tile_s16_a256_6bit
                                     : shift == 6 ? tile_s16_a256_7bit
                                                  : tile_s16_a256_5bit)

TILE_FN(static, tile_s32_a256_5bit, 3, 2, 32, 256, 4, 8, QB_MIN_NONE, 4)
TILE_FN(static, tile_s32_a256_7bit, 3, 2, 32, 256, 6, 2, QB_MIN_NONE, 6)
TILE_BY_PANEL(qb_tile_s32_a256_avx2, shift == 4 ? tile_s32_a256_5bit : tile_s32_a256_7bit)

TILE_FN(, qb_tile_s16_a32_avx2, 3, 2, 16, 32, 4, 4, QB_MIN_NONE, 4)
TILE_FN(static, tile_s32_a32_magnitudes, 6, 1, 32, 32, 7, 0, QB_MIN_NONE, NONE)
TILE_FN(static, tile_s32_a32_pairs, 3, 2, 32, 32, 7, 2, QB_MIN_NONE, 7)
TILE_BY_PANEL(qb_tile_s32_a32_wide_avx2,
              qb_act_is_pairs(a->kind) ? tile_s32_a32_pairs : tile_s32_a32_magnitudes)
TILE_FN(, qb_tile_m32_a32_avx2, 3, 2, 32, 32, NONE, 4, QB_MIN_F32, NONE)
TILE_FN(, qb_tile_s32_a256_wide_avx2, 3, 2, 32, 256, 7, 2, QB_MIN_NONE, 7)
TILE_FN(, qb_tile_m32_a256_avx2, 3, 2, 32, 256, NONE, 4, QB_MIN_I16, NONE)
TILE_FN(, qb_tile_s256_a256_avx2, 6, 2, 256, 256, 0, 64, QB_MIN_NONE, NONE)
TILE_FN(, qb_tile_s256_m16_a256_avx2, 3, 2, 256, 256, NONE, 4, QB_MIN_I16_16, 4)
TILE_FN(, qb_tile_s256_m32_a256_avx2, 3, 2, 256, 256, 4, 8, QB_MIN_I16, 4)

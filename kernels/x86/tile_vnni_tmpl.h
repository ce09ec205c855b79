/*
 * Integer tile kernels for CPUs with vpdpbusd: the body of tile_i8_avxvnni.c and tile_i8_avx512vnni.c, on
 * vectors of VF_N rows. A panel's 32 rows are taken two vectors at a time, a tile's columns in groups.
 *
 * Every k step is two loads of codes, one 4-byte broadcast and two vpdpbusd a column. The integer
 * accumulators start at the offset term, so signed weights cost nothing inside; a fold (convert, FMA with the
 * sub-block's scale) follows every 32 or 16 weights. Activations with a scale per 256 fold into floats
 * without it and meet it once per 256, on the way to `out`. Formats whose sub-scales are in the codes fold
 * once per 256 and need no float accumulators in between. A stepped panel has the products of its scales with
 * all that the activations may have, so that a fold is one FMA as it is with a scale per 256.
 *
 * Defined before: vectors of floats (simd_avx2.h, simd_avx512.h) and
 *
 *   TILE_GROUP(cols, sub)   columns whose accumulators share the registers, in a tile of `cols`
 *   QB_ISA_FN(name)         qb_<name>_<isa>
 *   vi, vi_load, vi_set1, vi_zero, vi_sll, vi_to_float, vi_dpbusd, vi_dpwssd
 *                           vectors of VF_N int32
 */
#include "kernels/simd.h"
#include "kernels/x86/tile_calls.h"
#include <string.h>

#define TILE_ROWS (2 * VF_N)

/* Where sums start from if nothing is there. */
static const float tile_zeros[QB_PANEL_ROWS] __attribute__((aligned(64)));

/* What one instance is specialized on; all constants after inlining. */
struct tile_shape {
    int cols;  /* 1..TILE_COLS */
    int sub;   /* weights per fold: 16, 32 or 256 */
    int act;   /* activations per scale: 32 or 256 */
    int shift; /* of the code offset, or QB_OFFSET_NONE */
    enum qb_min_kind min;
    bool stepped;
    int group; /* columns at a time */
    int cut;   /* tile_pairs_avx512_tmpl.h */
};

/* The activations of a tile, from k0 and some column on. */
struct tile_act {
    const int8_t *q;
    const float *scale, *fsum, *step;
    const uint8_t *steps;
    const int32_t *nsum;
    const int16_t *npair;
};

/* Accumulators: two vectors of rows for every column. */
struct tile_int {
    vi v[TILE_COLS][2];
};
struct tile_sum {
    vf v[TILE_COLS][2];
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
    if (s.stepped) {
        t.step = a->step + c0 * qb_act_step_count(a->n_k) + k0 / QB_ACT_STEP_K * w;
        t.steps = a->steps + c0 * (a->n_k / 32) + k0 / 32 * w;
    }
    if (s.min == QB_MIN_F32)
        t.fsum = (s.stepped ? a->ssum : a->fsum) + c0 * (a->n_k / 32) + k0 / 32 * w;
    if (s.min == QB_MIN_I16)
        t.npair = a->npair + c0 * (a->n_k / 32) + k0 / 32 * w;
    if (s.min == QB_MIN_I16_16)
        t.npair = a->npair16 + c0 * (a->n_k / 16) + k0 / 16 * w;
    return t;
}

/* The same, `columns` further on in the tile. */
QB_INLINE struct tile_act tile_act_from(const struct tile_act *a, int columns, struct tile_shape s)
{
    struct tile_act t = {.q = a->q + columns * 4, .scale = a->scale + columns, .nsum = a->nsum + columns};
    if (s.stepped) {
        t.step = a->step + columns;
        t.steps = a->steps + columns;
    }
    if (s.min == QB_MIN_F32)
        t.fsum = a->fsum + columns;
    if (qb_min_is_integer(s.min))
        t.npair = a->npair + columns * 2;
    return t;
}

/* The panel from row r on. */
QB_INLINE struct qb_panel tile_panel_from(const struct qb_panel *p, int r)
{
    return (struct qb_panel){.code = p->code + r * 4,
                             .scale = p->scale + r,
                             .scale_steps = p->scale_steps + r,
                             .min_f32 = p->min_f32 + r,
                             .min_scale = p->min_scale + r,
                             .min_pair = p->min_pair + r * 2};
}

QB_INLINE vi broadcast4(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vi_set1(x);
}

/* Up to 32 weights of the rows times a group of columns. */
QB_INLINE void tile_dot_part(const uint8_t *w, const int8_t *q, int n, struct tile_shape s,
                             struct tile_int *sum)
{
    QB_UNROLL
    for (int k = 0; k < n / 4; k++) {
        vi w0 = vi_load(w + k * 4 * QB_PANEL_ROWS);
        vi w1 = vi_load(w + k * 4 * QB_PANEL_ROWS + 4 * VF_N);
        QB_UNROLL
        for (int c = 0; c < s.group; c++) {
            vi x = broadcast4(q + (k * s.cols + c) * 4);
            sum->v[c][0] = vi_dpbusd(sum->v[c][0], w0, x);
            sum->v[c][1] = vi_dpbusd(sum->v[c][1], w1, x);
        }
    }
}

/* Integer accumulators over sub-block b of the panel, starting at the offset term. */
QB_INLINE void tile_dot(const uint8_t *code, const struct tile_act *a, int64_t b, struct tile_shape s,
                        struct tile_int *sum)
{
    const uint8_t *w = code + b * s.sub * QB_PANEL_ROWS;
    const int8_t *q = a->q + b * s.sub * s.cols;
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        vi start = vi_zero();
        if (s.shift != QB_OFFSET_NONE)
            start = vi_sll(broadcast4(a->nsum + b * s.cols + c), s.shift);
        sum->v[c][0] = sum->v[c][1] = start;
    }
    for (int part = 0; part < s.sub; part += 32, w += 32 * QB_PANEL_ROWS, q += 32 * s.cols)
        tile_dot_part(w, q, s.sub < 32 ? s.sub : 32, s, sum);
}

/* f += scale (x activation scale) * t, over sub-block b. */
QB_INLINE void tile_scale(const struct qb_panel *p, const struct tile_act *a, int64_t b, struct tile_shape s,
                          struct tile_sum *t, struct tile_sum *f)
{
    vf s0 = vf_load(p->scale + b * QB_PANEL_ROWS), s1 = vf_load(p->scale + b * QB_PANEL_ROWS + VF_N);
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        if (s.act == 32) {
            vf x = vf_set1(a->scale[b * s.sub / 32 * s.cols + c]);
            t->v[c][0] = vf_mul(t->v[c][0], x);
            t->v[c][1] = vf_mul(t->v[c][1], x);
        }
        f->v[c][0] = vf_fmadd(t->v[c][0], s0, f->v[c][0]);
        f->v[c][1] = vf_fmadd(t->v[c][1], s1, f->v[c][1]);
    }
}

/* f += scale * steps * t, over sub-block b. */
QB_INLINE void tile_scale_steps(const struct qb_panel *p, const struct tile_act *a, int64_t b,
                                struct tile_shape s, const struct tile_sum *t, struct tile_sum *f)
{
    const float *one = p->scale_steps + b * QB_ACT_MAX_STEPS * QB_PANEL_ROWS;
    const uint8_t *steps = a->steps + b * s.sub / 32 * s.cols;
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        const float *scale = one + (size_t)steps[c] * QB_PANEL_ROWS - QB_PANEL_ROWS;
        f->v[c][0] = vf_fmadd(t->v[c][0], vf_load(scale), f->v[c][0]);
        f->v[c][1] = vf_fmadd(t->v[c][1], vf_load(scale + VF_N), f->v[c][1]);
    }
}

/* f += the sums of sub-block b and, in floats, its minima. */
QB_INLINE void tile_fold(const struct qb_panel *p, const struct tile_act *a, int64_t b, struct tile_shape s,
                         const struct tile_int *dot, struct tile_sum *f)
{
    struct tile_sum t;
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        t.v[c][0] = vi_to_float(dot->v[c][0]);
        t.v[c][1] = vi_to_float(dot->v[c][1]);
    }
    if (s.stepped)
        tile_scale_steps(p, a, b, s, &t, f);
    else
        tile_scale(p, a, b, s, &t, f);
    if (s.min != QB_MIN_F32)
        return;
    vf m0 = vf_load(p->min_f32 + b * QB_PANEL_ROWS), m1 = vf_load(p->min_f32 + b * QB_PANEL_ROWS + VF_N);
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        vf x = vf_set1(a->fsum[b * s.cols + c]);
        f->v[c][0] = vf_fmadd(m0, x, f->v[c][0]);
        f->v[c][1] = vf_fmadd(m1, x, f->v[c][1]);
    }
}

/*
 * f += min_scale * (minima . negated sums) over pairs 4 quad .. 4 quad + 3 of the panel: int16, four vpdpwssd
 * a vector. min_scale: of the 256 weights that hold them.
 */
QB_INLINE void tile_min_quad(const struct qb_panel *p, const struct tile_act *a, int64_t quad,
                             const float *min_scale, struct tile_shape s, struct tile_sum *f)
{
    const int16_t *m = p->min_pair + quad * 4 * QB_PANEL_ROWS * 2;
    const int16_t *n = a->npair + quad * 4 * s.cols * 2;
    vf ms0 = vf_load(min_scale), ms1 = vf_load(min_scale + VF_N);
    vi m0[4], m1[4];
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        m0[i] = vi_load(m + i * QB_PANEL_ROWS * 2);
        m1[i] = vi_load(m + i * QB_PANEL_ROWS * 2 + 2 * VF_N);
    }
    QB_UNROLL
    for (int c = 0; c < s.group; c++) {
        vi t0 = vi_zero(), t1 = t0;
        QB_UNROLL
        for (int i = 0; i < 4; i++) {
            vi x = broadcast4(n + (i * s.cols + c) * 2);
            t0 = vi_dpwssd(t0, m0[i], x);
            t1 = vi_dpwssd(t1, m1[i], x);
        }
        f->v[c][0] = vf_fmadd(vi_to_float(t0), ms0, f->v[c][0]);
        f->v[c][1] = vf_fmadd(vi_to_float(t1), ms1, f->v[c][1]);
    }
}

/* The integer minima of block b of 256: 8 of 32 weights or 16 of 16. */
QB_INLINE void tile_min_i16(const struct qb_panel *p, const struct tile_act *a, int64_t b,
                            struct tile_shape s, struct tile_sum *f)
{
    const float *min_scale = p->min_scale + b * QB_PANEL_ROWS;
    if (s.min == QB_MIN_I16)
        tile_min_quad(p, a, b, min_scale, s, f);
    if (s.min == QB_MIN_I16_16) {
        tile_min_quad(p, a, 2 * b, min_scale, s, f);
        tile_min_quad(p, a, 2 * b + 1, min_scale, s, f);
    }
}

/* out = from + f, scaled per column when x is given. */
QB_INLINE void tile_store(struct tile_shape s, const struct tile_sum *f, const float *x, const float *from,
                          size_t ldf, float *out, size_t ldo)
{
    QB_UNROLL
    for (int c = 0; c < s.group; c++, from += ldf, out += ldo) {
        vf v = vf_set1(x ? x[c] : 1.0f);
        vf_store(out, vf_fmadd(f->v[c][0], v, vf_load(from)));
        vf_store(out + VF_N, vf_fmadd(f->v[c][1], v, vf_load(from + VF_N)));
    }
}

/* One group of columns over weights k .. k + n. */
QB_INLINE void tile_group(const struct qb_panel *p, const struct tile_act *a, int64_t k, int64_t n,
                          const float *from, size_t ldf, float *out, size_t ldo, struct tile_shape s)
{
    struct tile_sum f;
    QB_UNROLL
    for (int c = 0; c < s.group; c++)
        f.v[c][0] = f.v[c][1] = vf_zero();
    for (int64_t b = k / s.sub; b < (k + n) / s.sub; b++) {
        struct tile_int dot;
        tile_dot(p->code, a, b, s, &dot);
        tile_fold(p, a, b, s, &dot, &f);
    }
    tile_min_i16(p, a, k / 256, s, &f);
    const float *x = s.stepped ? a->step : s.act == 32 ? NULL : a->scale + k / 256 * s.cols;
    tile_store(s, &f, x, from, ldf, out, ldo);
}

/* All groups of columns, for the rows from r on. */
QB_INLINE void tile_rows(const struct qb_panel *panel, int r, const struct tile_act *act, int64_t k,
                         int64_t n, const float *from, size_t ldf, float *out, size_t ldo,
                         struct tile_shape s)
{
    const struct qb_panel p = tile_panel_from(panel, r);
    int c = 0;
    for (; c + s.group <= s.cols; c += s.group) {
        struct tile_act a = tile_act_from(act, c, s);
        tile_group(&p, &a, k, n, from + (size_t)c * ldf + r, ldf, out + (size_t)c * ldo + r, ldo, s);
    }
    struct tile_shape rest = s;
    rest.group = s.cols % s.group;
    if (rest.group > 0) {
        struct tile_act a = tile_act_from(act, c, s);
        tile_group(&p, &a, k, n, from + (size_t)c * ldf + r, ldf, out + (size_t)c * ldo + r, ldo, rest);
    }
}

/* One tile over the whole slice. Activations per 32: one float sum over the slice. Per 256: one store every
 * 256. */
QB_INLINE void tile_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0, int64_t n_k,
                        const float *from, size_t ldf, float *out, size_t ldo, struct tile_shape s)
{
    const struct tile_act a = tile_act_at(act, tile, k0, s);
    int64_t step = s.act == 32 ? n_k : 256;
    s.group = TILE_GROUP(s.cols, s.sub);
    if (!from) {
        from = tile_zeros;
        ldf = 0;
    }
    for (int64_t k = 0; k < n_k; k += step) {
        for (int r = 0; r < QB_PANEL_ROWS; r += TILE_ROWS)
            tile_rows(p, r, &a, k, step, from, ldf, out, ldo, s);
        from = out;
        ldf = ldo;
    }
}

/* One instance; group is chosen in tile_run. */
#define TILE_FLOATS(linkage, name, sub, act, shift, min, stepped)                                            \
    TILE_FN(linkage, name, sub, act, shift, min, stepped, 0, 0)

#define TILE_A32(name, sub, shift, min)                                                                      \
    TILE_FLOATS(static, tile_##name, sub, 32, shift, min, false)                                             \
    TILE_FLOATS(static, tile_##name##_steps, sub, 32, shift, min, true)
TILE_A32(s16_a32, 16, 4, QB_MIN_NONE)
TILE_A32(s32_a32_shift0, 32, 0, QB_MIN_NONE)
TILE_A32(s32_a32_shift3, 32, 3, QB_MIN_NONE)
TILE_A32(s32_a32_shift4, 32, 4, QB_MIN_NONE)
TILE_A32(s32_a32_wide, 32, 7, QB_MIN_NONE)
TILE_A32(m32_a32, 32, QB_OFFSET_NONE, QB_MIN_F32)

/* An instance of TILE_A32; the includer chooses between those of s32_a32_wide and others. */
#define WITH_STEPS(name) (p->stepped ? tile_##name##_steps : tile_##name)
TILE_BY_PANEL(QB_ISA_FN(tile_s16_a32), WITH_STEPS(s16_a32))
TILE_BY_PANEL(QB_ISA_FN(tile_s32_a32), shift == 3   ? WITH_STEPS(s32_a32_shift3)
                                       : shift == 4 ? WITH_STEPS(s32_a32_shift4)
                                                    : WITH_STEPS(s32_a32_shift0))
TILE_BY_PANEL(QB_ISA_FN(tile_m32_a32), WITH_STEPS(m32_a32))

/* Float scales under activations per 256; the includer chooses between them and others. */
TILE_FLOATS(static, tile_s16_a256_shift4, 16, 256, 4, QB_MIN_NONE, false)
TILE_FLOATS(static, tile_s16_a256_shift6, 16, 256, 6, QB_MIN_NONE, false)
TILE_FLOATS(static, tile_s32_a256_shift4, 32, 256, 4, QB_MIN_NONE, false)
TILE_FLOATS(static, tile_s32_a256_shift6, 32, 256, 6, QB_MIN_NONE, false)

TILE_FLOATS(, QB_ISA_FN(tile_s256_a256), 256, 256, 0, QB_MIN_NONE, false)
TILE_FLOATS(, QB_ISA_FN(tile_s256_a256_wide), 256, 256, 7, QB_MIN_NONE, false)
TILE_FLOATS(, QB_ISA_FN(tile_s256_m16_a256), 256, 256, QB_OFFSET_NONE, QB_MIN_I16_16, false)
TILE_FLOATS(, QB_ISA_FN(tile_s256_m32_a256), 256, 256, 4, QB_MIN_I16, false)

void QB_ISA_FN(scale_steps)(const float *scale, int64_t n, float *steps)
{
    for (int64_t i = 0; i < n; i++, scale += QB_PANEL_ROWS) {
        for (int t = 1; t <= QB_ACT_MAX_STEPS; t++, steps += QB_PANEL_ROWS) {
            QB_UNROLL
            for (int r = 0; r < QB_PANEL_ROWS; r += VF_N)
                vf_store(steps + r, vf_mul(vf_load(scale + r), vf_set1((float)t)));
        }
    }
}

/*
 * Panels for the checks of matrix operations, made by scalar code or in double precision.
 */
#include "tests/kernel_check/check_panel.h"
#include "base/f16.h"
#include "kernels/matrix.h"
#include "kernels/panel_form.h"
#include <math.h>
#include <string.h>

enum { ROWS = QB_PANEL_ROWS };

struct qb_panel_sizes qb_panel_sizes_of(const struct qb_format *f, bool bf16, int64_t n_k)
{
    size_t n = (size_t)n_k * ROWS;
    if (!f->quantized)
        return (struct qb_panel_sizes){.f32 = bf16 ? 0 : n * sizeof(float),
                                       .bf16 = bf16 ? n * sizeof(uint16_t) : 0};
    struct qb_panel_sizes s = {.code = f->magnitudes ? 2 * n : n,
                               .scale = n / (size_t)f->sub * sizeof(float)};
    if (f->int_scales) {
        s.scale_pair = n / (size_t)f->sub * sizeof(int16_t);
        s.scale = s.round = n / 256 * sizeof(int32_t);
    }
    if (f->min == QB_MIN_F32)
        s.min_f32 = n / 32 * sizeof(float);
    if (qb_min_is_integer(f->min)) {
        s.min_pair = n / (size_t)qb_min_weights(f->min) * sizeof(int16_t);
        s.min_scale = n / 256 * sizeof(float);
    }
    return s;
}

struct qb_panel qb_guarded_panel(struct qb_check *c, const struct qb_panel_sizes *s)
{
    return (struct qb_panel){.code = qb_check_output(c, s->code, 64),
                             .scale = qb_check_output(c, s->scale, 64),
                             .scale_pair = qb_check_output(c, s->scale_pair, 64),
                             .round = qb_check_output(c, s->round, 64),
                             .min_f32 = qb_check_output(c, s->min_f32, 64),
                             .min_scale = qb_check_output(c, s->min_scale, 64),
                             .min_pair = qb_check_output(c, s->min_pair, 64),
                             .f32 = qb_check_output(c, s->f32, 64),
                             .bf16 = qb_check_output(c, s->bf16, 64)};
}

float *qb_scale_multiples(struct qb_check *c, const float *scale, size_t n_scales)
{
    size_t n = n_scales * QB_ACT_MAX_STEPS * ROWS;
    float *out = qb_check_input(c, n * sizeof *out, 64);
    for (size_t i = 0; i < n; i++) {
        size_t step = i / ROWS % QB_ACT_MAX_STEPS + 1, from = i / ROWS / QB_ACT_MAX_STEPS;
        out[i] = (float)((double)scale[from * ROWS + i % ROWS] * (double)step);
    }
    return out;
}

bool qb_fixed_scales(const float *scale, int64_t n, int16_t *pair, float *unit)
{
    bool exact = true;
    for (int r = 0; r < ROWS; r++) {
        double top = 0;
        int exponent = 15;
        for (int64_t i = 0; i < n; i++)
            top = fmax(top, fabs((double)scale[i * ROWS + r]));
        if (top > 0)
            frexp(top, &exponent);
        unit[r] = (float)ldexp(1, exponent - 15);
        for (int64_t i = 0; i < n; i++) {
            double quotient = ldexp(scale[i * ROWS + r], 15 - exponent);
            pair[(i / 2 * ROWS + r) * 2 + i % 2] = (int16_t)rint(quotient);
            exact = exact && quotient == rint(quotient);
        }
    }
    return exact;
}

struct qb_panel qb_trusted_panel(struct qb_check *c, const struct qb_problem *p, bool bf16, int64_t row0,
                                 int n_rows, int64_t k0, int64_t n_k)
{
    struct qb_panel_sizes s = qb_panel_sizes_of(p->format, bf16, n_k);
    struct qb_panel out = qb_guarded_panel(c, &s);
    if (p->format->quantized) {
        const struct qb_kernel *scalar = qb_check_scalar_row(QB_OP_DECODE_PANEL, p->format->id, p->layout);
        ((qb_decode_panel_fn *)scalar->fn)(&p->m, row0, n_rows, k0, n_k, &out);
        return out;
    }
    struct qb_panel wide = out;
    if (bf16)
        wide.f32 = qb_check_input(c, (size_t)n_k * ROWS * sizeof(float), 64);
    qb_decode_panel_f32(&p->m, row0, n_rows, k0, n_k, &wide);
    for (int64_t k = 0; bf16 && k < n_k; k++)
        for (int r = 0; r < ROWS; r++)
            out.bf16[(k / 2 * ROWS + r) * 2 + k % 2] = qb_f32_to_bf16(wide.f32[k * ROWS + r]);
    out.offset_shift = QB_OFFSET_NONE;
    return out;
}

/* The scale of weight k in row r. */
static double panel_scale(const struct qb_panel *p, const struct qb_format *f, int64_t k, int r)
{
    if (!f->int_scales)
        return p->scale[k / f->sub * ROWS + r];
    int64_t sub = k / f->sub;
    return (double)p->scale[k / 256 * ROWS + r] * p->scale_pair[(sub / 2 * ROWS + r) * 2 + sub % 2] /
           (1 << f->cut);
}

float qb_panel_weight(const struct qb_panel *p, const struct qb_format *f, int64_t k, int r)
{
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift;
    int weight = f->magnitudes ? (int8_t)p->code[(k / 4 * 2 * ROWS + r) * 4 + k % 4]
                               : p->code[(k / 4 * ROWS + r) * 4 + k % 4] - offset;
    double w = panel_scale(p, f, k, r) * weight;
    if (f->min == QB_MIN_F32)
        w += p->min_f32[k / 32 * ROWS + r];
    int per = qb_min_weights(f->min);
    if (qb_min_is_integer(f->min))
        w -= (double)p->min_scale[k / 256 * ROWS + r] *
             p->min_pair[(k / (2 * per) * ROWS + r) * 2 + k / per % 2];
    return (float)w;
}

/* ---- planes ---- */

bool qb_takes_planes(const struct qb_kernel *tile)
{
    return tile->key == QB_TILE_PLANES_INT8 || tile->key == QB_TILE_PLANES_BF16;
}

struct qb_format qb_planes_form(const struct qb_kernel *k, const struct qb_format *f)
{
    const struct qb_kernel_set set = {.isa = k->isa, .bf16 = true, .planes = true};
    const struct qb_kernel *decoder =
        qb_kernel_set_row(&set, QB_OP_DECODE_PANEL, (int)f->id, QB_LAYOUT_PLAIN);
    return qb_panel_form(f, decoder ? decoder->isa : k->isa);
}

size_t qb_plane_bytes(enum qb_act_kind kind, int64_t n_k)
{
    return kind == QB_ACT_BF16 ? (size_t)(n_k + 31) / 32 * 32 * ROWS * 2 : (size_t)n_k * ROWS;
}

size_t qb_min_plane_bytes(int64_t n_k)
{
    return (size_t)(n_k / 256) * QB_MIN_PLANE * sizeof(uint16_t);
}

/* A code less its offset, times its integer scale if it has one. */
static int scaled_code(const struct qb_panel *p, const struct qb_format *f, int64_t k, int r)
{
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift;
    int code = p->code[(k / 4 * ROWS + r) * 4 + k % 4] - offset;
    int64_t sub = f->int_scales ? k / f->sub : 0;
    return f->int_scales ? code * p->scale_pair[(sub / 2 * ROWS + r) * 2 + sub % 2] : code;
}

static void split_int8(const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    uint8_t *low = p->plane + qb_plane_bytes(QB_ACT_Q8_256, n_k);
    for (int64_t k = 0; k < n_k; k++) {
        for (int r = 0; r < ROWS; r++) {
            int v = scaled_code(p, f, k, r);
            int64_t at = (k / 4 * ROWS + r) * 4 + k % 4;
            p->plane[at] = (uint8_t)(f->int_scales ? (v - (v & 255)) / 256 : v);
            low[at] = (uint8_t)(f->int_scales ? v & 255 : 0);
        }
    }
    p->n_planes = f->int_scales ? 2 : 1;
}

static float weight_of(const struct qb_panel *p, const struct qb_format *f, int64_t k, int r)
{
    if (p->plane_codes)
        return (float)scaled_code(p, f, k, r);
    if (f->quantized)
        return qb_panel_weight(p, f, k, r);
    return qb_bf16_to_f32(p->bf16[(k / 2 * ROWS + r) * 2 + k % 2]);
}

static void split_bf16(const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    size_t bytes = qb_plane_bytes(QB_ACT_BF16, n_k);
    p->n_planes = 0;
    p->plane_codes = qb_panel_keeps_codes(f);
    for (int64_t k = 0; k < n_k; k++) {
        for (int r = 0; r < ROWS; r++) {
            float w = weight_of(p, f, k, r);
            for (int i = 0; i < 3; i++) {
                uint16_t *plane = (uint16_t *)(void *)(p->plane + (size_t)i * bytes);
                uint32_t first = qb_f32_bits(w) & 0xffff0000u;
                plane[(k / 2 * ROWS + r) * 2 + k % 2] = (uint16_t)(first >> 16);
                p->n_planes = first << 1 != 0 && p->n_planes <= i ? i + 1 : p->n_planes;
                w -= qb_f32_from_bits(first);
            }
        }
    }
}

static void split_minima(struct qb_check *c, const struct qb_format *f, int64_t n_k, struct qb_panel *p)
{
    int per = qb_min_weights(f->min);
    p->min_plane = qb_check_input(c, qb_min_plane_bytes(n_k), 64);
    for (int64_t i = 0; i < n_k / 16; i++) { /* minima of 16 weights */
        int64_t j = i * 16 / per, block = i / 16, at = i % 16;
        for (int r = 0; r < ROWS; r++) {
            uint16_t min = qb_f32_to_bf16(p->min_pair[(j / 2 * ROWS + r) * 2 + j % 2]);
            for (int64_t copy = at; copy < 32; copy += 16)
                p->min_plane[block * QB_MIN_PLANE + (copy / 2 * ROWS + r) * 2 + copy % 2] = min;
        }
    }
}

void qb_split_panel_by_weight(struct qb_check *c, const struct qb_format *f, enum qb_act_kind kind,
                              int64_t n_k, struct qb_panel *p)
{
    size_t bytes = qb_plane_bytes(kind, n_k) * (kind == QB_ACT_BF16 ? 3 : 2);
    p->plane = qb_check_input(c, bytes, 64);
    memset(p->plane, 0, bytes);
    p->has_min = false;
    if (kind == QB_ACT_BF16) {
        split_bf16(f, n_k, p);
        return;
    }
    split_int8(f, n_k, p);
    p->has_min = qb_min_is_integer(f->min);
    if (p->has_min)
        split_minima(c, f, n_k, p);
}

/*
 * Double precision truth for matrix products. Nothing here is shared with the kernels but the decoders, which
 * are themselves checked against published vectors.
 */
#include "kernels/oracle/oracle.h"
#include "base/f16.h"
#include "kernels/matrix.h"
#include <float.h>
#include <math.h>

/* Where weight k of a column is, which is column pos of a tile of width w; from the tile's start. */
static int64_t q_offset(const struct qb_act *a, int w, int pos, int64_t k)
{
    int64_t in_row = k % 64;
    return a->by_column ? (k - in_row) * w + 64 * (int64_t)pos + in_row : (k / 4 * w + pos) * 4 + k % 4;
}

/* The same of bf16, from the start of the array; the tile starts at column c0. */
static int64_t bf16_offset(const struct qb_act *a, int64_t c0, int w, int pos, int64_t k)
{
    if (!a->by_column)
        return c0 * a->n_k + (k / 2 * w + pos) * 2 + k % 2;
    int64_t in_piece = k % 32, padded = a->n_k + (32 - a->n_k % 32) % 32;
    return c0 * padded + (k - in_piece) * w + 32 * (int64_t)pos + in_piece;
}

/* The quantized activation itself. */
static int act_q(const struct qb_act *a, int col, int64_t k)
{
    int pos, w, tile = qb_act_tile_of(a, col, &pos);
    int64_t c0 = qb_act_tile(a, tile, &w);
    return a->q[c0 * a->n_k + q_offset(a, w, pos, k)];
}

double qb_oracle_act_scale(const struct qb_act *a, int col, int64_t k)
{
    int pos, w, tile = qb_act_tile_of(a, col, &pos), per = qb_act_block(a->kind);
    int64_t c0 = qb_act_tile(a, tile, &w);
    return a->scale[c0 * (a->n_k / per) + k / per * w + pos];
}

double qb_oracle_act(const struct qb_act *a, int col, int64_t k)
{
    int pos, w;
    int tile = qb_act_tile_of(a, col, &pos);
    int64_t c0 = qb_act_tile(a, tile, &w);
    switch (a->kind) {
    case QB_ACT_F32:
        return a->f32[c0 * a->n_k + k * w + pos];
    case QB_ACT_BF16:
        return qb_bf16_to_f32(a->bf16[bf16_offset(a, c0, w, pos, k)]);
    default:
        return qb_oracle_act_scale(a, col, k) * act_q(a, col, k);
    }
}

static double largest(const float *x, int64_t n)
{
    double max = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, fabs((double)x[i]));
    return max;
}

/* What the kinds of pairs take for the largest of 8 values; sums are rounded to float. */
static double largest_pairs(const float *x)
{
    double max = 0;
    for (int i = 0; i < 8; i += 2)
        max =
            fmax(max, fabs((double)(float)((double)QB_ACT_PAIR * (double)(float)((double)x[i] + x[i + 1]))));
    for (int i = 0; i < 4; i += 2) {
        float first = (float)(fabs((double)x[i]) + fabs((double)x[i + 1]));
        float second = (float)(fabs((double)x[i + 4]) + fabs((double)x[i + 5]));
        float both = (float)((double)first + second);
        max = fmax(max, (double)(float)((double)QB_ACT_TWO_PAIRS * both));
    }
    return max;
}

static float quantize_scale(const float *x, int n, bool pairs)
{
    double max = largest(x, n);
    for (int i = 0; pairs && i < n; i += 8)
        max = fmax(max, largest_pairs(x + i));
    float scale = (float)(max / 127.0);
    return scale < FLT_MIN ? 0 : scale;
}

/* The step of the group that k lies in, and how many of them the scale of the 32 values from k on is. */
static float quantize_step(const float *x, int64_t n_k, int64_t k, int *steps)
{
    int64_t k0 = k - k % QB_ACT_STEP_K, n = n_k - k0 < QB_ACT_STEP_K ? n_k - k0 : QB_ACT_STEP_K;
    double max = largest(x + k0, n);
    float step = (float)(max / (127.0 * QB_ACT_MAX_STEPS));
    *steps = 1;
    if (step < FLT_MIN)
        return 0;
    float ratio = (float)(largest(x + k, 32) * (double)(float)(QB_ACT_MAX_STEPS / max));
    *steps = (int)fmin(fmax(ceil((double)ratio), 1), QB_ACT_MAX_STEPS);
    return step;
}

/* Q8_32: the scales of a column in fixed point, from those in floats. */
static void fix_column(struct qb_act *a, int64_t c0, int w, int pos)
{
    const float *scale = a->scale + c0 * (a->n_k / 32) + pos;
    const int32_t *nsum = a->nsum32 + c0 * (a->n_k / 32) + pos;
    int16_t *fixed = a->fixed + 2 * (c0 * qb_act_pair_count(a->n_k) + pos);
    int16_t *start = a->start + 2 * (c0 * qb_act_pair_count(a->n_k) + pos);
    float *step = a->step + c0 * qb_act_step_count(a->n_k) + pos;
    const int per_step = QB_ACT_STEP_K / 32, n = (int)(a->n_k / 32);
    for (int first = 0; first < n; first += per_step, step += w) {
        double top = 0;
        for (int b = first; b < n && b < first + per_step; b++)
            top = fmax(top, (double)scale[b * w]);
        float s = (float)(top / QB_ACT_MAX_FIXED);
        *step = s < FLT_MIN ? 0 : s;
        float inverse = *step > 0 ? (float)(1.0 / (double)*step) : 0;
        for (int b = first; b < n && b < first + per_step; b++) {
            int64_t to = 2 * (int64_t)(b / 2 * w) + b % 2;
            fixed[to] = (int16_t)rint((double)(float)((double)scale[b * w] * inverse));
            start[to] = (int16_t)(8 * nsum[b * w]);
        }
    }
    if (n % 2 > 0)
        fixed[2 * (n / 2 * w) + 1] = start[2 * (n / 2 * w) + 1] = 0;
}

/* A sum as a multiple of 16 and what is left; 16 such sums lie side by side. */
static void split_sum(int32_t sum, uint16_t *to)
{
    double multiple = 16 * floor(sum / 16.0);
    to[0] = qb_f32_to_bf16((float)multiple);
    to[16] = qb_f32_to_bf16((float)(sum - multiple));
}

/* One column into the tile of width w that starts at column c0, as its column pos. */
static void quantize_column(const float *x, struct qb_act *a, int64_t c0, int w, int pos)
{
    int per = qb_act_block(a->kind), steps = 0;
    int8_t *q = a->q + c0 * a->n_k;
    int64_t n32 = c0 * (a->n_k / 32), n16 = c0 * (a->n_k / 16);
    int32_t sum16 = 0, sum32 = 0, sum256 = 0;
    float scale = 0;
    for (int64_t k = 0; k < a->n_k; k++) {
        if (k % per == 0) {
            scale = quantize_scale(x + k, per, qb_act_is_pairs(a->kind));
            if (a->kind == QB_ACT_Q8_STEPS) {
                float step = quantize_step(x, a->n_k, k, &steps);
                a->step[c0 * qb_act_step_count(a->n_k) + k / QB_ACT_STEP_K * w + pos] = step;
                a->steps[n32 + k / 32 * w + pos] = (uint8_t)steps;
                scale = step * (float)steps;
            }
            a->scale[c0 * (a->n_k / per) + k / per * w + pos] = scale;
        }
        /* a quotient of floats in double, rounded to float, is the correctly rounded quotient */
        int v = scale > 0 ? (int)rint((double)(float)((double)x[k] / (double)scale)) : 0;
        q[q_offset(a, w, pos, k)] = (int8_t)v;
        sum16 = (k % 16 ? sum16 : 0) + v;
        sum32 = (k % 32 ? sum32 : 0) + v;
        sum256 = (k % 256 ? sum256 : 0) + v;
        if (k % 16 == 15)
            a->nsum16[n16 + k / 16 * w + pos] = -sum16;
        if (a->npair16 && k % 16 == 15)
            a->npair16[n16 + (k / 32 * w + pos) * 2 + k / 16 % 2] = (int16_t)-sum16;
        if (a->nsum_bf16 && k % 16 == 15)
            split_sum(-sum16, a->nsum_bf16 + 32 * (c0 * (a->n_k / 256) + k / 256 * w + pos) + k % 256 / 16);
        if (a->nsum256 && k % 256 == 255)
            a->nsum256[c0 * (a->n_k / 256) + k / 256 * w + pos] = -sum256;
        if (k % 32 != 31)
            continue;
        a->nsum32[n32 + k / 32 * w + pos] = -sum32;
        if (a->fsum)
            a->fsum[n32 + k / 32 * w + pos] = (float)((double)scale * sum32);
        if (a->ssum)
            a->ssum[n32 + k / 32 * w + pos] = (float)(steps * sum32);
        if (a->npair)
            a->npair[n32 + (k / 64 * w + pos) * 2 + k / 32 % 2] = (int16_t)-sum32;
    }
}

/* One column rounded to bf16; by column, with zeros up to a multiple of 32. */
static void round_column(const float *x, struct qb_act *a, int64_t c0, int w, int pos)
{
    for (int64_t k = 0; k < a->n_k || (a->by_column && k % 32 != 0); k++)
        a->bf16[bf16_offset(a, c0, w, pos, k)] = k < a->n_k ? qb_f32_to_bf16(x[k]) : 0;
}

void qb_oracle_quantize(const float *x, size_t ldx, struct qb_act *a)
{
    for (int c = 0; c < a->n_cols; c++, x += ldx) {
        int pos, w;
        int tile = qb_act_tile_of(a, c, &pos);
        int64_t c0 = qb_act_tile(a, tile, &w);
        if (qb_act_block(a->kind))
            quantize_column(x, a, c0, w, pos);
        if (a->fixed)
            fix_column(a, c0, w, pos);
        for (int64_t k = 0; k < a->n_k && a->kind == QB_ACT_F32; k++)
            a->f32[c0 * a->n_k + k * w + pos] = x[k];
        if (a->kind == QB_ACT_BF16)
            round_column(x, a, c0, w, pos);
    }
}

/* Sizes of the parts of one block of an integer format. */
static void block_sizes(const struct qb_format *f, const uint8_t *block, double *size)
{
    struct qb_codes c;
    f->codes(block, &c);
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift;
    for (int j = 0; j < f->block_elems; j++) {
        double min = 0;
        if (f->min == QB_MIN_F32)
            min = c.min_f32[j / 32];
        else if (qb_min_is_integer(f->min))
            min = (double)c.min_scale * c.min_i16[j / qb_min_weights(f->min)];
        size[j] = fabs((double)c.scale[j / f->sub] * (c.code[j] - offset)) + fabs(min);
    }
}

void qb_oracle_row(const struct qb_matrix *m, int64_t row, double *w, double *size)
{
    const struct qb_format *f = m->format;
    uint8_t block[QB_MAX_BLOCK_BYTES];
    float decoded[QB_MAX_BLOCK_ELEMS];
    for (int64_t k = 0; k < m->n_cols; k += f->block_elems) {
        qb_matrix_get_block(m, row, k / f->block_elems, block);
        f->decode(block, decoded, f->block_elems);
        for (int j = 0; j < f->block_elems; j++) {
            w[k + j] = decoded[j];
            size[k + j] = fabs((double)decoded[j]);
        }
        if (f->codes)
            block_sizes(f, block, size + k);
    }
}

double qb_oracle_cut_block(const struct qb_format *f, const struct qb_matrix *m, int64_t row, int64_t block,
                           const struct qb_act *a, int col)
{
    uint8_t bytes[QB_MAX_BLOCK_BYTES];
    struct qb_codes c;
    qb_matrix_get_block(m, row, block, bytes);
    f->codes(bytes, &c);
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift, scales = 0;
    double unit = 1 << f->cut, sum = 0, mins = 0;
    for (int s = 0; s < 256; s += f->sub) {
        int dot = 0, q = 0;
        for (int j = s; j < s + f->sub; j++) {
            int x = act_q(a, col, block * 256 + j);
            dot += (c.code[j] - offset) * x;
            q += x;
        }
        sum += c.sub_scale[s / f->sub] * floor(dot / unit);
        scales += c.sub_scale[s / f->sub];
        if (f->min == QB_MIN_I16)
            mins += (double)c.min_scale * c.min_i16[s / 32] * q;
    }
    sum += floor(scales * (unit - 1) / (2 * unit));
    return (c.d * unit * sum - mins) * qb_oracle_act_scale(a, col, block * 256);
}

static void codes_at(const struct qb_matrix *m, int64_t row, int64_t k, struct qb_codes *c)
{
    uint8_t bytes[QB_MAX_BLOCK_BYTES];
    qb_matrix_get_block(m, row, k / 32, bytes);
    m->format->codes(bytes, c);
}

/* The power of two that takes the largest scale of a slice of a row to 2^14 .. 2^15. */
static double row_unit(const struct qb_matrix *m, int64_t row, int64_t k0, int64_t n_k)
{
    struct qb_codes c;
    double top = 0;
    int exponent;
    for (int64_t k = k0; k < k0 + n_k; k += 32) {
        codes_at(m, row, k, &c);
        top = fmax(top, fabs((double)c.scale[0]));
    }
    if (top == 0)
        return 1;
    frexp(top, &exponent);
    return ldexp(1, exponent - 15);
}

bool qb_oracle_is_fixed(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k)
{
    struct qb_codes c;
    for (int64_t row = row0; row < row0 + n_rows; row++) {
        double unit = row_unit(m, row, k0, n_k);
        for (int64_t k = k0; k < k0 + n_k; k += 32) {
            codes_at(m, row, k, &c);
            if (c.scale[0] / unit != rint(c.scale[0] / unit))
                return false;
        }
    }
    return n_k % 64 == 0;
}

double qb_oracle_fixed(const struct qb_matrix *m, int64_t row, int64_t k0, int64_t n_k,
                       const struct qb_act *a, int col, double *most)
{
    int pos, w, tile = qb_act_tile_of(a, col, &pos), shift = m->format->offset_shift;
    int64_t c0 = qb_act_tile(a, tile, &w), first_pair = c0 * qb_act_pair_count(a->n_k) + pos;
    double step = a->step[c0 * qb_act_step_count(a->n_k) + k0 / QB_ACT_STEP_K * w + pos];
    double unit = row_unit(m, row, k0, n_k), cut = 1 << qb_panel_fixed_cut(shift), sum = 0;
    struct qb_codes c;
    *most = 0;
    for (int64_t k = k0; k < k0 + n_k; k += 32) {
        int dot = 0, fixed = a->fixed[2 * (first_pair + k / 64 * w) + k / 32 % 2];
        codes_at(m, row, k, &c);
        for (int j = 0; j < 32; j++)
            dot += (c.code[j] - (1 << shift)) * act_q(a, col, k + j);
        double scale = floor((c.scale[0] / unit * fixed + (1 << 14)) / (1 << 15));
        double kept = floor(dot / cut) + (cut > 1 && k / 32 % 2);
        double exact = c.scale[0] * qb_oracle_act_scale(a, col, k);
        double given = unit * step * (1 << 15) * scale;
        sum += given * cut * kept;
        *most += fabs(dot * (given - exact)) + fabs(given) * cut;
    }
    return sum;
}

struct qb_oracle_sum qb_oracle_dot(const double *w, const double *size, const struct qb_act *a, int col,
                                   int64_t k0, int64_t k1)
{
    struct qb_oracle_sum s = {0, 0};
    for (int64_t k = k0; k < k1; k++) {
        double x = qb_oracle_act(a, col, k);
        s.value += w[k] * x;
        s.magnitude += size[k] * fabs(x);
    }
    return s;
}

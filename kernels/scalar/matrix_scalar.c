/*
 * Scalar kernels of the integer formats: one panel decoder, one GEMV and one tile kernel for all of them.
 * They know formats only through qb_format.codes and layouts only through qb_matrix_get_block.
 */
#include "kernels/kernel_protos.h"
#include "kernels/matrix.h"
#include <stdlib.h>

static int32_t offset_of(int shift)
{
    return shift == QB_OFFSET_NONE ? 0 : 1 << shift;
}

/* A weight, and its magnitude where the next plane of the panel has it. */
static void put_magnitude(int weight, uint8_t *to)
{
    to[0] = (uint8_t)weight;
    to[4 * QB_PANEL_ROWS] = (uint8_t)abs(weight);
}

/* Integer scales of the block at k (from the panel's start) of panel row r. */
static void put_int_scales(const struct qb_format *f, const struct qb_codes *c, int64_t k, int r,
                           struct qb_panel *p)
{
    int32_t sum = 0;
    for (int s = 0; s < 256 / f->sub; s++) {
        p->scale_pair[((k / f->sub + s) / 2 * QB_PANEL_ROWS + r) * 2 + s % 2] = c->sub_scale[s];
        sum += c->sub_scale[s];
    }
    p->round[k / 256 * QB_PANEL_ROWS + r] = sum * ((1 << f->cut) - 1) >> (f->cut + 1);
    p->scale[k / 256 * QB_PANEL_ROWS + r] = c->d * (float)(1 << f->cut);
}

/* Write block codes at k (from the panel's start) of panel row r. */
static void put_codes(const struct qb_format *f, const struct qb_codes *c, int64_t k, int r,
                      struct qb_panel *p)
{
    enum { ROWS = QB_PANEL_ROWS };
    for (int j = 0; j < f->block_elems; j++) {
        int64_t group = (k + j) / 4 * 4 * ROWS, at = r * 4 + (k + j) % 4;
        if (f->magnitudes)
            put_magnitude(c->code[j] - offset_of(f->offset_shift), p->code + 2 * group + at);
        else
            p->code[group + at] = c->code[j];
    }
    if (f->int_scales)
        put_int_scales(f, c, k, r, p);
    for (int s = 0; s < f->block_elems / f->sub && !f->int_scales; s++)
        p->scale[(k / f->sub + s) * ROWS + r] = c->scale[s];
    for (int i = 0; f->min == QB_MIN_F32 && i < f->block_elems / 32; i++)
        p->min_f32[(k / 32 + i) * ROWS + r] = c->min_f32[i];
    if (!qb_min_is_integer(f->min))
        return;
    int per = qb_min_weights(f->min);
    for (int i = 0; i < f->block_elems / per; i++)
        p->min_pair[((k / per + i) / 2 * ROWS + r) * 2 + (k / per + i) % 2] = c->min_i16[i];
    p->min_scale[k / 256 * ROWS + r] = c->min_scale;
}

void qb_decode_panel_scalar(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p)
{
    const struct qb_format *f = m->format;
    uint8_t block[QB_MAX_BLOCK_BYTES];
    struct qb_codes codes;
    qb_panel_set_form(p, f->offset_shift, f->int_scales, f->cut);
    for (int r = 0; r < QB_PANEL_ROWS; r++) {
        int64_t row = row0 + (r < n_rows ? r : n_rows - 1);
        for (int64_t k = 0; k < n_k; k += f->block_elems) {
            qb_matrix_get_block(m, row, (k0 + k) / f->block_elems, block);
            f->codes(block, &codes);
            put_codes(f, &codes, k, r, p);
        }
    }
}

/* A column of an activation tile. */
struct column {
    const struct qb_act *a;
    int64_t c0;
    int width, pos;
};

static struct column column_of(const struct qb_act *a, int tile, int pos)
{
    struct column c = {.a = a, .pos = pos};
    c.c0 = qb_act_tile(a, tile, &c.width);
    return c;
}

static const int8_t *act_q4(const struct column *c, int64_t k)
{
    return c->a->q + c->c0 * c->a->n_k + (k / 4 * c->width + c->pos) * 4;
}

/* Entry of a tile-major array with one value per `per` weights. */
static int64_t act_index(const struct column *c, int64_t k, int per)
{
    return c->c0 * (c->a->n_k / per) + k / per * c->width + c->pos;
}

static int32_t act_nsum(const struct column *c, int64_t k, int sub)
{
    const int32_t *nsum = sub == 16 ? c->a->nsum16 : sub == 32 ? c->a->nsum32 : c->a->nsum256;
    return nsum[act_index(c, k, sub)];
}

/* Minus the sum of q over the 16 or 32 weights at k, from pairs: [n_k / (2 per)][width][2]. */
static int32_t act_npair(const struct column *c, int64_t k, int per)
{
    int64_t base = c->c0 * (c->a->n_k / per);
    const int16_t *npair = per == 16 ? c->a->npair16 : c->a->npair;
    return npair[base + (k / (2 * per) * c->width + c->pos) * 2 + k / per % 2];
}

/* What a tile class means; the constants of one instance. */
struct traits {
    int sub, act;
    enum qb_min_kind min;
};

/* Integer sum of one sub-block of panel row r: codes times activations, less the offset. */
static int32_t sub_sum(const struct qb_panel *p, const struct column *c, int r, int64_t k0, int64_t k,
                       int sub)
{
    int32_t sum =
        p->offset_shift == QB_OFFSET_NONE ? 0 : offset_of(p->offset_shift) * act_nsum(c, k0 + k, sub);
    for (int i = 0; i < sub; i += 4) {
        const uint8_t *w = p->code + ((k + i) / 4 * QB_PANEL_ROWS + r) * 4;
        const int8_t *q = act_q4(c, k0 + k + i);
        sum += w[0] * q[0] + w[1] * q[1] + w[2] * q[2] + w[3] * q[3];
    }
    return sum;
}

/* One activation block (32 or 256 weights at k of the panel). */
static float act_block(const struct qb_panel *p, const struct column *c, int r, int64_t k0, int64_t k,
                       struct traits t)
{
    enum { ROWS = QB_PANEL_ROWS };
    float sum = 0;
    for (int s = 0; s < t.act; s += t.sub)
        sum += p->scale[(k + s) / t.sub * ROWS + r] * (float)sub_sum(p, c, r, k0, k + s, t.sub);
    if (qb_min_is_integer(t.min)) {
        int32_t mins = 0;
        int per = qb_min_weights(t.min);
        for (int64_t j = k; j < k + t.act; j += per)
            mins += p->min_pair[(j / (2 * per) * ROWS + r) * 2 + j / per % 2] * act_npair(c, k0 + j, per);
        sum += p->min_scale[k / 256 * ROWS + r] * (float)mins;
    }
    sum *= c->a->scale[act_index(c, k0 + k, t.act)];
    if (t.min == QB_MIN_F32)
        sum += p->min_f32[k / 32 * ROWS + r] * c->a->fsum[act_index(c, k0 + k, 32)];
    return sum;
}

static void tile_scalar(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                        int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo, struct traits t)
{
    int width, first = qb_act_tile(a, t0, &width);
    int end = qb_act_tile(a, t1 - 1, &width) + width;
    for (int col = first; col < end; col++) {
        int at, tile = qb_act_tile_of(a, col, &at), pos = col - first;
        struct column c = column_of(a, tile, at);
        for (int r = 0; r < QB_PANEL_ROWS; r++) {
            float sum = from ? from[(size_t)pos * ldf + r] : 0;
            for (int64_t k = 0; k < n_k; k += t.act)
                sum += act_block(p, &c, r, k0, k, t);
            out[(size_t)pos * ldo + r] = sum;
        }
    }
}

#define TILE(name, sub, act, min)                                                                            \
    void qb_tile_##name##_scalar(const struct qb_panel *p, const struct qb_act *a, int t0, int t1,           \
                                 int64_t k0, int64_t n_k, const float *from, size_t ldf, float *out,         \
                                 size_t ldo)                                                                 \
    {                                                                                                        \
        tile_scalar(p, a, t0, t1, k0, n_k, from, ldf, out, ldo, (struct traits){sub, act, min});             \
    }
TILE(s16_a32, 16, 32, QB_MIN_NONE)
TILE(s32_a32, 32, 32, QB_MIN_NONE)
TILE(s32_a32_wide, 32, 32, QB_MIN_NONE)
TILE(m32_a32, 32, 32, QB_MIN_F32)
TILE(s16_a256, 16, 256, QB_MIN_NONE)
TILE(s32_a256, 32, 256, QB_MIN_NONE)
TILE(s32_a256_wide, 32, 256, QB_MIN_NONE)
TILE(m32_a256, 32, 256, QB_MIN_I16)
TILE(s256_a256, 256, 256, QB_MIN_NONE)
TILE(s256_a256_wide, 256, 256, QB_MIN_NONE)
TILE(s256_m16_a256, 256, 256, QB_MIN_I16_16)
TILE(s256_m32_a256, 256, 256, QB_MIN_I16)

/* The weights j0 .. j0 + n - 1 of a block (one activation block, at k) times one column. */
static float act_block_product(const struct qb_format *f, const struct qb_codes *w, int j0, int n,
                               const struct column *c, int64_t k)
{
    int32_t offset = offset_of(f->offset_shift), mins = 0;
    int per = qb_min_weights(f->min);
    float sum = 0;
    for (int s = 0; s < n; s += f->sub) {
        int32_t isum = 0;
        for (int j = s; j < s + f->sub; j++)
            isum += (w->code[j0 + j] - offset) * act_q4(c, k + j)[(k + j) % 4];
        sum += w->scale[(j0 + s) / f->sub] * (float)isum;
    }
    if (qb_min_is_integer(f->min)) {
        for (int s = 0; s < n; s += per)
            mins += w->min_i16[(j0 + s) / per] * act_npair(c, k + s, per);
        sum += w->min_scale * (float)mins;
    }
    sum *= c->a->scale[act_index(c, k, n)];
    return f->min == QB_MIN_F32 ? sum + w->min_f32[j0 / 32] * c->a->fsum[act_index(c, k, 32)] : sum;
}

/* One block of weights times one column. */
static float block_product(const struct qb_format *f, const struct qb_codes *w, const struct column *c,
                           int64_t k)
{
    int act = qb_act_block(f->act);
    float sum = 0;
    for (int j = 0; j < f->block_elems; j += act)
        sum += act_block_product(f, w, j, act, c, k + j);
    return sum;
}

void qb_gemv_scalar(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                    const float *bias, bool accumulate, float *out, size_t ldo)
{
    const struct qb_format *f = m->format;
    uint8_t block[QB_MAX_BLOCK_BYTES];
    struct qb_codes codes;
    for (int64_t r = row0; r < row0 + n_rows; r++) {
        float sum[QB_GEMV_MAX_COLS];
        for (int c = 0; c < a->n_cols; c++)
            sum[c] = (accumulate ? out[(size_t)c * ldo + (size_t)r] : 0) + (bias ? bias[r] : 0);
        for (int64_t k = 0; k < m->n_cols; k += f->block_elems) {
            qb_matrix_get_block(m, r, k / f->block_elems, block);
            f->codes(block, &codes);
            for (int c = 0; c < a->n_cols; c++) {
                struct column col = column_of(a, 0, c);
                sum[c] += block_product(f, &codes, &col, k);
            }
        }
        for (int c = 0; c < a->n_cols; c++)
            out[(size_t)c * ldo + (size_t)r] = sum[c];
    }
}

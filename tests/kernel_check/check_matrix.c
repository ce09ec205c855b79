/*
 * Checks of the matrix operations, for every format. The order of trust: the exact decoder (golden vectors),
 * the oracle, the scalar panel decoder (checked here against the exact one); with those as inputs everything
 * else.
 */
#include "base/f16.h"
#include "kernels/matrix.h"
#include "kernels/oracle/oracle.h"
#include "kernels/panel_form.h"
#include "tests/kernel_check/check.h"
#include "tests/kernel_check/check_panel.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = QB_PANEL_ROWS };

/* --- panels --- */

static void compare_panels(struct qb_check *c, const struct qb_panel *got, const struct qb_panel *want,
                           const struct qb_panel_sizes *s)
{
    qb_check_bytes(c, "codes", got->code, want->code, s->code);
    qb_check_bytes(c, "scales", got->scale, want->scale, s->scale);
    qb_check_bytes(c, "integer scales", got->scale_pair, want->scale_pair, s->scale_pair);
    qb_check_bytes(c, "round", got->round, want->round, s->round);
    qb_check_bytes(c, "min_f32", got->min_f32, want->min_f32, s->min_f32);
    qb_check_bytes(c, "min_pair", got->min_pair, want->min_pair, s->min_pair);
    qb_check_bytes(c, "min_scale", got->min_scale, want->min_scale, s->min_scale);
    qb_check_bytes(c, "f32", got->f32, want->f32, s->f32);
    qb_check_bytes(c, "bf16", got->bf16, want->bf16, s->bf16);
    if (got->offset_shift != want->offset_shift)
        qb_check_fail(c, "offset_shift is %d, not %d", got->offset_shift, want->offset_shift);
    if (s->code > 0 && got->int_scales != want->int_scales)
        qb_check_fail(c, "int_scales is %d, not %d", got->int_scales, want->int_scales);
    if (s->scale_pair > 0 && got->cut != want->cut)
        qb_check_fail(c, "cut is %d, not %d", got->cut, want->cut);
}

/* The scalar panel against the exact decoder, copies of the last row included. */
static void compare_with_decoder(struct qb_check *c, const struct qb_problem *p, const struct qb_panel *panel,
                                 int64_t row0, int n_rows, int64_t k0, int64_t n_k)
{
    const struct qb_format *f = p->format;
    float *row = qb_check_input(c, (size_t)p->n_k * sizeof *row, sizeof *row);
    /* scale and minimum may lie so far apart that the sum is rounded twice in panel_weight */
    double roundings = f->min == QB_MIN_NONE ? 0 : 1;
    for (int r = 0; r < ROWS; r++) {
        qb_matrix_decode_row(&p->m, row0 + (r < n_rows ? r : n_rows - 1), row);
        for (int64_t k = 0; k < n_k; k++) {
            float w = f->quantized ? qb_panel_weight(panel, f, k, r) : panel->f32[k * ROWS + r];
            double want = row[k0 + k];
            if (!qb_check_float(c, "panel weight", (size_t)(k * ROWS + r), w, want, fabs(want), roundings))
                return;
        }
    }
}

static void check_panel(struct qb_check *c, const struct qb_kernel *k, struct qb_problem *p, bool last)
{
    bool bf16 = qb_problem_is_bf16(k);
    int64_t panels = (p->n_rows + ROWS - 1) / ROWS, k0, n_k;
    int64_t row0 = ROWS * (last ? panels - 1 : qb_rng_below(qb_check_rng(c), (uint32_t)panels));
    int n_rows = (int)(p->n_rows - row0 < ROWS ? p->n_rows - row0 : ROWS);
    qb_problem_slice(c, p, &k0, &n_k);
    qb_problem_case(c, p, "rows from %lld, weights from %lld", row0, k0);
    qb_problem_weights(c, p);
    struct qb_panel_sizes s = qb_panel_sizes_of(p->format, bf16, n_k);
    struct qb_panel got = qb_guarded_panel(c, &s);
    got.offset_shift = got.cut = 99;
    got.int_scales = !p->format->int_scales;
    ((qb_decode_panel_fn *)k->fn)(&p->m, row0, n_rows, k0, n_k, &got);
    struct qb_panel want = qb_trusted_panel(c, p, bf16, row0, n_rows, k0, n_k);
    if (k->isa == QB_ISA_SCALAR || p->format->int_scales) /* a form that no scalar row has */
        compare_with_decoder(c, p, &want, row0, n_rows, k0, n_k);
    compare_panels(c, &got, &want, &s);
}

void qb_check_decode_panel(struct qb_check *c, const struct qb_kernel *k)
{
    const struct qb_format form = qb_panel_form(qb_format_get((enum qb_format_id)k->key), k->isa);
    struct qb_problem p = {0};
    for (int shape = 0; shape < qb_problem_shapes(); shape++) {
        qb_problem_set_shape(&p, &form, (enum qb_layout_id)k->key2, qb_problem_is_bf16(k), shape);
        for (int v = 0; v < QB_VALUES_COUNT; v++) {
            p.values = (enum qb_values)v;
            for (int i = 0; i < 2 && !qb_check_failed(c); i++)
                check_panel(c, k, &p, i == 0);
        }
    }
}

/* --- products --- */

/* An output matrix with gaps between the columns, and its content before the call. */
struct output {
    float *now, *before;
    size_t ldo, n;
};

static struct output make_output(struct qb_check *c, const struct qb_problem *p, int64_t rows, int n_cols)
{
    struct output o;
    o.ldo = (size_t)rows + qb_rng_below(qb_check_rng(c), 9);
    o.n = o.ldo * (size_t)(n_cols - 1) + (size_t)rows;
    o.now = qb_check_output(c, o.n * sizeof(float), sizeof(float));
    o.before = qb_check_input(c, o.n * sizeof(float), sizeof(float));
    qb_check_fill_f32(c, o.before, o.n, p->values);
    memcpy(o.now, o.before, o.n * sizeof(float));
    return o;
}

/* What a product should give. */
struct expectation {
    const struct output *out;
    const double *w, *size; /* of the row */
    const float *start;     /* of the row in column 0, or NULL */
    size_t ld_start;
    bool accumulate; /* besides */
    int64_t n_k;
    bool cut, fixed; /* made from panels, fixed ones where they exist */
    int64_t row;
};

/* Panels of integer scales: what is left of the sum, which must be near it. */
static bool cut_value(struct qb_check *c, const struct qb_problem *p, int act_col, int64_t row,
                      struct qb_oracle_sum *s)
{
    const struct qb_format *f = p->format;
    struct qb_codes codes;
    uint8_t bytes[QB_MAX_BLOCK_BYTES];
    double cut = 0, most = 0;
    for (int64_t b = 0; b < p->n_k / 256; b++) {
        cut += qb_oracle_cut_block(f, &p->m, row, b, &p->a, act_col);
        qb_matrix_get_block(&p->m, row, b, bytes);
        f->codes(bytes, &codes);
        double unit = fabs((double)codes.d) * qb_oracle_act_scale(&p->a, act_col, b * 256);
        /* half of what a sub-block can lose, and less than 1 by rounding the average */
        for (int i = 0; i < 256 / f->sub; i++)
            most += unit * abs(codes.sub_scale[i]) * ((1 << f->cut) - 1) / 2;
        most += unit * (1 << f->cut);
    }
    double difference = fabs(cut - s->value);
    s->value = cut;
    s->magnitude += most; /* a sum of zero counts as half of what it could lose */
    if (difference <= most + FLT_EPSILON * s->magnitude) /* decoded minima are rounded */
        return true;
    qb_check_fail(c, "the cut takes %g of %g, at most %g", difference, s->value, most);
    return false;
}

/* Fixed panels: their sums in place of the product, which must be near. */
static bool fixed_value(struct qb_check *c, const struct qb_problem *p, const struct expectation *e,
                        int act_col, struct qb_oracle_sum *s)
{
    int n_rows = (int)(p->n_rows < ROWS ? p->n_rows : ROWS);
    for (int64_t k0 = 0, n_k; k0 < p->n_k; k0 += n_k) {
        n_k = p->n_k - k0 < QB_PANEL_K ? p->n_k - k0 : QB_PANEL_K;
        bool is_fixed = qb_oracle_is_fixed(&p->m, 0, n_rows, k0, n_k);
        if (!is_fixed && p->near_scales && n_k % 64 == 0)
            qb_check_fail(c, "scales that should fit do not");
        if (!is_fixed)
            continue;
        struct qb_oracle_sum slice = qb_oracle_dot(e->w, e->size, &p->a, act_col, k0, k0 + n_k);
        double most, fixed = qb_oracle_fixed(&p->m, e->row, k0, n_k, &p->a, act_col, &most);
        s->value += fixed - slice.value;
        s->magnitude += most;
        if (fabs(fixed - slice.value) <= most + FLT_EPSILON * slice.magnitude)
            continue;
        qb_check_fail(c, "fixed scales take %g of %g, at most %g", fixed - slice.value, slice.value, most);
        return false;
    }
    return true;
}

static bool compare_value(struct qb_check *c, const struct qb_problem *p, const struct expectation *e,
                          int col, int act_col, int64_t r)
{
    size_t i = e->out->ldo * (size_t)col + (size_t)r;
    struct qb_oracle_sum s = qb_oracle_dot(e->w, e->size, &p->a, act_col, 0, e->n_k);
    if (p->format->int_scales && e->cut && !cut_value(c, p, act_col, e->row, &s))
        return false;
    if (e->fixed && !fixed_value(c, p, e, act_col, &s))
        return false;
    double start = e->start ? e->start[e->ld_start * (size_t)col] : 0;
    double before = e->accumulate ? e->out->before[i] : 0;
    double roundings = qb_problem_roundings(p, e->n_k);
    if (e->fixed) /* steps are no powers of two, whatever the values are */
        roundings = (double)(e->n_k / 32 + 12);
    return qb_check_float(c, "out", i, e->out->now[i], s.value + start + before,
                          s.magnitude + fabs(start) + fabs(before), roundings);
}

static bool untouched(struct qb_check *c, const struct output *o, size_t from, size_t to)
{
    return from >= to || qb_check_bytes(c, "values outside the rows", o->now + from, o->before + from,
                                        (to - from) * sizeof(float));
}

/* --- gemv --- */

static void check_gemv_rows(struct qb_check *c, const struct qb_kernel *k, struct qb_problem *p, int n_cols,
                            int64_t row0, int64_t n_rows)
{
    struct qb_rng *rng = qb_check_rng(c);
    qb_problem_case(c, p, "%lld columns, rows from %lld", n_cols, row0);
    qb_problem_weights(c, p);
    qb_problem_activations(c, p, n_cols, QB_MAX_VECTOR_COLS);
    struct output o = make_output(c, p, p->n_rows, n_cols);
    float *bias = qb_check_input(c, (size_t)p->n_rows * sizeof *bias, sizeof *bias);
    qb_check_fill_f32(c, bias, (size_t)p->n_rows, p->values);
    bool with_bias = qb_rng_below(rng, 2), accumulate = qb_rng_below(rng, 2);
    ((qb_gemv_fn *)k->fn)(&p->m, row0, n_rows, &p->a, with_bias ? bias : NULL, accumulate, o.now, o.ldo);

    double *w = qb_check_input(c, (size_t)p->n_k * sizeof *w, sizeof *w);
    double *size = qb_check_input(c, (size_t)p->n_k * sizeof *size, sizeof *size);
    for (int64_t r = row0; r < row0 + n_rows; r++) {
        qb_oracle_row(&p->m, r, w, size);
        struct expectation e = {&o,    w,     size, with_bias ? bias + r : NULL, 0, accumulate, p->n_k,
                                false, false, r};
        for (int col = 0; col < n_cols; col++)
            if (!compare_value(c, p, &e, col, col, r))
                return;
    }
    for (int col = 0; col < n_cols; col++) {
        size_t at = o.ldo * (size_t)col, end = at + o.ldo < o.n ? at + o.ldo : o.n;
        untouched(c, &o, at, at + (size_t)row0);
        untouched(c, &o, at + (size_t)(row0 + n_rows), end);
    }
}

void qb_check_gemv(struct qb_check *c, const struct qb_kernel *k)
{
    struct qb_problem p = {0};
    struct qb_format form = *qb_format_get((enum qb_format_id)k->key);
    if (k->key2 == QB_LAYOUT_X16) /* these may count on the activations of their level, others take all */
        form.act = qb_panel_form(&form, k->isa).act;
    for (int shape = 0; shape < qb_problem_shapes(); shape++) {
        qb_problem_set_shape(&p, &form, (enum qb_layout_id)k->key2, qb_problem_is_bf16(k), shape);
        for (int v = 0; v < QB_VALUES_COUNT && !qb_check_failed(c); v++) {
            int n_cols = 1 + (shape + v) % QB_GEMV_MAX_COLS;
            int64_t row0 = 16 * qb_rng_below(qb_check_rng(c), (uint32_t)((p.n_rows + 15) / 16));
            p.values = (enum qb_values)v;
            check_gemv_rows(c, k, &p, n_cols, 0, p.n_rows);
            /* a share of the rows: whole groups of 16 but for the last */
            check_gemv_rows(c, k, &p, n_cols, row0, p.n_rows - row0);
            check_gemv_rows(c, k, &p, n_cols, row0, p.n_rows - row0 < 16 ? p.n_rows - row0 : 16);
        }
    }
}

/* --- tile --- */

/* Has the level of a tile kernel an operation that makes another form of scales for it? */
static bool level_has(const struct qb_kernel *tile, enum qb_op op)
{
    size_t n;
    const struct qb_kernel *rows = qb_kernels(&n);
    for (size_t i = 0; i < n; i++)
        if (rows[i].op == op && rows[i].isa == tile->isa)
            return true;
    return false;
}

/* Forms of the scales of a panel that tile kernels of a level may take beside the usual one. */
enum scales { SCALES_PLAIN, SCALES_STEPPED, SCALES_FIXED };

static enum scales choose_scales(struct qb_check *c, const struct qb_kernel *k, const struct qb_problem *p)
{
    bool other = qb_rng_below(qb_check_rng(c), 2);
    if (other && p->act_kind == QB_ACT_Q8_STEPS && level_has(k, QB_OP_SCALE_STEPS))
        return SCALES_STEPPED;
    if (other && p->act_kind == QB_ACT_Q8_32 && level_has(k, QB_OP_FIX_SCALES))
        return SCALES_FIXED;
    return SCALES_PLAIN;
}

static void fix_panel(struct qb_check *c, struct qb_panel *panel, int64_t n_k)
{
    panel->scale_pair = qb_check_input(c, (size_t)n_k / 32 * ROWS * sizeof(int16_t), 64);
    panel->unit = qb_check_input(c, ROWS * sizeof(float), 64);
    panel->fixed = n_k % 64 == 0 && qb_fixed_scales(panel->scale, n_k / 32, panel->scale_pair, panel->unit);
}

/* All slices of k, the first onto the start values, as the engine runs them. */
static void run_tile(struct qb_check *c, const struct qb_kernel *k, struct qb_problem *p, int t0, int t1,
                     int n_rows, const float *from, size_t ldf, enum scales scales, struct output *o)
{
    int64_t slice = p->format->block_elems == 256 && p->n_k > 256 ? 256 : QB_PANEL_K;
    for (int64_t k0 = 0, n_k; k0 < p->n_k; k0 += n_k) {
        n_k = p->n_k - k0 < slice ? p->n_k - k0 : slice;
        struct qb_panel panel = qb_trusted_panel(c, p, qb_problem_is_bf16(k), 0, n_rows, k0, n_k);
        panel.stepped = scales == SCALES_STEPPED;
        if (panel.stepped)
            panel.scale_steps = qb_scale_multiples(c, panel.scale, (size_t)(n_k / p->format->sub));
        if (scales == SCALES_FIXED)
            fix_panel(c, &panel, n_k);
        if (qb_takes_planes(k))
            qb_split_panel_by_weight(c, p->format, p->act_kind, n_k, &panel);
        ((qb_tile_fn *)k->fn)(&panel, &p->a, t0, t1, k0, n_k, from, ldf, o->now, o->ldo);
        from = o->now;
        ldf = o->ldo;
    }
}

/* What the sums of tiles start from. */
struct start {
    const float *from;   /* as the kernel gets it */
    const float *before; /* the same values, never written */
    size_t ld;
};

/* Nothing, what the output holds, the same values for all columns, or others for each. */
static struct start make_start(struct qb_check *c, const struct qb_problem *p, const struct output *o,
                               int width)
{
    uint32_t way = qb_rng_below(qb_check_rng(c), 4);
    if (way == 0)
        return (struct start){0};
    if (way == 1)
        return (struct start){o->now, o->before, o->ldo};
    size_t ld = way == 2 ? 0 : ROWS + qb_rng_below(qb_check_rng(c), 3), n = ld * (size_t)(width - 1) + ROWS;
    float *from = qb_check_input(c, n * sizeof *from, sizeof *from);
    qb_check_fill_f32(c, from, n, p->values);
    return (struct start){from, from, ld};
}

static void check_tile_width(struct qb_check *c, const struct qb_kernel *k, struct qb_problem *p, int n_cols)
{
    struct qb_rng *rng = qb_check_rng(c);
    int n_rows = (int)(p->n_rows < ROWS ? p->n_rows : ROWS), width;
    static const char *const cases[] = {[SCALES_PLAIN] = "%lld columns in tiles of %lld",
                                        [SCALES_STEPPED] = "%lld columns in tiles of %lld, stepped",
                                        [SCALES_FIXED] = "%lld columns in tiles of %lld, fixed"};
    enum scales scales = choose_scales(c, k, p);
    p->near_scales = scales == SCALES_FIXED && qb_rng_below(rng, 4) > 0;
    qb_problem_case(c, p, cases[scales], n_cols, k->max_cols);
    qb_problem_weights(c, p);
    qb_problem_activations(c, p, n_cols, k->max_cols);
    int t0 = (int)qb_rng_below(rng, (uint32_t)p->a.n_tiles);
    int t1 = t0 + 1 + (int)qb_rng_below(rng, (uint32_t)(p->a.n_tiles - t0));
    int c0 = qb_act_tile(&p->a, t0, &width), last = qb_act_tile(&p->a, t1 - 1, &width);
    width += last - c0;
    struct output o = make_output(c, p, ROWS, width);
    struct start s = make_start(c, p, &o, width);
    run_tile(c, k, p, t0, t1, n_rows, s.from, s.ld, scales, &o);

    double *w = qb_check_input(c, (size_t)p->n_k * sizeof *w, sizeof *w);
    double *size = qb_check_input(c, (size_t)p->n_k * sizeof *size, sizeof *size);
    for (int r = 0; r < ROWS; r++) {
        int64_t row = r < n_rows ? r : n_rows - 1;
        qb_oracle_row(&p->m, row, w, size);
        struct expectation e = {&o,
                                w,
                                size,
                                s.before ? s.before + r : NULL,
                                s.ld,
                                false,
                                p->n_k,
                                !qb_takes_planes(k),
                                scales == SCALES_FIXED,
                                row};
        for (int col = 0; col < width; col++)
            if (!compare_value(c, p, &e, col, c0 + col, r))
                return;
    }
    for (int col = 0; col + 1 < width; col++)
        untouched(c, &o, o.ldo * (size_t)col + ROWS, o.ldo * (size_t)(col + 1));
}

static void check_tile_form(struct qb_check *c, const struct qb_kernel *k, const struct qb_format *form)
{
    static const int batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 20, 33, 47};
    struct qb_problem p = {0};
    for (size_t i = 0; i < QB_ARRAY_LEN(batches); i++) {
        if (qb_takes_planes(k) && batches[i] <= QB_GEMV_MAX_COLS) /* never come in their order */
            continue;
        for (int v = 0; v < QB_VALUES_COUNT && !qb_check_failed(c); v++) {
            qb_problem_set_shape(&p, form, QB_LAYOUT_PLAIN, qb_problem_is_bf16(k), (int)i);
            if (qb_takes_planes(k))
                p.act_kind = k->key == QB_TILE_PLANES_BF16 ? QB_ACT_BF16 : QB_ACT_Q8_256;
            p.values = (enum qb_values)v;
            check_tile_width(c, k, &p, batches[i]);
        }
    }
}

/* Panels as they come in the sets that use the row: of the decoders of its level, or of one above. */
static void check_tile_format(struct qb_check *c, const struct qb_kernel *k, const struct qb_format *f)
{
    bool done[2] = {false, false}; /* with float, integer scales */
    for (int isa = k->isa; isa < QB_ISA_COUNT; isa++) {
        const struct qb_kernel_set set = {.isa = (enum qb_isa)isa,
                                          .bf16 = k->key == QB_TILE_BF16 || qb_takes_planes(k),
                                          .planes = qb_takes_planes(k)};
        if (!qb_cpu_runs(set.isa) || qb_kernel_set_row(&set, QB_OP_TILE, k->key, 0) != k)
            continue;
        const struct qb_kernel *decoder =
            qb_kernel_set_row(&set, QB_OP_DECODE_PANEL, (int)f->id, QB_LAYOUT_PLAIN);
        const struct qb_format form = qb_panel_form(f, decoder ? decoder->isa : k->isa);
        if (!done[form.int_scales])
            check_tile_form(c, k, &form);
        done[form.int_scales] = true;
    }
}

void qb_check_tile(struct qb_check *c, const struct qb_kernel *k)
{
    const struct qb_kernel_set bf16 = {.isa = k->isa, .bf16 = true, .planes = qb_takes_planes(k)},
                               f32 = {.isa = k->isa};
    if (k->max_cols < QB_GEMV_MAX_COLS || k->max_cols > QB_MAX_TILE_COLS)
        qb_check_fail(c, "takes %d columns, not %d to %d", k->max_cols, QB_GEMV_MAX_COLS, QB_MAX_TILE_COLS);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)i);
        if ((int)qb_kernel_set_tile_class(&bf16, f, QB_MANY_COLS) == k->key ||
            (int)qb_kernel_set_tile_class(&f32, f, QB_MANY_COLS) == k->key)
            check_tile_format(c, k, f);
    }
}

/* --- scale_steps --- */

void qb_check_scale_steps(struct qb_check *c, const struct qb_kernel *k)
{
    static const int counts[] = {1, 2, 16, 32};
    for (size_t i = 0; i < QB_ARRAY_LEN(counts); i++) {
        for (int v = 0; v < QB_VALUES_COUNT && !qb_check_failed(c); v++) {
            size_t n = (size_t)counts[i] * ROWS, n_out = n * QB_ACT_MAX_STEPS;
            qb_check_case(c, "%d scales of %d rows, %s values", counts[i], ROWS,
                          qb_values_name((enum qb_values)v));
            float *scale = qb_check_input(c, n * sizeof *scale, 64);
            float *got = qb_check_output(c, n_out * sizeof *got, 64);
            qb_check_fill_f32(c, scale, n, (enum qb_values)v);
            float *want = qb_scale_multiples(c, scale, (size_t)counts[i]);
            ((qb_scale_steps_fn *)k->fn)(scale, counts[i], got);
            qb_check_bytes(c, "steps", got, want, n_out * sizeof *got);
        }
    }
}

/* --- fix_scales --- */

/* Significands of 11 bits as of f16, up to 4 or, now and then, 5 binades below the largest: these are
 * integers only if their last bit is 0. */
static void fill_scales(struct qb_check *c, float *scale, size_t n, bool far)
{
    struct qb_rng *rng = qb_check_rng(c);
    for (size_t i = 0; i < n; i++) {
        int significand = (int)qb_rng_below(rng, 1024) + 1024, binade = (int)qb_rng_below(rng, 5);
        if (far && qb_rng_below(rng, 64) == 0)
            binade = 5;
        scale[i] = ldexpf((float)(qb_rng_below(rng, 2) ? significand : -significand), -20 - binade);
        if (qb_rng_below(rng, 16) == 0)
            scale[i] = 0;
    }
}

void qb_check_fix_scales(struct qb_check *c, const struct qb_kernel *k)
{
    static const int counts[] = {2, 4, 16};
    int fit = 0, cases = 0;
    for (size_t i = 0; i < 8 * QB_ARRAY_LEN(counts) && !qb_check_failed(c); i++, cases++) {
        int64_t n = counts[i % QB_ARRAY_LEN(counts)];
        qb_check_case(c, "%d scales of %d rows", (int)n, ROWS);
        float *scale = qb_check_input(c, (size_t)n * ROWS * sizeof *scale, 64);
        fill_scales(c, scale, (size_t)n * ROWS, i % 2 > 0);
        float unit[ROWS], *got_unit = qb_check_output(c, sizeof unit, 64);
        size_t bytes = (size_t)n * ROWS * sizeof(int16_t);
        int16_t *pair = qb_check_input(c, bytes, 64), *got_pair = qb_check_output(c, bytes, 64);
        bool exact = qb_fixed_scales(scale, n, pair, unit);
        bool got = ((qb_fix_scales_fn *)k->fn)(scale, n, got_pair, got_unit);
        fit += exact;
        if (got != exact)
            qb_check_fail(c, "says %d of scales that %s", got, exact ? "fit" : "do not fit");
        if (!exact || qb_check_failed(c))
            continue;
        qb_check_bytes(c, "pairs", got_pair, pair, bytes);
        qb_check_bytes(c, "units", got_unit, unit, sizeof unit);
    }
    if (!qb_check_failed(c) && (fit == 0 || fit == cases))
        qb_check_fail(c, "%d of %d cases fit", fit, cases);
}

/* --- act --- */

/*
 * Move half of the values of every block next to where rounding changes its mind: a kernel that multiplies by
 * the reciprocal of the scale then rounds some of them the other way. The largest value stays, and so does
 * the scale: in kinds of pairs no value comes near the largest (set_apart), and its neighbour stays 0.
 */
static void move_to_ties(struct qb_check *c, float *x, const struct qb_act *a, int col)
{
    struct qb_rng *rng = qb_check_rng(c);
    int pos, w, tile = qb_act_tile_of(a, col, &pos), block = qb_act_block(a->kind);
    const float *scale = a->scale + qb_act_tile(a, tile, &w) * (a->n_k / block) + pos;
    for (int64_t b = 0; b < a->n_k; b += block, scale += w) {
        float max = 0;
        for (int64_t k = b; k < b + block; k++)
            max = fmaxf(max, fabsf(x[k]));
        float most = qb_act_is_pairs(a->kind) ? max / 4 : max;
        for (int64_t k = b; k < b + block; k++) {
            float tie = ((float)qb_rng_below(rng, 252) - 125.5f) * *scale;
            int ulps = (int)qb_rng_below(rng, 5) - 2;
            if (x[k] != 0 && fabsf(x[k]) < max && fabsf(tie) < most && qb_rng_below(rng, 2))
                x[k] = qb_f32_from_bits(qb_f32_bits(tie) + (uint32_t)ulps);
        }
    }
}

/* Enlarge one value of every block until no sum of others reaches it. */
static void set_apart(float *x, int64_t n_k, int64_t block)
{
    for (int64_t b = 0; b < n_k; b += block) {
        float max = 0;
        for (int64_t k = b; k < b + block; k++)
            max = fmaxf(max, fabsf(x[k]));
        x[b] = 4 * max;
        x[b + 1] = 0;
    }
}

static void check_act_case(struct qb_check *c, const struct qb_kernel *k, int n_cols, int tile_cols,
                           int64_t n_k, enum qb_values v)
{
    enum qb_act_kind kind = (enum qb_act_kind)k->key;
    struct qb_rng *rng = qb_check_rng(c);
    size_t ldx = (size_t)n_k + qb_rng_below(rng, 5), bytes = qb_act_bytes(kind, n_cols, n_k);
    size_t n = ldx * (size_t)(n_cols - 1) + (size_t)n_k;
    qb_check_case(c, "%d columns of %lld in tiles of %d, %s values", n_cols, (long long)n_k, tile_cols,
                  qb_values_name(v));
    float *x = qb_check_input(c, n * sizeof *x, sizeof *x);
    qb_check_fill_f32(c, x, n, v);
    uint8_t *got = qb_check_output(c, bytes, 64), *want = qb_check_output(c, bytes, 64);
    struct qb_act a, truth;
    memcpy(want, got, bytes); /* rounding between the arrays stays as it is */
    qb_act_init(&a, kind, n_cols, n_k, tile_cols, got);
    qb_act_init(&truth, kind, n_cols, n_k, tile_cols, want);
    for (int col = 0; col < n_cols && v == QB_VALUES_RANDOM && qb_act_is_pairs(kind); col += 2)
        set_apart(x + (size_t)col * ldx, n_k, qb_act_block(kind));
    qb_oracle_quantize(x, ldx, &truth);
    if (v == QB_VALUES_RANDOM && qb_act_block(kind)) {
        for (int col = 0; col < n_cols; col++)
            move_to_ties(c, x + (size_t)col * ldx, &truth, col);
        qb_oracle_quantize(x, ldx, &truth);
    }
    for (int c0 = 0, c1; c0 < n_cols; c0 = c1) {
        c1 = c0 + 1 + (int)qb_rng_below(rng, (uint32_t)(n_cols - c0));
        ((qb_act_fn *)k->fn)(x, ldx, c0, c1, &a);
    }
    qb_check_bytes(c, "activations", got, want, bytes);
}

static void check_act_columns(struct qb_check *c, const struct qb_kernel *k, int n_cols, int tile_cols)
{
    static const int blocks[] = {1, 2, 5, 16, 41}, elems[] = {2, 30, 128, 514};
    for (int v = 0; v < QB_VALUES_COUNT && !qb_check_failed(c); v++) {
        int64_t n_k = elems[(n_cols + v) % 4] + (k->key == QB_ACT_F32);
        if (qb_act_block((enum qb_act_kind)k->key))
            n_k = (int64_t)blocks[n_cols % 5] * qb_act_block((enum qb_act_kind)k->key);
        check_act_case(c, k, n_cols, tile_cols, n_k, (enum qb_values)v);
    }
}

void qb_check_act(struct qb_check *c, const struct qb_kernel *k)
{
    /* wide tiles: one that a vector holds, full ones, parts of vectors, and the other order for a few */
    static const int wide[] = {3, 5, 8, 9, 16, 17, 20, 33};
    for (int n_cols = 1; n_cols <= 20; n_cols++)
        check_act_columns(c, k, n_cols, 4 + n_cols % 5);
    if (k->key != QB_ACT_BF16 && qb_act_block((enum qb_act_kind)k->key) != 256)
        return;
    for (size_t i = 0; i < QB_ARRAY_LEN(wide); i++)
        check_act_columns(c, k, wide[i], QB_MAX_TILE_COLS);
}

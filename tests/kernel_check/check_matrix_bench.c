/*
 * Benchmarks of the matrix operations: panels and tiles out of the cache, GEMV over a matrix larger than L2.
 */
#include "base/mem.h"
#include "kernels/matrix.h"
#include "kernels/panel_form.h"
#include "tests/kernel_check/check.h"
#include "tests/kernel_check/check_panel.h"

#define GEMV_ROWS 1024
#define GEMV_K    4096
#define ACT_COLS  32

/* Everything that a call needs; lives in the memory of the case. */
struct job {
    const struct qb_kernel *k;
    struct qb_format form; /* of the problem's panels */
    struct qb_problem p;
    struct qb_panel panel;
    float *x, *out;
};

static struct job *make_job(struct qb_check *c, const struct qb_kernel *k, const struct qb_format *f,
                            enum qb_layout_id layout, int64_t n_rows, int64_t n_k)
{
    struct job *j = qb_check_input(c, sizeof *j, 64);
    j->k = k;
    j->form = qb_panel_form(f, k->isa);
    qb_problem_set_shape(&j->p, &j->form, layout, qb_problem_is_bf16(k), 0);
    j->p.n_rows = n_rows;
    j->p.n_k = n_k;
    j->p.values = QB_VALUES_RANDOM;
    return j;
}

static void run_decode_panel(void *arg)
{
    struct job *j = arg;
    ((qb_decode_panel_fn *)j->k->fn)(&j->p.m, 0, QB_PANEL_ROWS, 0, QB_PANEL_K, &j->panel);
}

void qb_bench_decode_panel(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct job *j = make_job(c, k, qb_format_get((enum qb_format_id)k->key), (enum qb_layout_id)k->key2,
                             QB_PANEL_ROWS, QB_PANEL_K);
    qb_problem_weights(c, &j->p);
    qb_panel_init(&j->panel, qb_check_input(c, qb_panel_bytes(), 64));
    *b =
        (struct qb_check_bench){run_decode_panel, j, 0, (double)qb_matrix_row_bytes(&j->p.m) * QB_PANEL_ROWS};
}

static void run_gemv(void *arg)
{
    struct job *j = arg;
    ((qb_gemv_fn *)j->k->fn)(&j->p.m, 0, j->p.n_rows, &j->p.a, NULL, false, j->out, (size_t)j->p.n_rows);
}

void qb_bench_gemv(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct job *j = make_job(c, k, qb_format_get((enum qb_format_id)k->key), (enum qb_layout_id)k->key2,
                             GEMV_ROWS, GEMV_K);
    qb_problem_weights(c, &j->p);
    qb_problem_activations(c, &j->p, 1, QB_MAX_VECTOR_COLS);
    j->out = qb_check_output(c, GEMV_ROWS * sizeof(float), 64);
    *b = (struct qb_check_bench){run_gemv, j, (double)GEMV_ROWS * GEMV_K,
                                 (double)qb_matrix_row_bytes(&j->p.m) * GEMV_ROWS};
}

static void run_tile(void *arg)
{
    struct job *j = arg;
    ((qb_tile_fn *)j->k->fn)(&j->panel, &j->p.a, 0, j->p.a.n_tiles, 0, j->p.n_k, NULL, 0, j->out,
                             QB_PANEL_ROWS);
}

/* The last format of the class; one with fixed-point scales, where the level has them. */
static const struct qb_format *format_of_tile(const struct qb_kernel *k, const struct qb_kernel_set *all)
{
    const struct qb_kernel_set set = {.isa = k->isa, .bf16 = k->key == QB_TILE_BF16};
    const struct qb_format *f = qb_format_get((enum qb_format_id)0);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *other = qb_format_get((enum qb_format_id)i);
        if ((int)qb_kernel_set_tile_class(&set, other, QB_MANY_COLS) != k->key ||
            qb_panel_form(f, k->isa).int_scales)
            continue;
        f = other;
        if (all->fix_scales && qb_panel_form(f, k->isa).act == QB_ACT_Q8_32)
            break;
    }
    return f;
}

/* Scales in the form that a prompt of many tiles takes. */
static void prepare_scales(struct job *j, const struct qb_kernel_set *all)
{
    struct qb_panel *p = &j->panel;
    int64_t n = j->form.sub > 0 ? QB_PANEL_K / j->form.sub : 0;
    p->stepped = j->p.act_kind == QB_ACT_Q8_STEPS && all->scale_steps;
    if (p->stepped)
        all->scale_steps(p->scale, n, p->scale_steps);
    p->fixed = j->p.act_kind == QB_ACT_Q8_32 && all->fix_scales &&
               all->fix_scales(p->scale, n, p->scale_pair, p->unit);
}

/* What a tile kernel is timed with: a panel of f, activations of n_cols columns. */
static struct job *tile_job(struct qb_check *c, const struct qb_kernel *k, const struct qb_format *f,
                            int n_cols, int64_t n_k, struct qb_check_bench *b)
{
    struct job *j = make_job(c, k, f, QB_LAYOUT_PLAIN, QB_PANEL_ROWS, n_k);
    j->out = qb_check_output(c, (size_t)(QB_PANEL_ROWS * n_cols) * sizeof(float), 64);
    qb_panel_init(&j->panel, qb_check_input(c, qb_panel_bytes(), 64));
    *b = (struct qb_check_bench){run_tile, j, (double)(QB_PANEL_ROWS * n_k * n_cols),
                                 (double)(QB_PANEL_ROWS * n_k)};
    return j;
}

static void decode_panel(struct job *j)
{
    const struct qb_kernel *decode =
        qb_check_scalar_row(QB_OP_DECODE_PANEL, j->p.format->id, QB_LAYOUT_PLAIN);
    if (decode)
        ((qb_decode_panel_fn *)decode->fn)(&j->p.m, 0, QB_PANEL_ROWS, 0, j->p.n_k, &j->panel);
}

/* Two planes, and tiles as many as the engine has in a call. */
static void bench_planes(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    bool bf16 = k->key == QB_TILE_PLANES_BF16;
    const int n_cols = 16 * k->max_cols;
    const struct qb_format *f = qb_format_get(bf16 ? QB_FORMAT_Q4_0 : QB_FORMAT_Q4_K);
    struct job *j = tile_job(c, k, f, n_cols, QB_PLANES_K, b);
    j->form = qb_planes_form(k, f);
    j->p.format = &j->form;
    j->p.act_kind = bf16 ? QB_ACT_BF16 : QB_ACT_Q8_256;
    qb_problem_weights(c, &j->p);
    qb_problem_activations(c, &j->p, n_cols, k->max_cols);
    decode_panel(j);
    qb_split_panel_by_weight(c, &j->form, j->p.act_kind, QB_PLANES_K, &j->panel);
}

void qb_bench_tile(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct qb_kernel_set all;
    if (qb_takes_planes(k)) {
        bench_planes(c, k, b);
        return;
    }
    if (qb_kernel_set_select(&all, k->isa, NULL) != QB_OK)
        all = (struct qb_kernel_set){.isa = k->isa};
    struct job *j = tile_job(c, k, format_of_tile(k, &all), k->max_cols, QB_PANEL_K, b);
    j->p.near_scales = all.fix_scales && j->p.act_kind == QB_ACT_Q8_32;
    qb_problem_weights(c, &j->p);
    qb_problem_activations(c, &j->p, k->max_cols, k->max_cols);
    if (k->key != QB_TILE_BF16)
        decode_panel(j);
    prepare_scales(j, &all);
}

static void run_scale_steps(void *arg)
{
    struct job *j = arg;
    ((qb_scale_steps_fn *)j->k->fn)(j->panel.scale, QB_PANEL_K / 32, j->panel.scale_steps);
}

void qb_bench_scale_steps(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct job *j = qb_check_input(c, sizeof *j, 64);
    j->k = k;
    qb_panel_init(&j->panel, qb_check_input(c, qb_panel_bytes(), 64));
    qb_check_fill_f32(c, j->panel.scale, (size_t)QB_PANEL_ROWS * QB_PANEL_K / 32, QB_VALUES_RANDOM);
    size_t bytes = (size_t)QB_PANEL_ROWS * QB_PANEL_K / 32 * QB_ACT_MAX_STEPS * sizeof(float);
    *b = (struct qb_check_bench){run_scale_steps, j, 0, (double)bytes};
}

static void run_fix_scales(void *arg)
{
    struct job *j = arg;
    ((qb_fix_scales_fn *)j->k->fn)(j->panel.scale, QB_PANEL_K / 32, j->panel.scale_pair, j->panel.unit);
}

void qb_bench_fix_scales(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct job *j = qb_check_input(c, sizeof *j, 64);
    j->k = k;
    qb_panel_init(&j->panel, qb_check_input(c, qb_panel_bytes(), 64));
    qb_check_fill_f32(c, j->panel.scale, (size_t)QB_PANEL_ROWS * QB_PANEL_K / 32, QB_VALUES_RANDOM);
    *b = (struct qb_check_bench){run_fix_scales, j, 0, QB_PANEL_ROWS * QB_PANEL_K / 32 * sizeof(float)};
}

static void run_act(void *arg)
{
    struct job *j = arg;
    ((qb_act_fn *)j->k->fn)(j->x, GEMV_K, 0, ACT_COLS, &j->p.a);
}

void qb_bench_act(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    struct job *j = make_job(c, k, qb_format_get((enum qb_format_id)0), QB_LAYOUT_PLAIN, 1, GEMV_K);
    j->p.act_kind = (enum qb_act_kind)k->key;
    j->x = qb_check_input(c, (size_t)ACT_COLS * GEMV_K * sizeof(float), 64);
    qb_check_fill_f32(c, j->x, (size_t)ACT_COLS * GEMV_K, QB_VALUES_RANDOM);
    qb_problem_activations(c, &j->p, ACT_COLS, 7);
    *b = (struct qb_check_bench){run_act, j, 0, (double)ACT_COLS * GEMV_K * sizeof(float)};
}

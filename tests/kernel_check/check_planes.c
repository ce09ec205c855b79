/*
 * The check of SPLIT_PANEL: planes against those made weight by weight, for every format whose batches take
 * them.
 */
#include "tests/kernel_check/check.h"
#include "tests/kernel_check/check_panel.h"
#include <string.h>

/* The planes are those, and what has none is 0; one more than needed may be there. */
static void compare_planes(struct qb_check *c, const struct qb_panel *got, const struct qb_panel *want,
                           size_t bytes, size_t min_bytes, int most)
{
    if (got->n_planes < 1 || got->n_planes > most || got->n_planes < want->n_planes) {
        qb_check_fail(c, "%d planes, %d needed of at most %d", got->n_planes, want->n_planes, most);
        return;
    }
    for (int i = 0; i < got->n_planes; i++)
        qb_check_bytes(c, "plane", got->plane + (size_t)i * bytes, want->plane + (size_t)i * bytes, bytes);
    if (got->plane_codes != want->plane_codes)
        qb_check_fail(c, "plane_codes is %d, not %d", got->plane_codes, want->plane_codes);
    if (got->has_min != want->has_min)
        qb_check_fail(c, "has_min is %d, not %d", got->has_min, want->has_min);
    if (want->has_min)
        qb_check_bytes(c, "minima", got->min_plane, want->min_plane, min_bytes);
}

/* The sign of a piece that is 0 means nothing. */
static void drop_signs_of_zeros(uint8_t *plane, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 2)
        if (plane[i] == 0 && plane[i + 1] == 0x80)
            plane[i + 1] = 0;
}

static void check_split(struct qb_check *c, const struct qb_kernel *k, struct qb_problem *p)
{
    enum qb_act_kind kind = (enum qb_act_kind)k->key;
    bool bf16 = p->format->id == QB_FORMAT_BF16;
    int most = kind == QB_ACT_BF16 ? 3 : 2,
        n_rows = (int)(p->n_rows < QB_PANEL_ROWS ? p->n_rows : QB_PANEL_ROWS);
    int64_t k0, n_k;
    qb_problem_slice(c, p, &k0, &n_k);
    qb_problem_case(c, p, "%lld weights from %lld", n_k, k0);
    qb_problem_weights(c, p);
    size_t bytes = qb_plane_bytes(kind, n_k);
    struct qb_panel panel = qb_trusted_panel(c, p, bf16, 0, n_rows, k0, n_k), want = panel;
    qb_split_panel_by_weight(c, p->format, kind, n_k, &want);
    panel.plane = qb_check_output(c, bytes * (size_t)most, 64);
    panel.min_plane = qb_check_output(c, qb_min_plane_bytes(n_k), 64);
    ((qb_split_panel_fn *)k->fn)(p->format, n_k, &panel);
    if (kind == QB_ACT_BF16) {
        drop_signs_of_zeros(panel.plane, bytes * (size_t)most);
        drop_signs_of_zeros(want.plane, bytes * (size_t)most);
    }
    compare_planes(c, &panel, &want, bytes, qb_min_plane_bytes(n_k), most);
}

void qb_check_split_panel(struct qb_check *c, const struct qb_kernel *k)
{
    const struct qb_kernel_set set = {.isa = k->isa, .bf16 = true, .planes = true};
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)i), form = qb_planes_form(k, f);
        struct qb_problem p = {0};
        if ((int)qb_kernel_set_act(&set, f, QB_MANY_COLS) != k->key)
            continue;
        for (int shape = 0; shape < qb_problem_shapes(); shape++) {
            qb_problem_set_shape(&p, &form, QB_LAYOUT_PLAIN, f->id == QB_FORMAT_BF16, shape);
            for (int v = 0; v < QB_VALUES_COUNT && !qb_check_failed(c); v++) {
                p.values = (enum qb_values)v;
                check_split(c, k, &p);
            }
        }
    }
}

/* --- benchmark --- */

struct job {
    const struct qb_kernel *k;
    struct qb_format form;
    struct qb_panel panel;
};

static void run_split(void *arg)
{
    struct job *j = arg;
    ((qb_split_panel_fn *)j->k->fn)(&j->form, QB_PLANES_K, &j->panel);
}

void qb_bench_split_panel(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    bool bf16 = k->key == QB_ACT_BF16;
    struct job *j = qb_check_input(c, sizeof *j, 64);
    struct qb_problem p = {0};
    j->k = k;
    j->form = qb_planes_form(k, qb_format_get(bf16 ? QB_FORMAT_Q4_0 : QB_FORMAT_Q4_K));
    qb_problem_set_shape(&p, &j->form, QB_LAYOUT_PLAIN, false, 0);
    p.n_rows = QB_PANEL_ROWS;
    p.n_k = QB_PLANES_K;
    p.values = QB_VALUES_RANDOM;
    qb_problem_weights(c, &p);
    j->panel = qb_trusted_panel(c, &p, false, 0, QB_PANEL_ROWS, 0, QB_PLANES_K);
    j->panel.plane = qb_check_output(c, qb_plane_bytes((enum qb_act_kind)k->key, QB_PLANES_K) * 3, 64);
    j->panel.min_plane = qb_check_output(c, qb_min_plane_bytes(QB_PLANES_K), 64);
    *b = (struct qb_check_bench){run_split, j, 0, (double)QB_PANEL_ROWS * QB_PLANES_K};
}

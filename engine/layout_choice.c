/*
 * A trial of two layouts of one format: random weights, one column.
 */
#include "engine/layout_choice.h"
#include "base/clock.h"
#include "base/mem.h"
#include <math.h>

#define ROWS    64
#define COLS    2048 /* together beyond L1 and far within L2 */
#define WEIGHTS ((double)ROWS * COLS)
#define CALLS   4 /* between two looks at the clock */
#define RUNS    12
#define MARGIN  1.05
#define ALIGN   64

struct trial {
    const struct qb_kernel_set *set;
    struct qb_block block;
    size_t used;
    uint8_t *plain, *packed;
    float *out;
    struct qb_act act;
};

static void *take(struct trial *t, size_t bytes)
{
    void *p = (uint8_t *)t->block.data + t->used;
    t->used += qb_align_up(bytes, ALIGN);
    return p;
}

double qb_weight_ns(double operations_ns, double bytes, double thread_gbs)
{
    return hypot(operations_ns, bytes / thread_gbs);
}

/* A column of activations of about the same size. */
static void make_act(struct trial *t, enum qb_act_kind kind, float *x, void *storage)
{
    for (int i = 0; i < COLS; i++)
        x[i] = (float)((i * 37 + 11) % 128 - 64);
    qb_act_init(&t->act, kind, 1, COLS, qb_kernel_set_tile_cols(t->set, kind, 1), storage);
    t->set->act[kind](x, COLS, 0, 1, &t->act);
}

static bool begin(struct trial *t, const struct qb_kernel_set *set, const struct qb_format *f)
{
    enum qb_act_kind kind = qb_kernel_set_act(set, f, 1);
    size_t plain = qb_layout_bytes(QB_LAYOUT_PLAIN, f, ROWS * COLS);
    size_t packed = qb_layout_bytes(QB_LAYOUT_X16, f, ROWS * COLS); /* the larger one */
    size_t act = qb_act_bytes(kind, 1, COLS), floats = COLS * sizeof(float);
    struct qb_rng rng;
    *t = (struct trial){.set = set};
    if (qb_block_init(&t->block, plain + packed + act + 2 * floats + 8 * ALIGN, false, "a trial", NULL))
        return false;
    t->plain = take(t, plain);
    t->packed = take(t, packed);
    t->out = take(t, floats);
    make_act(t, kind, take(t, floats), take(t, act));
    qb_rng_init(&rng, 1, (uint64_t)f->id);
    for (size_t at = 0; at < plain; at += (size_t)f->block_bytes)
        f->synth(t->plain + at, 1, &rng);
    return true;
}

/* Nanoseconds of a weight in L2, the best of a few runs. */
static double operations_ns(struct trial *t, const struct qb_format *f, enum qb_layout_id layout)
{
    size_t from = qb_format_bytes(f, COLS), to = qb_layout_bytes(layout, f, COLS);
    struct qb_matrix m = {f, layout, ROWS, COLS, t->packed};
    uint64_t best = UINT64_MAX;
    for (size_t r = 0; r < ROWS; r += 16)
        t->set->pack(layout, f, COLS, t->plain + r * from, from, t->packed + r * to);
    for (int run = 0; run < RUNS; run++) {
        uint64_t start = qb_now_ns();
        for (int i = 0; i < CALLS; i++)
            t->set->gemv[f->id][layout](&m, 0, ROWS, &t->act, NULL, false, t->out, ROWS);
        uint64_t ns = qb_now_ns() - start;
        best = ns < best ? ns : best;
    }
    return (double)best / CALLS / WEIGHTS;
}

static double total_ns(struct trial *t, const struct qb_format *f, enum qb_layout_id layout,
                       double thread_gbs)
{
    double bytes = (double)qb_layout_bytes(layout, f, COLS) / COLS;
    return qb_weight_ns(operations_ns(t, f, layout), bytes, thread_gbs);
}

bool qb_x16_is_faster(const struct qb_kernel_set *set, const struct qb_format *f, double thread_gbs)
{
    struct trial t;
    if (thread_gbs <= 0 || !qb_layout_fits(QB_LAYOUT_X16, f, ROWS) || !set->gemv[f->id][QB_LAYOUT_X16] ||
        !begin(&t, set, f))
        return false;
    double r16 = total_ns(&t, f, QB_LAYOUT_R16, thread_gbs);
    bool faster = MARGIN * total_ns(&t, f, QB_LAYOUT_X16, thread_gbs) < r16;
    qb_block_release(&t.block);
    return faster;
}

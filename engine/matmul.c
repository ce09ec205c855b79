/*
 * Products of weight matrices with a batch on all workers.
 *
 * Batches: the rows of all products form one list of panels. A work item is a group of panels times a chunk
 * of columns: for each slice of K its panels are decoded one after the other and multiplied with all tiles of
 * the chunk, so the slice of the activations stays in L2 while the panels pass and the results build up in a
 * small contiguous buffer (rows of the output lie a power of two apart in many models and would evict each
 * other). The last panels are single items, so that workers end together.
 *
 * Few columns: every worker runs the fused kernel over its own contiguous rows, the same rows at every call,
 * so that their pages lie near it.
 */
#include "engine/matmul.h"

#include "base/mem.h"

#include <string.h>

#define GROUP_PANELS  4
#define FEW_COLS      64 /* up to so many, all activations fit in L2: panels one by one, each read as a stream */
#define MAX_CHUNK     512 /* columns whose slice fits in L2 */
#define PAIR_PANELS   (GROUP_PANELS / 2)
#define SINGLES       4   /* single-panel items per worker at the end */
#define WRITE_AHEAD   12  /* columns */
#define GATE_UP_CHUNK 512 /* rows of gate and up at a time in the fused form */

static int chunk_cols(int max_cols)
{
    return max_cols < MAX_CHUNK + QB_MAX_TILE_COLS ? max_cols : MAX_CHUNK + QB_MAX_TILE_COLS;
}

static size_t results_bytes(int max_cols)
{
    size_t batch = (size_t)GROUP_PANELS * QB_PANEL_ROWS * (size_t)chunk_cols(max_cols) * sizeof(float);
    size_t fused = (size_t)GATE_UP_CHUNK * QB_GEMV_MAX_COLS * sizeof(float);
    return batch > fused ? batch : fused;
}

size_t qb_matmul_scratch_bytes(int max_cols)
{
    return qb_align_up(qb_panel_bytes(), 64) + qb_align_up(results_bytes(max_cols), 64);
}

struct scratch {
    struct qb_panel panel;
    float *results; /* [panel of the group][column of the chunk][32] */
};

static struct scratch scratch_split(void *memory)
{
    struct scratch s;
    qb_panel_init(&s.panel, memory);
    s.results = (float *)((char *)memory + qb_align_up(qb_panel_bytes(), 64));
    return s;
}

/* ---- work items of a batch ---- */

/* Columns [c0, c0 + n) of the batch, which are whole tiles [t0, t1). */
struct chunk {
    int t0, t1, c0, n;
};

static struct chunk chunk_at(const struct qb_act *a, int i, int n_chunks)
{
    struct chunk c;
    int width;
    c.t0 = (int)((int64_t)a->n_tiles * i / n_chunks);
    c.t1 = (int)((int64_t)a->n_tiles * (i + 1) / n_chunks);
    c.c0 = qb_act_tile(a, c.t0, &width);
    c.n = (c.t1 == a->n_tiles ? a->n_cols : qb_act_tile(a, c.t1, &width)) - c.c0;
    return c;
}

/* How n_panels panels and the columns are cut into items. */
struct plan {
    int64_t n_panels, n_groups, n_items;
    int group; /* panels in an item, but for the last ones */
    int n_chunks;
};

static struct plan make_plan(int64_t n_panels, int group, const struct qb_act *a, int n_workers)
{
    struct plan p = {.n_panels = n_panels, .group = a->n_cols <= FEW_COLS ? 1 : group};
    int64_t singles = (int64_t)SINGLES * n_workers;
    p.n_groups = n_panels > singles ? (n_panels - singles) / p.group : 0;
    p.n_items = p.n_groups + (n_panels - p.n_groups * p.group);
    p.n_chunks = (a->n_cols + MAX_CHUNK - 1) / MAX_CHUNK;
    /* too few panels for the workers: cut the columns too, though each chunk decodes again */
    if (n_workers > 1 && n_panels < 2 * n_workers) {
        int64_t want = (2 * n_workers + n_panels - 1) / n_panels,
                most = a->n_tiles / 4 > 1 ? a->n_tiles / 4 : 1;
        int64_t n = want < most ? want : most;
        p.n_chunks = n > p.n_chunks ? (int)n : p.n_chunks;
    }
    p.n_items *= p.n_chunks;
    return p;
}

static void plan_item(const struct plan *p, int64_t item, int64_t *first, int *n, int *chunk)
{
    int64_t per_chunk = p->n_items / p->n_chunks;
    *chunk = (int)(item / per_chunk);
    item %= per_chunk;
    bool single = item >= p->n_groups;
    *n = single ? 1 : p->group;
    *first = single ? p->n_groups * p->group + (item - p->n_groups) : item * p->group;
}

static int64_t panels_of(const struct qb_matrix *m)
{
    return (m->n_rows + QB_PANEL_ROWS - 1) / QB_PANEL_ROWS;
}

/* Rows of n panels from `panel` on. */
static int rows_of(const struct qb_matrix *m, int64_t panel, int n)
{
    int64_t left = m->n_rows - panel * QB_PANEL_ROWS;
    return left < (int64_t)n * QB_PANEL_ROWS ? (int)left : n * QB_PANEL_ROWS;
}

/* One panel and slice with all tiles of the chunk. */
static void panel_slice(const struct qb_kernel_set *set, const struct qb_matrix *m, int64_t panel, int64_t k0,
                        int64_t n_k, const struct qb_act *a, const struct chunk *ch, struct qb_panel *scratch,
                        float *results)
{
    qb_tile_fn *tile = set->tile[qb_kernel_set_tile_class(set, m->format)];
    set->decode_panel[m->format->id][m->layout](m, panel * QB_PANEL_ROWS, rows_of(m, panel, 1), k0, n_k,
                                                scratch);
    for (int t = ch->t0; t < ch->t1; t++) {
        int width, c = qb_act_tile(a, t, &width) - ch->c0;
        tile(scratch, a, t, k0, n_k, NULL, k0 > 0, results + (size_t)c * QB_PANEL_ROWS, QB_PANEL_ROWS);
    }
}

/* The output of n rows is far from that of the next column: ask for it in time. */
static void prefetch_rows(const float *out, int n)
{
    for (int i = 0; i < n; i += 16)
        __builtin_prefetch(out + i, 1);
    __builtin_prefetch(out + n - 1, 1);
}

/* Rows [row0, row0 + n) of one column: from or onto the output. */
static void write_column(const struct qb_product *p, int64_t row0, int n, float *out, const float *results)
{
    if (p->accumulate)
        for (int i = 0; i < n; i++)
            out[i] += results[i];
    else
        memcpy(out, results, (size_t)n * sizeof *out);
    if (p->bias)
        for (int i = 0; i < n; i++)
            out[i] += p->bias[row0 + i];
}

/* The results of neighbouring panels, `stride` apart, to the output, column by column. */
static void write_panels(const struct qb_product *p, int64_t panel, int n_panels, const struct chunk *ch,
                         const float *results, size_t stride)
{
    int64_t row0 = panel * QB_PANEL_ROWS;
    int n = rows_of(p->w, panel, n_panels);
    float *out = p->out + (size_t)ch->c0 * p->ldo + row0;
    for (int c = 0; c < ch->n; c++, out += p->ldo, results += QB_PANEL_ROWS) {
        if (c + WRITE_AHEAD < ch->n)
            prefetch_rows(out + (size_t)WRITE_AHEAD * p->ldo, n);
        for (int i = 0; i * QB_PANEL_ROWS < n; i++) {
            int first = i * QB_PANEL_ROWS, left = n - first;
            write_column(p, row0 + first, left < QB_PANEL_ROWS ? left : QB_PANEL_ROWS, out + first,
                         results + (size_t)i * stride);
        }
    }
}

/* ---- any products, batch ---- */

/* The product that holds panel i of the list; *panel becomes its number there. */
static const struct qb_product *product_of(const struct qb_product *p, int64_t i, int64_t *panel)
{
    while (i >= panels_of(p->w))
        i -= panels_of((p++)->w);
    *panel = i;
    return p;
}

static void batch_item(const struct qb_kernel_set *set, const struct qb_product *products, int64_t first,
                       int n, const struct qb_act *a, const struct chunk *ch, struct scratch *s)
{
    size_t stride = (size_t)QB_PANEL_ROWS * (size_t)ch->n;
    for (int64_t k0 = 0; k0 < a->n_k; k0 += QB_PANEL_K) {
        int64_t n_k = a->n_k - k0 < QB_PANEL_K ? a->n_k - k0 : QB_PANEL_K;
        for (int i = 0; i < n; i++) {
            int64_t panel;
            const struct qb_product *p = product_of(products, first + i, &panel);
            panel_slice(set, p->w, panel, k0, n_k, a, ch, &s->panel, s->results + (size_t)i * stride);
        }
    }
    for (int i = 0, count; i < n; i += count) {
        int64_t panel;
        const struct qb_product *p = product_of(products, first + i, &panel);
        int64_t left = panels_of(p->w) - panel;
        count = left < n - i ? (int)left : n - i;
        write_panels(p, panel, count, ch, s->results + (size_t)i * stride, stride);
    }
}

static void batch(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_product *p, int n,
                  const struct qb_act *a, void *memory)
{
    struct scratch s = scratch_split(memory);
    int64_t n_panels = 0, begin, end;
    for (int i = 0; i < n; i++)
        n_panels += panels_of(p[i].w);
    struct plan plan = make_plan(n_panels, GROUP_PANELS, a, w->n);
    while (qb_pool_loop_next(w, plan.n_items, 1, &begin, &end)) {
        int64_t first;
        int count, chunk;
        plan_item(&plan, begin, &first, &count, &chunk);
        struct chunk ch = chunk_at(a, chunk, plan.n_chunks);
        batch_item(set, p, first, count, a, &ch, &s);
    }
}

/* ---- few columns ---- */

bool qb_matmul_is_fused(const struct qb_kernel_set *set, const struct qb_matrix *m, int n_cols)
{
    return n_cols <= QB_GEMV_MAX_COLS && set->gemv[m->format->id][m->layout];
}

void qb_matmul_share(const struct qb_matrix *const *m, int n, int i, int worker, int n_workers, int64_t *row0,
                     int64_t *row1)
{
    /* In units of 16 rows, weighed by their bytes; the list of all matrices is cut into n_workers equal
     * parts. */
    double total = 0, before = 0;
    for (int j = 0; j < n; j++) {
        double bytes = (double)((m[j]->n_rows + 15) / 16) * (double)qb_matrix_row_bytes(m[j]);
        before += j < i ? bytes : 0;
        total += bytes;
    }
    int64_t units = (m[i]->n_rows + 15) / 16, edge[2];
    for (int e = 0; e < 2; e++) {
        double at = (total * (worker + e) / n_workers - before) / (double)qb_matrix_row_bytes(m[i]);
        edge[e] = at <= 0 ? 0 : at >= (double)units ? units : (int64_t)(at + 0.5);
    }
    *row0 = edge[0] < units ? edge[0] * 16 : m[i]->n_rows;
    *row1 = edge[1] < units ? edge[1] * 16 : m[i]->n_rows;
}

static void fused(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_product *p, int n,
                  const struct qb_act *a)
{
    const struct qb_matrix *list[QB_MATMUL_MAX_PRODUCTS];
    for (int i = 0; i < n; i++)
        list[i] = p[i].w;
    for (int i = 0; i < n; i++) {
        int64_t row0, row1;
        const struct qb_matrix *m = list[i];
        qb_matmul_share(list, n, i, w->index, w->n, &row0, &row1);
        if (row0 < row1)
            set->gemv[m->format->id][m->layout](m, row0, row1 - row0, a, p[i].bias, p[i].accumulate, p[i].out,
                                                p[i].ldo);
    }
}

void qb_matmul(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_product *p,
               int n_products, const struct qb_act *a, void *scratch)
{
    bool all_fused = true;
    if (n_products > QB_MATMUL_MAX_PRODUCTS)
        QB_BUG("%d products in one call", n_products);
    for (int i = 0; i < n_products; i++)
        all_fused &= qb_matmul_is_fused(set, p[i].w, a->n_cols);
    if (all_fused)
        fused(w, set, p, n_products, a);
    else
        batch(w, set, p, n_products, a, scratch);
}

/* ---- gate and up ---- */

struct gate_up {
    const struct qb_kernel_set *set;
    const struct qb_matrix *gate, *up;
    const struct qb_act *a;
    float *out;
    size_t ldo;
};

/* silu(gate) * up of neighbouring panels to the output; results: gate and up of each panel. */
static void write_gate_up(const struct gate_up *g, int64_t panel, int n_panels, const struct chunk *ch,
                          const float *results)
{
    size_t stride = (size_t)QB_PANEL_ROWS * (size_t)ch->n;
    int n = rows_of(g->gate, panel, n_panels);
    float *out = g->out + (size_t)ch->c0 * g->ldo + panel * QB_PANEL_ROWS;
    for (int c = 0; c < ch->n; c++, out += g->ldo, results += QB_PANEL_ROWS) {
        if (c + WRITE_AHEAD < ch->n)
            prefetch_rows(out + (size_t)WRITE_AHEAD * g->ldo, n);
        for (int i = 0; i * QB_PANEL_ROWS < n; i++) {
            const float *r = results + (size_t)(2 * i) * stride;
            int first = i * QB_PANEL_ROWS, left = n - first;
            g->set->silu_mul(r, r + stride, left < QB_PANEL_ROWS ? left : QB_PANEL_ROWS, out + first);
        }
    }
}

static void gate_up_item(const struct gate_up *g, int64_t first, int n, const struct chunk *ch,
                         struct scratch *s)
{
    size_t stride = (size_t)QB_PANEL_ROWS * (size_t)ch->n;
    for (int64_t k0 = 0; k0 < g->a->n_k; k0 += QB_PANEL_K) {
        int64_t n_k = g->a->n_k - k0 < QB_PANEL_K ? g->a->n_k - k0 : QB_PANEL_K;
        for (int i = 0; i < n; i++) {
            float *r = s->results + (size_t)(2 * i) * stride;
            panel_slice(g->set, g->gate, first + i, k0, n_k, g->a, ch, &s->panel, r);
            panel_slice(g->set, g->up, first + i, k0, n_k, g->a, ch, &s->panel, r + stride);
        }
    }
    write_gate_up(g, first, n, ch, s->results);
}

static void gate_up_batch(struct qb_worker *w, const struct gate_up *g, struct scratch *s)
{
    int64_t begin, end;
    struct plan plan = make_plan(panels_of(g->gate), PAIR_PANELS, g->a, w->n);
    while (qb_pool_loop_next(w, plan.n_items, 1, &begin, &end)) {
        int64_t first;
        int count, chunk;
        plan_item(&plan, begin, &first, &count, &chunk);
        struct chunk ch = chunk_at(g->a, chunk, plan.n_chunks);
        gate_up_item(g, first, count, &ch, s);
    }
}

static void gate_up_fused(struct qb_worker *w, const struct gate_up *g, float *up)
{
    int64_t row0, row1;
    qb_gemv_fn *gate_fn = g->set->gemv[g->gate->format->id][g->gate->layout];
    qb_gemv_fn *up_fn = g->set->gemv[g->up->format->id][g->up->layout];
    qb_matmul_share(&g->gate, 1, 0, w->index, w->n, &row0, &row1);
    for (int64_t r = row0; r < row1; r += GATE_UP_CHUNK) {
        int64_t n = row1 - r < GATE_UP_CHUNK ? row1 - r : GATE_UP_CHUNK;
        gate_fn(g->gate, r, n, g->a, NULL, false, g->out, g->ldo);
        /* results of row r go to the start of the buffer */
        struct qb_matrix part = *g->up;
        part.data += (size_t)r * qb_matrix_row_bytes(g->up);
        part.n_rows = n;
        up_fn(&part, 0, n, g->a, NULL, false, up, GATE_UP_CHUNK);
        for (int c = 0; c < g->a->n_cols; c++) {
            float *out = g->out + (size_t)c * g->ldo + r;
            g->set->silu_mul(out, up + (size_t)c * GATE_UP_CHUNK, (int)n, out);
        }
    }
}

void qb_matmul_gate_up(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_matrix *gate,
                       const struct qb_matrix *up, const struct qb_act *a, float *out, size_t ldo,
                       void *scratch)
{
    struct scratch s = scratch_split(scratch);
    struct gate_up g = {set, gate, up, a, out, ldo};
    if (qb_matmul_is_fused(set, gate, a->n_cols) && qb_matmul_is_fused(set, up, a->n_cols))
        gate_up_fused(w, &g, s.results);
    else
        gate_up_batch(w, &g, &s);
}

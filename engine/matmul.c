/*
 * Products of weight matrices with a batch on all workers.
 *
 * Batches: the rows of all products form one list of panels. A work item is a group of panels times a chunk
 * of columns: for each slice of K its panels are decoded one after the other and multiplied with all tiles of
 * the chunk, so the slice of the activations stays in L2 while the panels pass and the results build up in a
 * small contiguous buffer (columns of the output lie a power of two apart in many models and would evict each
 * other). Only the first slice may read the output and only the last one writes it, tile by tile, asked for
 * in time, so that memory is written while the next tiles are multiplied. The last panels are single items,
 * so that workers end together.
 *
 * Few columns: every worker runs the fused kernel over its own contiguous rows, the same rows at every call,
 * so that their pages lie near it.
 */
#include "engine/matmul.h"

#include "base/mem.h"

#define GROUP_STRIPS  4 /* panels whose results build up side by side */
#define PLANES_STRIPS 8 /* the same on matrix units, which are done with a panel so soon that L3 is felt */
#define LINE          64
#define FEW_COLS      64 /* up to so many, all activations fit in L2: panels one by one, each read as a stream */
#define MAX_CHUNK     512 /* columns whose slice fits in L2 */
#define SINGLES       4   /* single-panel items per worker at the end */
#define SCALES_TILES  16  /* from so many tiles on, another form of a panel's scales pays */
#define CALL_TILES    16  /* in a call of a tile kernel */
#define FAR_TILES     2   /* the same, when it reads or writes the output */
#define AHEAD_TILES   32  /* the last ones of a slice, during which the weights of the next are asked for */

/* Rows of gate, then of up, in the fused form: many, for each turn is a stream that starts anew. */
#define GATE_UP_CHUNK 8192

static int chunk_cols(int max_cols)
{
    return max_cols < MAX_CHUNK + QB_MAX_TILE_COLS ? max_cols : MAX_CHUNK + QB_MAX_TILE_COLS;
}

static size_t results_bytes(int max_cols)
{
    size_t batch = (size_t)PLANES_STRIPS * QB_PANEL_ROWS * (size_t)chunk_cols(max_cols) * sizeof(float);
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

/* ---- slices: one panel of one product over some weights of K ---- */

/* What all items of a batch share. */
struct job {
    const struct qb_kernel_set *set;
    const struct qb_product *p; /* gated: gate and up; the result goes where gate's would */
    const struct qb_act *a;
    bool gated;
};

/* Weights of a row in a slice. */
static int64_t slice_k(const struct job *j)
{
    return j->a->by_column ? QB_PLANES_K : QB_PANEL_K;
}

struct slice {
    const struct qb_product *p;
    int64_t panel, k0, n_k;
};

/* Strip i of a job: a panel over all of K. Gated: panels of gate and of up in turn. */
static struct slice strip_at(const struct job *j, int64_t i)
{
    const struct qb_product *p = j->p;
    if (j->gated)
        return (struct slice){.p = p + i % 2, .panel = i / 2};
    while (i >= panels_of(p->w))
        i -= panels_of((p++)->w);
    return (struct slice){.p = p, .panel = i};
}

/* The weights of a slice, a few runs of memory, asked for line by line. */
struct stream {
    const char *run, *at, *end; /* of the run that is being asked for */
    size_t stride;              /* to the next run */
    int runs;                   /* left, this one included */
    int step;                   /* lines at a time */
};

/* All of it in n_steps steps. */
static struct stream stream_of(const struct slice *s, int n_steps)
{
    const struct qb_matrix *m = s->p->w;
    size_t rows = (size_t)qb_layout_get(m->layout)->rows, row = qb_matrix_row_bytes(m);
    size_t bytes = rows * qb_matrix_bytes_to(m, s->n_k);
    struct stream t = {
        .run = (const char *)m->data + (size_t)s->panel * QB_PANEL_ROWS * row +
               rows * qb_matrix_bytes_to(m, s->k0),
        .stride = rows * row,
        .runs = (int)(((size_t)rows_of(m, s->panel, 1) + rows - 1) / rows),
    };
    t.at = t.run;
    t.end = t.run + bytes;
    t.step = (int)((bytes / LINE + 1) * (size_t)t.runs) / n_steps + 1;
    return t;
}

static void stream_step(struct stream *s)
{
    for (int i = 0; i < s->step && s->runs > 0; i++, s->at += LINE) {
        __builtin_prefetch(s->at);
        if (s->end - s->at > LINE)
            continue;
        s->end += s->stride;
        s->run += s->stride;
        s->at = s->run - LINE;
        s->runs--;
    }
}

/* ---- results: where the sums of a strip start from and go to ---- */

/* Of the chunk's first column; ld*: from one column to the next. */
struct ends {
    const float *from; /* NULL = 0 */
    size_t ldf;
    float *to;
    size_t ldo;
    const float *far; /* the output, if this slice reads or writes it, else NULL */
    size_t ld_far;
    bool write; /* from the results to the output after each call */
};

/* Do the tile kernels themselves start from what is there and leave their sums in the output? */
static bool is_direct(const struct job *j, const struct slice *s)
{
    return !j->gated && rows_of(s->p->w, s->panel, 1) == QB_PANEL_ROWS && !(s->p->accumulate && s->p->bias);
}

/* The product that names where a strip's result goes. */
static const struct qb_product *target(const struct job *j, const struct slice *s)
{
    return j->gated ? j->p : s->p;
}

static float *output_at(const struct job *j, const struct slice *s, const struct chunk *ch)
{
    const struct qb_product *p = target(j, s);
    return p->out + (size_t)ch->c0 * p->ldo + s->panel * QB_PANEL_ROWS;
}

/* The slice after which a strip's rows of the output can be written: gated, that of up. */
static bool completes(const struct job *j, const struct slice *s)
{
    return s->k0 + s->n_k == j->a->n_k && !(j->gated && s->p == j->p);
}

/* Sums build up in `results`. A direct strip starts from the output or the bias, and its last slice leaves
 * them in the output. */
static struct ends ends_of(const struct job *j, const struct slice *s, const struct chunk *ch, float *results)
{
    const struct qb_product *p = target(j, s);
    bool direct = is_direct(j, s), last = completes(j, s), starts = direct && s->k0 == 0;
    float *out = output_at(j, s, ch);
    struct ends e = {
        .from = s->k0 > 0 ? results : NULL, .ldf = QB_PANEL_ROWS, .to = results, .ldo = QB_PANEL_ROWS};
    if (starts && p->accumulate) {
        e.from = out;
        e.ldf = p->ldo;
    } else if (starts && p->bias) {
        e.from = p->bias + s->panel * QB_PANEL_ROWS;
        e.ldf = 0;
    }
    if (direct && last) {
        e.to = out;
        e.ldo = p->ldo;
    }
    e.write = last && !direct;
    e.far = last || e.from == out ? out : NULL;
    e.ld_far = p->ldo;
    return e;
}

/* Columns [c0, c1) of a strip's part of the output, which lie far apart. */
static void expect_output(const struct ends *e, int c0, int c1)
{
    const float *out = e->far + (size_t)c0 * e->ld_far;
    for (int c = c0; c < c1; c++, out += e->ld_far) {
        for (int r = 0; r < QB_PANEL_ROWS; r += LINE / (int)sizeof *out)
            __builtin_prefetch(out + r, 1);
        __builtin_prefetch(out + QB_PANEL_ROWS - 1, 1);
    }
}

/* n rows of one column: onto what is there, with the bias. */
static void write_column(const struct qb_product *p, int64_t row0, int n, float *out, const float *results)
{
    for (int i = 0; i < n; i++)
        out[i] = (p->accumulate ? out[i] : 0) + (p->bias ? p->bias[row0 + i] : 0) + results[i];
}

/* Columns [c0, c1) of a strip that is not direct: to the output, or silu(gate) * up. */
static void write_columns(const struct job *j, const struct slice *s, const struct chunk *ch, int c0, int c1,
                          const float *results)
{
    const struct qb_product *p = target(j, s);
    size_t strip = (size_t)QB_PANEL_ROWS * (size_t)ch->n, at = (size_t)c0 * QB_PANEL_ROWS;
    float *out = output_at(j, s, ch) + (size_t)c0 * p->ldo;
    int n = rows_of(p->w, s->panel, 1);
    for (int c = c0; c < c1; c++, at += QB_PANEL_ROWS, out += p->ldo) {
        if (j->gated) /* the strip before is that of gate */
            j->set->silu_mul(results + at - strip, results + at, n, out);
        else
            write_column(p, s->panel * QB_PANEL_ROWS, n, out, results + at);
    }
}

/* ---- slices with all columns ---- */

static void decode(const struct job *j, const struct slice *s, const struct chunk *ch, struct qb_panel *panel)
{
    const struct qb_matrix *m = s->p->w;
    j->set->decode_panel[m->format->id][m->layout](m, s->panel * QB_PANEL_ROWS, rows_of(m, s->panel, 1),
                                                   s->k0, s->n_k, panel);
    if (j->a->by_column) {
        j->set->split_panel[j->a->kind](m->format, s->n_k, panel);
        return;
    }
    bool many = ch->t1 - ch->t0 >= SCALES_TILES;
    panel->stepped = j->a->kind == QB_ACT_Q8_STEPS && j->set->scale_steps && many;
    if (panel->stepped)
        j->set->scale_steps(panel->scale, s->n_k / m->format->sub, panel->scale_steps);
    panel->fixed = j->a->kind == QB_ACT_Q8_32 && j->set->fix_scales && many && s->n_k % 64 == 0 &&
                   j->set->fix_scales(panel->scale, s->n_k / m->format->sub, panel->scale_pair, panel->unit);
}

/* The first column of tile t in the chunk; of its end for t = t1. */
static int column_at(const struct job *j, const struct chunk *ch, int t)
{
    int width;
    return t >= ch->t1 ? ch->n : qb_act_tile(j->a, t, &width) - ch->c0;
}

/*
 * One slice with all tiles of the chunk. Meanwhile the weights of the next one come, and the output of the
 * next call.
 */
static void multiply_slice(const struct job *j, const struct slice *s, const struct slice *next,
                           const struct chunk *ch, struct qb_panel *panel, float *results)
{
    qb_tile_fn *tile = j->set->tile[qb_kernel_set_tile_class(j->set, s->p->w->format, j->a->n_cols)];
    struct ends e = ends_of(j, s, ch, results);
    struct stream ahead = {.runs = 0};
    int step = e.far ? FAR_TILES : CALL_TILES,
        n = ch->t1 - ch->t0 < AHEAD_TILES ? ch->t1 - ch->t0 : AHEAD_TILES;
    if (next->n_k > 0)
        ahead = stream_of(next, (n + step - 1) / step);
    decode(j, s, ch, panel);
    if (e.far)
        expect_output(&e, 0, column_at(j, ch, ch->t0 + step));
    for (int t = ch->t0; t < ch->t1; t += step) {
        int end = t + step < ch->t1 ? t + step : ch->t1;
        int c0 = column_at(j, ch, t), c1 = column_at(j, ch, end);
        if (ch->t1 - t <= AHEAD_TILES)
            stream_step(&ahead);
        if (e.far)
            expect_output(&e, c1, column_at(j, ch, end + step));
        tile(panel, j->a, t, end, s->k0, s->n_k, qb_start_at(e.from, (size_t)c0 * e.ldf), e.ldf,
             e.to + (size_t)c0 * e.ldo, e.ldo);
        if (e.write)
            write_columns(j, s, ch, c0, c1, results);
    }
}

/* Slice i of an item of n strips: all strips of the first K, then of the next; n_k = 0 after the last. */
static struct slice slice_at(const struct job *j, int64_t first, int n, int64_t i)
{
    struct slice s = {.k0 = i / n * slice_k(j)};
    if (s.k0 < j->a->n_k) {
        int64_t k0 = s.k0, left = j->a->n_k - k0;
        s = strip_at(j, first + i % n);
        s.k0 = k0;
        s.n_k = left < slice_k(j) ? left : slice_k(j);
    }
    return s;
}

static void multiply_strips(const struct job *j, int64_t first, int n, const struct chunk *ch,
                            struct scratch *scratch)
{
    size_t stride = (size_t)QB_PANEL_ROWS * (size_t)ch->n;
    struct slice s = slice_at(j, first, n, 0);
    for (int64_t i = 0; s.n_k > 0; i++) {
        struct slice next = slice_at(j, first, n, i + 1);
        multiply_slice(j, &s, &next, ch, &scratch->panel, scratch->results + (size_t)(i % n) * stride);
        s = next;
    }
}

/* ---- batches ---- */

static void batch(struct qb_worker *w, const struct job *j, int64_t n_strips, struct scratch *s)
{
    int64_t begin, end;
    int unit = j->gated ? 2 : 1, group = j->a->by_column ? PLANES_STRIPS : GROUP_STRIPS;
    struct plan plan = make_plan(n_strips / unit, group / unit, j->a, w->n);
    while (qb_pool_loop_next(w, plan.n_items, 1, &begin, &end)) {
        int64_t first;
        int count, chunk;
        plan_item(&plan, begin, &first, &count, &chunk);
        struct chunk ch = chunk_at(j->a, chunk, plan.n_chunks);
        multiply_strips(j, first * unit, count * unit, &ch, s);
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
    int64_t n_strips = 0;
    if (n_products > QB_MATMUL_MAX_PRODUCTS)
        QB_BUG("%d products in one call", n_products);
    for (int i = 0; i < n_products; i++) {
        all_fused &= qb_matmul_is_fused(set, p[i].w, a->n_cols);
        n_strips += panels_of(p[i].w);
    }
    struct scratch s = scratch_split(scratch);
    struct job j = {.set = set, .p = p, .a = a};
    if (all_fused)
        fused(w, set, p, n_products, a);
    else
        batch(w, &j, n_strips, &s);
}

/* ---- gate and up ---- */

static void gate_up_fused(struct qb_worker *w, const struct job *j, float *up)
{
    const struct qb_product *p = j->p;
    int64_t row0, row1;
    qb_gemv_fn *gate_fn = j->set->gemv[p[0].w->format->id][p[0].w->layout];
    qb_gemv_fn *up_fn = j->set->gemv[p[1].w->format->id][p[1].w->layout];
    qb_matmul_share(&p->w, 1, 0, w->index, w->n, &row0, &row1);
    for (int64_t r = row0; r < row1; r += GATE_UP_CHUNK) {
        int64_t n = row1 - r < GATE_UP_CHUNK ? row1 - r : GATE_UP_CHUNK;
        gate_fn(p[0].w, r, n, j->a, NULL, false, p->out, p->ldo);
        /* results of row r go to the start of the buffer */
        struct qb_matrix part = *p[1].w;
        part.data += (size_t)r * qb_matrix_row_bytes(&part);
        part.n_rows = n;
        up_fn(&part, 0, n, j->a, NULL, false, up, GATE_UP_CHUNK);
        for (int c = 0; c < j->a->n_cols; c++) {
            float *out = p->out + (size_t)c * p->ldo + r;
            j->set->silu_mul(out, up + (size_t)c * GATE_UP_CHUNK, (int)n, out);
        }
    }
}

void qb_matmul_gate_up(struct qb_worker *w, const struct qb_kernel_set *set, const struct qb_matrix *gate,
                       const struct qb_matrix *up, const struct qb_act *a, float *out, size_t ldo,
                       void *scratch)
{
    const struct qb_product p[] = {{.w = gate, .out = out, .ldo = ldo}, {.w = up}};
    struct scratch s = scratch_split(scratch);
    struct job j = {.set = set, .p = p, .a = a, .gated = true};
    if (qb_matmul_is_fused(set, gate, a->n_cols) && qb_matmul_is_fused(set, up, a->n_cols))
        gate_up_fused(w, &j, s.results);
    else
        batch(w, &j, 2 * panels_of(gate), &s);
}

/*
 * The quality chart: one point a variant, KL divergence (or perplexity) against bits per weight, a line along
 * the best of each size, labels where there is room for them.
 */
#include "base/mem.h"
#include "reports/plot.h"
#include "reports/quality_record.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The picture in points; the axes leave margins. */
#define WIDTH  1200.0
#define HEIGHT 800.0
#define LEFT   0.075
#define RIGHT  0.975
#define BOTTOM 0.09
#define TOP    0.9
#define CHAR   6.6 /* width and height of the labels' letters, and the distance of a label from its point */
#define LINE   13.0
#define GAP    7.0
#define RADIUS 5.0
#define LEADER 11.0 /* a label farther than this from its point gets a line to it */
#define NARROW 9.0  /* bits per weight: nearly lossless types would push the others together */

#define N_KINDS 4
static const struct {
    const char *title, *colour;
} kinds[N_KINDS] = {
    {"blocks of 32", "#d95f02"}, {"K-quants", "#1f78b4"}, {"I-quants", "#33803a"}, {"others", "#7a7a7a"}};

struct box {
    double x0, y0, x1, y1;
};

struct point {
    const struct qb_quality_record *row;
    double x, y, err, px, py; /* px, py: in the picture */
    int kind;
    struct box label;
    int side; /* of the label: -1 left, 1 right, 0 centred */
    bool best;
};

struct chart {
    struct point *points;
    size_t n;
    bool divergence;       /* else perplexity */
    double x0, x1, y0, y1; /* ranges; of y as it is drawn: logarithms */
};

static double drawn(const struct chart *c, double y)
{
    return c->divergence ? log10(y) : y;
}

static double figure(const struct qb_quality_record *r, bool divergence)
{
    return divergence ? r->kld_mean : r->ppl;
}

/* Zero (a model against itself) has no place on a logarithmic scale. */
static bool has_place(const struct qb_quality_record *r, bool divergence)
{
    return r->variant && r->bits_per_weight > 0 && figure(r, divergence) > 0 &&
           isfinite(figure(r, divergence));
}

static bool is_old(const char *name)
{
    const char *const old[] = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"};
    for (size_t i = 0; i < QB_ARRAY_LEN(old); i++)
        if (!strncmp(name, old[i], strlen(old[i])))
            return true;
    return false;
}

static int kind_of(const char *name)
{
    if (is_old(name))
        return 0;
    if (name[0] == 'Q' && strstr(name, "_K"))
        return 1;
    return !strncmp(name, "IQ", 2) ? 2 : 3;
}

static int by_size(const void *a, const void *b)
{
    const struct point *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    size_t np = strlen(p->row->variant), nq = strlen(q->row->variant); /* the plain name first */
    return np != nq ? (np > nq) - (np < nq) : strcmp(p->row->variant, q->row->variant);
}

/* Of sorted points: one for types that are the same but for the layout; wide types only among themselves. */
static void thin_out(struct chart *c)
{
    size_t n = 0, n_narrow = 0;
    for (size_t i = 0; i < c->n; i++)
        n_narrow += c->points[i].x <= NARROW;
    for (size_t i = 0; i < c->n; i++) {
        const struct point *p = &c->points[i];
        bool same = n > 0 && c->points[n - 1].x == p->x && c->points[n - 1].y == p->y;
        if (!same && (p->x <= NARROW || n_narrow < 2))
            c->points[n++] = *p;
    }
    c->n = n;
}

static enum qb_status collect(struct chart *c, const struct qb_quality_record *rows, size_t n,
                              struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)&c->points, n + 1, sizeof *c->points, "the chart", err));
    for (size_t i = 0; i < n; i++)
        c->divergence = c->divergence || rows[i].kld_mean > 0;
    for (size_t i = 0; i < n; i++) {
        const struct qb_quality_record *r = &rows[i];
        if (!has_place(r, c->divergence))
            continue;
        double e = c->divergence ? r->kld_err : r->ppl_err;
        c->points[c->n++] = (struct point){.row = r,
                                           .x = r->bits_per_weight,
                                           .y = figure(r, c->divergence),
                                           .err = e == e ? e : 0,
                                           .kind = kind_of(r->variant)};
    }
    qsort(c->points, c->n, sizeof *c->points, by_size);
    thin_out(c);
    double best = INFINITY;
    for (size_t i = 0; i < c->n; i++) {
        c->points[i].best = c->points[i].y < best;
        best = fmin(best, c->points[i].y);
    }
    return QB_OK;
}

/* Ranges with room around the points, and where these lie in the picture. */
static void place(struct chart *c)
{
    c->x0 = c->y0 = INFINITY;
    c->x1 = c->y1 = -INFINITY;
    for (size_t i = 0; i < c->n; i++) {
        double y = drawn(c, c->points[i].y);
        c->x0 = fmin(c->x0, c->points[i].x);
        c->x1 = fmax(c->x1, c->points[i].x);
        c->y0 = fmin(c->y0, y);
        c->y1 = fmax(c->y1, y);
    }
    double dx = 0.07 * fmax(c->x1 - c->x0, 0.5), dy = 0.07 * fmax(c->y1 - c->y0, 0.1);
    c->x0 -= dx;
    c->x1 += dx;
    c->y0 -= dy;
    c->y1 += dy;
    for (size_t i = 0; i < c->n; i++) {
        struct point *p = &c->points[i];
        p->px = WIDTH * (LEFT + (RIGHT - LEFT) * (p->x - c->x0) / (c->x1 - c->x0));
        p->py = HEIGHT * (BOTTOM + (TOP - BOTTOM) * (drawn(c, p->y) - c->y0) / (c->y1 - c->y0));
    }
}

/* ---- labels ---- */

static double overlap(const struct box *a, const struct box *b)
{
    double w = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), h = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    return w > 0 && h > 0 ? w * h : 0;
}

/* Covered area of points, of labels placed before, and outside of the axes. */
static double cost_of(const struct chart *c, size_t i, const struct box *b)
{
    double cost = 0;
    for (size_t k = 0; k < c->n; k++) {
        const struct point *p = &c->points[k];
        struct box dot = {p->px - RADIUS, p->py - RADIUS, p->px + RADIUS, p->py + RADIUS};
        cost += 2 * overlap(b, &dot);
        if (k < i)
            cost += overlap(b, &p->label);
    }
    struct box inside = {WIDTH * LEFT, HEIGHT * BOTTOM, WIDTH * RIGHT, HEIGHT * TOP};
    return cost + (b->x1 - b->x0) * (b->y1 - b->y0) - overlap(b, &inside);
}

/* Beside, above and below, ever farther away, until the label covers nothing. */
static void place_label(struct chart *c, size_t i)
{
    static const struct {
        int side;
        double up;
    } ways[] = {{1, 0}, {-1, 0}, {1, 1}, {-1, -1}, {1, -1}, {-1, 1}, {0, 1}, {0, -1}};
    struct point *p = &c->points[i];
    double width = CHAR * (double)strlen(p->row->variant), least = INFINITY;
    for (int far = 0; far < 5; far++) {
        for (size_t w = 0; w < QB_ARRAY_LEN(ways); w++) {
            double gap = ways[w].side ? GAP + 6 * far : 0, up = ways[w].up * (LINE * (0.75 + 0.6 * far));
            double x = p->px + ways[w].side * gap, y = p->py + up;
            double x0 = ways[w].side == 1 ? x : ways[w].side == -1 ? x - width : x - width / 2;
            struct box b = {x0, y - LINE / 2, x0 + width, y + LINE / 2};
            double cost = cost_of(c, i, &b) + 0.5 * far + 0.05 * (double)w;
            if (cost >= least)
                continue;
            least = cost;
            p->label = b;
            p->side = ways[w].side;
        }
        if (least < 4)
            return;
    }
}

/* Into a string of the script: without what would end it. */
static void put_quoted(struct qb_buf *b, const char *s)
{
    for (; *s; s++)
        if (*s != '"' && *s != '\\' && *s != '\n' && *s != '`')
            qb_buf_putc(b, *s);
}

static void put_label(const struct point *p, struct qb_buf *b)
{
    static const char *const aligned[] = {"right", "center", "left"};
    double x = p->side == 1 ? p->label.x0 : p->side == -1 ? p->label.x1 : (p->label.x0 + p->label.x1) / 2;
    double y = (p->label.y0 + p->label.y1) / 2;
    qb_buf_puts(b, "set label \"");
    put_quoted(b, p->row->variant);
    qb_buf_printf(b, "\" at screen %.5f,%.5f %s font ',9' noenhanced textcolor rgb '%s'\n", x / WIDTH,
                  y / HEIGHT, aligned[p->side + 1], kinds[p->kind].colour);
    double to_x = fmin(fmax(p->px, p->label.x0), p->label.x1);
    double to_y = p->label.y0 > p->py ? p->label.y0 + 2 : p->label.y1 < p->py ? p->label.y1 - 2 : y;
    if (hypot(to_x - p->px, to_y - p->py) > LEADER)
        qb_buf_printf(
            b, "set arrow from screen %.5f,%.5f to screen %.5f,%.5f nohead back lc rgb '#c0c0c0' lw 0.8\n",
            p->px / WIDTH, p->py / HEIGHT, to_x / WIDTH, to_y / HEIGHT);
}

/* ---- data and script ---- */

static void put_data(const struct chart *c, struct qb_buf *b)
{
    for (int k = 0; k <= N_KINDS; k++) { /* the last block is the line of the best */
        qb_buf_printf(b, "# %s: bits per weight, %s, error, variant\n",
                      k < N_KINDS ? kinds[k].title : "the best of each size",
                      c->divergence ? "mean KL divergence" : "perplexity");
        bool any = false;
        for (size_t i = 0; i < c->n; i++) {
            const struct point *p = &c->points[i];
            if (k == N_KINDS ? !p->best : p->kind != k)
                continue;
            qb_buf_printf(b, "%.6g %.9g %.6g \"", p->x, p->y, p->err);
            put_quoted(b, p->row->variant);
            qb_buf_puts(b, "\"\n");
            any = true;
        }
        qb_buf_puts(b, any ? "\n\n" : "NaN NaN 0 \"\"\n\n\n");
    }
}

/* The file that all points come from; "" when there are several. */
static const char *common_source(const struct chart *c)
{
    const char *first = c->points[0].row->model_source ? c->points[0].row->model_source : "";
    for (size_t i = 1; i < c->n; i++)
        if (!c->points[i].row->model_source || strcmp(c->points[i].row->model_source, first) != 0)
            return "";
    const char *slash = strrchr(first, '/');
    return slash ? slash + 1 : first;
}

static void put_title(const struct chart *c, struct qb_buf *b)
{
    const struct qb_quality_record *r = c->points[0].row;
    const char *source = common_source(c);
    qb_buf_puts(b, "set title \"");
    put_quoted(b, source);
    qb_buf_printf(b, "%s%s, %lld chunks of %lld tokens%s\" font ',14' noenhanced offset 0,0.3\n",
                  source[0] ? ": " : "", c->divergence ? "KL divergence from the base" : "perplexity",
                  (long long)r->n_chunks, (long long)r->n_ctx, r->imatrix ? ", importance matrix" : "");
}

static bool has_kind(const struct chart *c, int kind)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->points[i].kind == kind)
            return true;
    return false;
}

static void put_plot(const struct chart *c, struct qb_buf *b)
{
    qb_buf_printf(b,
                  "plot 'quality.dat' index %d using 1:2 with lines lc rgb '#bbbbbb' lw 1.5 title 'best of "
                  "each size'",
                  N_KINDS);
    for (int k = 0; k < N_KINDS; k++)
        if (has_kind(c, k))
            qb_buf_printf(b,
                          ", \\\n     '' index %d using 1:2:3 with yerrorbars pt 7 ps 0.9 lw 1 lc rgb '%s' "
                          "title '%s'",
                          k, kinds[k].colour, kinds[k].title);
    qb_buf_puts(b, "\nunset output\n");
}

static void put_style(const struct chart *c, struct qb_buf *b)
{
    double y0 = c->divergence ? pow(10, c->y0) : c->y0, y1 = c->divergence ? pow(10, c->y1) : c->y1;
    qb_buf_printf(b,
                  "set encoding utf8\n"
                  "set lmargin at screen %g\nset rmargin at screen %g\n"
                  "set bmargin at screen %g\nset tmargin at screen %g\n"
                  "set border 3 lc rgb '#555555'\n"
                  "set tics nomirror out scale 0.5 textcolor rgb '#333333'\n"
                  "set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1\n"
                  "set key inside right top textcolor rgb '#333333' samplen 1.5 spacing 1.2\n"
                  "set xlabel 'bits per weight' textcolor rgb '#333333'\n"
                  "set xrange [%.6g:%.6g]\nset yrange [%.9g:%.9g]\n",
                  LEFT, RIGHT, BOTTOM, TOP, c->x0, c->x1, y0, y1);
    if (c->divergence)
        qb_buf_puts(b, "set logscale y\nset format y '%g'\nset mytics 10\n"
                       "set ylabel 'mean KL divergence, nats' textcolor rgb '#333333' offset 1,0\n");
    else
        qb_buf_puts(b, "set ylabel 'perplexity' textcolor rgb '#333333' offset 1,0\n");
}

static void put_script(const struct chart *c, struct qb_buf *b)
{
    qb_buf_puts(b, "# qbench quality chart; draw again with: gnuplot quality.gp\n");
    for (int picture = 0; picture < 2; picture++) {
        qb_buf_printf(
            b, "reset\nset terminal %s size %g,%g font 'Sans,10' noenhanced background rgb 'white'%s\n",
            picture == 0 ? "pngcairo" : "svg", WIDTH, HEIGHT, picture == 0 ? "" : " dynamic");
        qb_buf_printf(b, "set output 'quality.%s'\n", picture == 0 ? "png" : "svg");
        put_style(c, b);
        put_title(c, b);
        for (size_t i = 0; i < c->n; i++)
            put_label(&c->points[i], b);
        put_plot(c, b);
    }
}

static enum qb_status draw(struct chart *c, const char *dir, struct qb_err *err)
{
    struct qb_buf data, script;
    place(c);
    for (size_t i = 0; i < c->n; i++)
        place_label(c, i);
    qb_buf_init(&data, 0);
    qb_buf_init(&script, 0);
    put_data(c, &data);
    put_script(c, &script);
    enum qb_status st = qb_plot_draw(dir, "quality", &data, &script, err);
    qb_buf_release(&data);
    qb_buf_release(&script);
    return st;
}

enum qb_status qb_plot_quality(const char *dir, const struct qb_quality_record *rows, size_t n,
                               struct qb_err *err)
{
    struct chart c = {0};
    enum qb_status st = collect(&c, rows, n, err);
    if (!st && c.n < 2)
        st = qb_fail(err, QB_ERR_UNSUPPORTED, "fewer than two rows have a figure");
    if (!st)
        st = draw(&c, dir, err);
    free(c.points);
    return st;
}

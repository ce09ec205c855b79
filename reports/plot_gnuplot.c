/*
 * The speed chart.
 */
#include "reports/plot.h"
#include "base/buf.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL     128
#define MAX_TESTS 8 /* bars a variant in one panel; more are left out of the chart, not of the tables */

/* Bars of one panel: variants along the axis, one bar a test. */
struct panel {
    const char *title, *data; /* index prefix in the data file */
    bool generation;
    const char *tests[MAX_TESTS];
    int n_tests;
};

struct chart {
    const struct qb_record *rows;
    size_t n;
    char (*labels)[LABEL]; /* distinct variants in order */
    int n_labels;
    bool models, threads, isas, batches; /* do these vary? then labels say them */
    struct panel panels[2];
};

static bool has_speed(const struct qb_record *r)
{
    return r->avg_ts == r->avg_ts && r->test && r->variant && !(r->status && !strcmp(r->status, "failed"));
}

static bool differ(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

/* All files of one model differ in name, so compare what they are: parameters and architecture. */
static bool other_model(const struct qb_record *a, const struct qb_record *b)
{
    char x[LABEL], y[LABEL];
    if (a->model_n_params != b->model_n_params)
        return true;
    snprintf(x, sizeof x, "%.*s", a->model_type ? (int)strcspn(a->model_type, " ") : 0,
             a->model_type ? a->model_type : "");
    snprintf(y, sizeof y, "%.*s", b->model_type ? (int)strcspn(b->model_type, " ") : 0,
             b->model_type ? b->model_type : "");
    return strcmp(x, y) != 0;
}

static void find_varying(struct chart *c)
{
    const struct qb_record *a = NULL; /* the first row in the chart */
    for (size_t i = 0; i < c->n; i++) {
        const struct qb_record *b = &c->rows[i];
        if (!has_speed(b))
            continue;
        a = a ? a : b;
        c->models = c->models || other_model(a, b);
        c->threads = c->threads || a->n_threads != b->n_threads || a->threads_batch != b->threads_batch;
        c->isas = c->isas || differ(a->isa, b->isa);
        c->batches = c->batches || a->n_batch != b->n_batch || a->n_ubatch != b->n_ubatch ||
                     differ(a->type_k, b->type_k) || differ(a->type_v, b->type_v);
    }
}

static void label_of(const struct chart *c, const struct qb_record *r, char *out)
{
    char text[LABEL];
    if (c->models)
        qb_record_model_text(r, text, sizeof text);
    else
        snprintf(text, sizeof text, "%s", r->variant);
    int len = snprintf(out, LABEL, "%.60s", text);
    if (c->threads)
        len += snprintf(out + len, LABEL - (size_t)len, " %lldt", (long long)r->n_threads);
    if (c->isas)
        len += snprintf(out + len, LABEL - (size_t)len, " %.12s", r->isa ? r->isa : "");
    if (c->batches)
        snprintf(out + len, LABEL - (size_t)len, " %lld/%lld %.8s", (long long)r->n_batch,
                 (long long)r->n_ubatch, r->type_k ? r->type_k : "");
    for (char *p = out; *p; p++) /* it becomes a quoted string of the data file */
        if (*p == '"' || *p == '\\' || *p == '\n')
            *p = ' ';
}

static int find_label(const struct chart *c, const char *label)
{
    for (int i = 0; i < c->n_labels; i++)
        if (!strcmp(c->labels[i], label))
            return i;
    return -1;
}

static bool in_panel(const struct panel *p, const struct qb_record *r)
{
    return p->generation == (r->n_prompt == 0);
}

static void add_test(struct panel *p, const char *test)
{
    for (int i = 0; i < p->n_tests; i++)
        if (!strcmp(p->tests[i], test))
            return;
    if (p->n_tests < MAX_TESTS)
        p->tests[p->n_tests++] = test;
}

static enum qb_status collect(struct chart *c, struct qb_err *err)
{
    QB_TRY(qb_calloc((void **)&c->labels, c->n + 1, sizeof *c->labels, "the chart", err));
    find_varying(c);
    for (size_t i = 0; i < c->n; i++) {
        char label[LABEL];
        if (!has_speed(&c->rows[i]))
            continue;
        label_of(c, &c->rows[i], label);
        if (find_label(c, label) < 0)
            memcpy(c->labels[c->n_labels++], label, sizeof label);
        for (int p = 0; p < 2; p++)
            if (in_panel(&c->panels[p], &c->rows[i]))
                add_test(&c->panels[p], c->rows[i].test);
    }
    return QB_OK;
}

/* One block a test: x, rate, interval, percentage as text, variant. gnuplot's "index" counts blocks. */
static void put_block(const struct chart *c, const struct panel *p, int test, struct qb_buf *b)
{
    qb_buf_printf(b, "# %s: x, t/s, low, high, %% (vs Q4_0), variant\n", p->tests[test]);
    double width = 0.8 / p->n_tests, shift = (test - (p->n_tests - 1) / 2.0) * width;
    for (size_t i = 0; i < c->n; i++) {
        const struct qb_record *r = &c->rows[i];
        char label[LABEL], pct[32] = " ";
        if (!has_speed(r) || !in_panel(p, r) || strcmp(r->test, p->tests[test]) != 0)
            continue;
        label_of(c, r, label);
        double low = r->ci_low_ts == r->ci_low_ts ? r->ci_low_ts : r->avg_ts;
        double high = r->ci_high_ts == r->ci_high_ts ? r->ci_high_ts : r->avg_ts;
        if (r->vs_baseline == r->vs_baseline)
            snprintf(pct, sizeof pct, "%.0f %%", r->vs_baseline);
        qb_buf_printf(b, "%.4f %.6g %.6g %.6g \"%s\" \"%s\"\n", find_label(c, label) + shift, r->avg_ts, low,
                      high, pct, label);
    }
    qb_buf_puts(b, "\n\n");
}

static void put_data(const struct chart *c, struct qb_buf *b)
{
    for (int p = 0; p < 2; p++)
        for (int t = 0; t < c->panels[p].n_tests; t++)
            put_block(c, &c->panels[p], t, b);
}

static const char *const style =
    "set encoding utf8\n"
    "set style fill solid 1.0 noborder\n"
    "set border 3 lc rgb '#555555'\n"
    "set tics nomirror out scale 0.5 textcolor rgb '#333333'\n"
    "set grid ytics lc rgb '#dddddd' lt 1 lw 1\n"
    "set key outside right top vertical reverse Left samplen 1.2 spacing 1.3 textcolor rgb '#333333'\n"
    "set ylabel 't/s' textcolor rgb '#333333' offset 1,0\n"
    "set lmargin 10\nset rmargin 17\n";

static const char *const colours[2][MAX_TESTS] = {
    {"#08519c", "#3182bd", "#6baed6", "#9ecae1", "#54278f", "#756bb1", "#9e9ac8", "#cbc9e2"},
    {"#a63603", "#e6550d", "#fd8d3c", "#fdbe85", "#006d2c", "#31a354", "#74c476", "#bae4b3"},
};

static int bars(const struct chart *c)
{
    int most = 1;
    for (int p = 0; p < 2; p++)
        most = c->panels[p].n_tests > most ? c->panels[p].n_tests : most;
    return most * c->n_labels;
}

static void put_labels(const struct chart *c, struct qb_buf *b)
{
    size_t longest = 0;
    for (int i = 0; i < c->n_labels; i++)
        longest = strlen(c->labels[i]) > longest ? strlen(c->labels[i]) : longest;
    bool turn = c->n_labels > 8 || longest * (size_t)c->n_labels > 90;
    qb_buf_printf(b, "set bmargin %zu\n", turn ? 3 + longest / 2 : 3);
    qb_buf_printf(b, "set xtics %s (", turn ? "rotate by -40 left" : "norotate");
    for (int i = 0; i < c->n_labels; i++)
        qb_buf_printf(b, "%s\"%s\" %d", i ? ", " : "", c->labels[i], i);
    qb_buf_printf(b, ") noenhanced\nset xrange [-0.6:%.1f]\n", c->n_labels - 0.4);
}

static double highest(const struct chart *c, const struct panel *p)
{
    double high = 0;
    for (size_t i = 0; i < c->n; i++)
        if (has_speed(&c->rows[i]) && in_panel(p, &c->rows[i]))
            high = fmax(high, fmax(c->rows[i].avg_ts, c->rows[i].ci_high_ts));
    return high;
}

static void put_panel(const struct chart *c, int panel, int first_block, struct qb_buf *b)
{
    const struct panel *p = &c->panels[panel];
    bool upright = bars(c) > 18; /* too narrow for text side by side */
    double width = 0.8 / p->n_tests * 0.92;
    qb_buf_printf(b, "set title '%s' font ',12' textcolor rgb '#111111' offset 0,-0.3\n", p->title);
    qb_buf_printf(b, "set yrange [0:%.6g]\n", highest(c, p) * (upright ? 1.28 : 1.15));
    qb_buf_puts(b, "plot ");
    for (int t = 0; t < p->n_tests; t++)
        qb_buf_printf(b, "%s'speed.dat' index %d using 1:2:(%.4f) with boxes lc rgb '%s' title '%s'",
                      t ? ", \\\n     " : "", first_block + t, width, colours[panel][t], p->tests[t]);
    for (int t = 0; t < p->n_tests; t++)
        qb_buf_printf(b,
                      ", \\\n     '' index %d using 1:3:(0):($4-$3) with vectors nohead lc rgb '#222222' lw "
                      "1.5 notitle",
                      first_block + t);
    for (int t = 0; t < p->n_tests; t++)
        qb_buf_printf(
            b, ", \\\n     '' index %d using 1:4:5 with labels %s font ',8' textcolor rgb '#333333' notitle",
            first_block + t, upright ? "rotate by 90 left offset 0,0.4" : "offset 0,0.6");
    qb_buf_puts(b, "\n");
}

static void put_title(const struct chart *c, struct qb_buf *b)
{
    const struct qb_record *r = &c->rows[0];
    for (size_t i = 0; i < c->n && !has_speed(r); i++)
        r = &c->rows[i];
    char model[LABEL];
    qb_record_model_text(r, model, sizeof model);
    char *last = strrchr(model, ' ');
    if (last)
        *last = 0;
    qb_buf_puts(b, "set multiplot layout PANELS,1 title \"");
    struct qb_buf text;
    qb_buf_init(&text, 0);
    if (!c->models)
        qb_buf_printf(&text, "%s on ", model);
    qb_buf_puts(&text, r->cpu_info && r->cpu_info[0] ? r->cpu_info : "this machine");
    if (!c->threads && r->n_threads != QB_ABSENT_INT)
        qb_buf_printf(&text, ", %lld thread%s", (long long)r->n_threads, r->n_threads == 1 ? "" : "s");
    if (!c->isas && r->isa)
        qb_buf_printf(&text, ", %s", r->isa);
    for (const char *p = text.data; p && *p; p++)
        if (*p != '"' && *p != '\\')
            qb_buf_putc(b, *p);
    qb_buf_release(&text);
    qb_buf_puts(b, "\" font ',14' noenhanced\n");
}

static void put_script(const struct chart *c, struct qb_buf *b)
{
    int n_panels = (c->panels[0].n_tests > 0) + (c->panels[1].n_tests > 0);
    int width = 260 + bars(c) * 30;
    width = width < 900 ? 900 : width > 3200 ? 3200 : width;
    int height = 90 + 380 * n_panels;
    qb_buf_puts(b, "# qbench speed chart; draw again with: gnuplot speed.gp\n"
                   "# Bars: mean t/s; lines: 95 % interval; figures: percent of plain Q4_0.\n");
    for (int picture = 0; picture < 2; picture++) {
        qb_buf_printf(b, "reset\nPANELS = %d\n", n_panels);
        if (picture == 0)
            qb_buf_printf(
                b, "set terminal pngcairo size %d,%d font 'Sans,10' noenhanced background rgb 'white'\n",
                width, height);
        else
            qb_buf_printf(
                b, "set terminal svg size %d,%d font 'Sans,10' noenhanced background rgb 'white' dynamic\n",
                width, height);
        qb_buf_printf(b, "set output 'speed.%s'\n%s", picture == 0 ? "png" : "svg", style);
        put_labels(c, b);
        put_title(c, b);
        int block = 0;
        for (int p = 0; p < 2; p++) {
            if (c->panels[p].n_tests)
                put_panel(c, p, block, b);
            block += c->panels[p].n_tests;
        }
        qb_buf_puts(b, "unset multiplot\nunset output\n");
    }
}

static enum qb_status draw(const struct chart *c, const char *dir, struct qb_err *err)
{
    struct qb_buf data, script;
    qb_buf_init(&data, 0);
    qb_buf_init(&script, 0);
    put_data(c, &data);
    put_script(c, &script);
    enum qb_status st = qb_plot_draw(dir, "speed", &data, &script, err);
    qb_buf_release(&data);
    qb_buf_release(&script);
    return st;
}

enum qb_status qb_plot_speed(const char *dir, const struct qb_record *rows, size_t n, struct qb_err *err)
{
    struct chart c = {
        .rows = rows, .n = n, .panels = {{.title = "Prompt processing"}, {.title = "Token generation"}}};
    c.panels[1].generation = true;
    enum qb_status st = collect(&c, err);
    if (!st && c.n_labels == 0)
        st = qb_fail(err, QB_ERR_UNSUPPORTED, "no row has a speed");
    if (!st)
        st = draw(&c, dir, err);
    free(c.labels);
    return st;
}

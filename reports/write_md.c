/*
 * A Markdown table. Text is left-aligned, numbers right-aligned (llama-bench: dashes with a trailing colon).
 * Rows are held until the end so that columns fit their widest cell; a `|` inside a cell is escaped.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "reports/table.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct md_state {
    char **cells; /* n_columns a row, the header first */
    size_t n, cap;
};

static void put_text(struct qb_buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '|')
            qb_buf_putc(b, '\\');
        qb_buf_putc(b, *s == '\n' ? ' ' : *s);
    }
}

static void put_list(struct qb_buf *b, const struct qb_value *v)
{
    for (size_t i = 0; i < v->n; i++)
        qb_buf_printf(b, "%s%.*f", i ? " " : "", v->whole ? 0 : 2, v->list[i]);
}

static void put_cell(struct qb_buf *b, const struct qb_column *c, const struct qb_value *v)
{
    switch (v->kind) {
    case QB_VALUE_TEXT:
        put_text(b, v->text);
        break;
    case QB_VALUE_INT:
        qb_buf_printf(b, "%" PRId64, v->i);
        break;
    case QB_VALUE_BOOL:
        qb_buf_puts(b, v->i ? "yes" : "no");
        break;
    case QB_VALUE_REAL:
        qb_buf_printf(b, "%.*f", c->decimals, v->real);
        break;
    case QB_VALUE_LIST:
        put_list(b, v);
        break;
    default:
        qb_buf_puts(b, "-");
    }
}

static enum qb_status keep(struct md_state *s, const struct qb_buf *b, struct qb_err *err)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        char **cells = realloc(s->cells, cap * sizeof *cells);
        if (!cells)
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the table");
        s->cells = cells;
        s->cap = cap;
    }
    QB_TRY(qb_strdup(&s->cells[s->n], b->data ? b->data : "", err));
    s->n++;
    return QB_OK;
}

static enum qb_status begin(struct qb_writer *w, struct qb_err *err)
{
    struct md_state *s = calloc(1, sizeof *s);
    if (!s)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the table");
    w->state = s;
    for (size_t i = 0; i < w->n_columns; i++) {
        struct qb_buf b;
        qb_buf_init(&b, 0);
        put_text(&b, w->columns[i].name);
        enum qb_status st = keep(s, &b, err);
        qb_buf_release(&b);
        if (st)
            return st;
    }
    return QB_OK;
}

static enum qb_status row(struct qb_writer *w, const struct qb_value *values, struct qb_err *err)
{
    for (size_t i = 0; i < w->n_columns; i++) {
        struct qb_buf b;
        qb_buf_init(&b, 0);
        put_cell(&b, &w->columns[i], &values[i]);
        enum qb_status st = qb_buf_status(&b, "a table cell", err);
        if (!st)
            st = keep(w->state, &b, err);
        qb_buf_release(&b);
        if (st)
            return st;
    }
    return QB_OK;
}

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static bool right_aligned(const struct qb_column *c)
{
    return c->kind != QB_VALUE_TEXT;
}

static void print_row(const struct qb_writer *w, char *const *cells, const size_t *widths)
{
    for (size_t c = 0; c < w->n_columns; c++) {
        int pad = (int)(widths[c] - width(cells[c]));
        if (right_aligned(&w->columns[c]))
            fprintf(w->out, "| %*s%s ", pad, "", cells[c]);
        else
            fprintf(w->out, "| %s%*s ", cells[c], pad, "");
    }
    fputs("|\n", w->out);
}

static void print_rule(const struct qb_writer *w, const size_t *widths)
{
    for (size_t c = 0; c < w->n_columns; c++) {
        fputs("| ", w->out);
        bool right = right_aligned(&w->columns[c]);
        for (size_t i = 0; i + right < widths[c]; i++)
            putc('-', w->out);
        fputs(right ? ": " : " ", w->out);
    }
    fputs("|\n", w->out);
}

static enum qb_status print_all(struct qb_writer *w, const struct md_state *s, struct qb_err *err)
{
    size_t *widths = calloc(w->n_columns, sizeof *widths);
    if (!widths)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the table");
    for (size_t c = 0; c < w->n_columns; c++)
        widths[c] = (size_t)w->columns[c].width;
    for (size_t i = 0; i < s->n; i++) {
        size_t len = width(s->cells[i]), *col = &widths[i % w->n_columns];
        *col = len > *col ? len : *col;
    }
    print_row(w, s->cells, widths);
    print_rule(w, widths);
    for (size_t i = w->n_columns; i < s->n; i += w->n_columns)
        print_row(w, s->cells + i, widths);
    free(widths);
    return qb_stream_check(w->out, "the output", err);
}

static enum qb_status end(struct qb_writer *w, struct qb_err *err)
{
    struct md_state *s = w->state;
    if (!s)
        return QB_OK;
    bool whole = s->n >= w->n_columns && s->n % w->n_columns == 0;
    enum qb_status st = whole ? print_all(w, s, err) : QB_OK;
    for (size_t i = 0; i < s->n; i++)
        free(s->cells[i]);
    free(s->cells);
    free(s);
    w->state = NULL;
    return st;
}

extern const struct qb_writer_ops qb_writer_md;
const struct qb_writer_ops qb_writer_md = {.name = "md", .begin = begin, .row = row, .end = end};

/*
 * --help text of an option table: two columns, 80 wide.
 */
#include "base/options.h"

#include <string.h>

enum { TEXT_COLUMN = 30, WIDTH = 80 };

/* "  -t, --threads N"; returns its length. */
static size_t put_names(const struct qb_option *o, struct qb_buf *out)
{
    size_t start = out->len;
    bool negatable = o->kind == QB_OPT_FLAG && o->default_text && strcmp(o->default_text, "0") != 0;
    if (o->short_name)
        qb_buf_printf(out, "  -%s%s", o->short_name, o->name ? ", " : "");
    else
        qb_buf_puts(out, "      ");
    if (o->name)
        qb_buf_printf(out, "--%s%s", negatable ? "[no-]" : "", o->name);
    if (o->kind != QB_OPT_FLAG)
        qb_buf_printf(out, " %s", o->value_name ? o->value_name : "VALUE");
    return out->len - start;
}

static void pad_to(struct qb_buf *out, size_t column, size_t *at)
{
    for (; *at < column; ++*at)
        qb_buf_putc(out, ' ');
}

/* Words of text from TEXT_COLUMN on, broken at WIDTH. */
static void put_wrapped(struct qb_buf *out, const char *text, size_t *at)
{
    while (*text) {
        size_t word = strcspn(text, " ");
        bool first = *at <= TEXT_COLUMN;
        if (!first && *at + 1 + word > WIDTH) {
            qb_buf_putc(out, '\n');
            *at = 0;
            first = true;
        }
        if (first)
            pad_to(out, TEXT_COLUMN, at);
        else
            qb_buf_putc(out, ' ');
        qb_buf_append(out, text, word);
        *at += word + !first;
        text += word;
        text += strspn(text, " ");
    }
}

void qb_option_describe(const struct qb_option *o, struct qb_buf *out)
{
    bool has_default = o->default_text && *o->default_text && o->kind != QB_OPT_FLAG;
    size_t len = strlen(o->help);
    /* what is appended belongs to the sentence */
    if ((has_default || o->kind == QB_OPT_CHOICE) && len && o->help[len - 1] == '.')
        len--;
    qb_buf_append(out, o->help, len);
    if (o->kind == QB_OPT_CHOICE) {
        qb_buf_puts(out, ":");
        for (int i = 0; o->choices[i]; i++)
            qb_buf_printf(out, "%s %s", i ? "," : "", o->choices[i]);
    }
    if (has_default)
        qb_buf_printf(out, " (default: %s)", o->default_text);
}

static void put_description(const struct qb_option *o, struct qb_buf *out, size_t at)
{
    struct qb_buf text;
    qb_buf_init(&text, 4096);
    qb_option_describe(o, &text);
    if (at + 2 > TEXT_COLUMN) {
        qb_buf_putc(out, '\n');
        at = 0;
    }
    put_wrapped(out, text.data, &at);
    qb_buf_putc(out, '\n');
    qb_buf_release(&text);
}

void qb_options_help(const struct qb_option *options, size_t n, struct qb_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct qb_option *o = &options[i];
        if (o->kind == QB_OPT_HEADING)
            qb_buf_printf(out, "%s%s:\n", out->len ? "\n" : "", o->help ? o->help : o->name);
        else if (o->help)
            put_description(o, out, put_names(o, out));
    }
}

/*
 * qbench tokenize: the tokens of a text.
 */
#include "bench/commands.h"
#include "bench/prompt.h"
#include "engine/utf8.h"
#include "reports/table.h"
#include <stddef.h>

struct target {
    struct qb_prompt_options prompt;
    int output;
    bool ids;
};

static const struct qb_option options[] = {
    {"model", "m", QB_OPT_STRING, offsetof(struct target, prompt.model), "FILE",
     "GGUF file whose vocabulary is used.", NULL, 0, 0, NULL},
    {"prompt", "p", QB_OPT_STRING, offsetof(struct target, prompt.text), "TEXT", "The text.", NULL, 0, 0,
     NULL},
    {"file", "f", QB_OPT_STRING, offsetof(struct target, prompt.file), "FILE", "Read the text from a file.",
     NULL, 0, 0, NULL},
    {"parse-special", NULL, QB_OPT_FLAG, offsetof(struct target, prompt.parse_special), NULL,
     "The text of a special token becomes that token.", "yes", 0, 0, NULL},
    {"add-special", NULL, QB_OPT_FLAG, offsetof(struct target, prompt.add_special), NULL,
     "Add the tokens of beginning and end that the model asks for.", "yes", 0, 0, NULL},
    {"ids", NULL, QB_OPT_FLAG, offsetof(struct target, ids), NULL, "Print only the ids, in one line.", NULL,
     0, 0, NULL},
    {"output", "o", QB_OPT_CHOICE, offsetof(struct target, output), "FORM", "Form of the table.", "md", 0, 0,
     qb_table_forms},
};

static const char *const type_names[] = {"undefined",    "normal", "unknown", "control",
                                         "user defined", "unused", "byte"};

/* One line of valid UTF-8: control characters as \n, \x07; what is no character on its own as U+FFFD. */
static void put_readable(struct qb_buf *out, const struct qb_buf *s)
{
    qb_buf_clear(out);
    for (size_t i = 0; i < s->len;) {
        uint32_t cp = 0;
        size_t n = qb_utf8_char(s->data + i, s->len - i, &cp);
        if (n == 0)
            qb_buf_puts(out, "\xef\xbf\xbd");
        else if (cp == '\n')
            qb_buf_puts(out, "\\n");
        else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            qb_buf_printf(out, "\\x%02x", cp);
        else
            qb_buf_append(out, s->data + i, n);
        i += n ? n : 1;
    }
}

struct columns {
    struct qb_buf piece, readable, hex;
};

static enum qb_status row(struct qb_writer *w, const struct qb_prompt *p, size_t i, struct columns *c,
                          struct qb_err *err)
{
    int32_t id = p->tokens.ids[i];
    qb_buf_clear(&c->piece);
    qb_buf_clear(&c->hex);
    qb_tokenizer_piece(p->tokenizer, id, true, &c->piece);
    put_readable(&c->readable, &c->piece);
    for (size_t k = 0; k < c->piece.len; k++)
        qb_buf_printf(&c->hex, "%02x", (unsigned char)c->piece.data[k]);
    QB_TRY(qb_buf_status(&c->piece, "a token", err));
    QB_TRY(qb_buf_status(&c->readable, "a token", err));
    QB_TRY(qb_buf_status(&c->hex, "a token", err));
    struct qb_value values[] = {qb_int((int64_t)i), qb_int(id),
                                qb_text(type_names[qb_tokenizer_type(p->tokenizer, id)]),
                                qb_text(c->readable.data), qb_text(c->hex.data)};
    return qb_writer_row(w, values, err);
}

static enum qb_status print_table(const struct target *t, const struct qb_prompt *p, FILE *out,
                                  struct qb_err *err)
{
    static const struct qb_column columns[] = {{"index", QB_VALUE_INT, 0, 0},
                                               {"id", QB_VALUE_INT, 0, 0},
                                               {"type", QB_VALUE_TEXT, 0, 0},
                                               {"text", QB_VALUE_TEXT, 0, 0},
                                               {"bytes", QB_VALUE_TEXT, 0, 0}};
    struct columns c;
    struct qb_writer w;
    qb_buf_init(&c.piece, 0);
    qb_buf_init(&c.readable, 0);
    qb_buf_init(&c.hex, 0);
    enum qb_status st =
        qb_writer_begin(&w, (enum qb_writer_id)t->output, out, "tokens", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < p->tokens.n && !st; i++)
        st = row(&w, p, i, &c, err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    qb_buf_release(&c.piece);
    qb_buf_release(&c.readable);
    qb_buf_release(&c.hex);
    return st ? st : end;
}

static void print_ids(const struct qb_prompt *p, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; i < p->tokens.n; i++)
        fprintf(out, "%s%d", i ? ", " : "", p->tokens.ids[i]);
    fputs("]\n", out);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    const struct target *t = target;
    struct qb_prompt p;
    enum qb_status st = qb_prompt_init(&p, &t->prompt, err);
    if (st)
        return st;
    if (t->ids)
        print_ids(&p, out);
    else
        st = print_table(t, &p, out, err);
    qb_prompt_release(&p);
    return st;
}

const struct qb_command qb_cmd_tokenize = {
    .name = "tokenize",
    .summary = "show the tokens of a text",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};

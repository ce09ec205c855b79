/*
 * Token ids to text, at once or as they come.
 */
#include "engine/tok_vocab.h"
#include "engine/utf8.h"

#include <string.h>

/* Back from the alphabet of byte-level vocabularies; a character outside of it stays as it is. */
static void put_bytes(struct qb_gguf_str s, struct qb_buf *out)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t cp = 0;
        size_t n = qb_utf8_char(s.s + i, s.len - i, &cp);
        int byte = n ? qb_tok_byte_of(cp) : -1;
        n = n ? n : 1;
        if (byte >= 0)
            qb_buf_putc(out, (char)byte);
        else
            qb_buf_append(out, s.s + i, n);
        i += n;
    }
}

static void put_spaces(struct qb_gguf_str s, struct qb_buf *out)
{
    while (s.len > 0) {
        const char *space = memmem(s.s, s.len, QB_TOK_SPACE, QB_TOK_SPACE_LEN);
        size_t n = space ? (size_t)(space - s.s) : s.len;
        qb_buf_append(out, s.s, n);
        if (space) {
            qb_buf_putc(out, ' ');
            n += QB_TOK_SPACE_LEN;
        }
        s = (struct qb_gguf_str){s.s + n, s.len - n};
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0xE2>" */
static void put_byte_token(struct qb_gguf_str s, struct qb_buf *out)
{
    int high = -1, low = -1;
    if (s.len == 6 && memcmp(s.s, "<0x", 3) == 0 && s.s[5] == '>') {
        high = hex_digit(s.s[3]);
        low = hex_digit(s.s[4]);
    }
    if (high >= 0 && low >= 0)
        qb_buf_putc(out, (char)(16 * high + low));
    else
        qb_buf_append(out, s.s, s.len);
}

void qb_tokenizer_piece(const struct qb_tokenizer *t, int32_t id, bool special, struct qb_buf *out)
{
    struct qb_gguf_str s = qb_tokenizer_text(t, id);
    switch (qb_tokenizer_type(t, id)) {
    case QB_TOKEN_NORMAL:
        if (t->model == QB_TOK_BPE)
            put_bytes(s, out);
        else
            put_spaces(s, out);
        break;
    case QB_TOKEN_BYTE:
        put_byte_token(s, out);
        break;
    case QB_TOKEN_USER_DEFINED:
        qb_buf_append(out, s.s, s.len);
        break;
    case QB_TOKEN_CONTROL:
    case QB_TOKEN_UNKNOWN:
        if (special)
            qb_buf_append(out, s.s, s.len);
        break;
    case QB_TOKEN_UNUSED:
    case QB_TOKEN_UNDEFINED:
        break;
    }
}

void qb_token_stream_init(struct qb_token_stream *s, const struct qb_tokenizer *t, bool special,
                          bool at_start)
{
    *s = (struct qb_token_stream){.t = t, .special = special, .drop_space = at_start && t->add_space_prefix};
}

/* Could these bytes be the beginning of a character? */
static bool is_incomplete(const char *s, size_t len)
{
    static const struct {
        unsigned char low, high;
        size_t n;
    } leads[] = {{0xc2, 0xdf, 2}, {0xe0, 0xef, 3}, {0xf0, 0xf4, 4}};
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < QB_ARRAY_LEN(leads); i++)
        if (p[0] >= leads[i].low && p[0] <= leads[i].high && len < leads[i].n) {
            for (size_t k = 1; k < len; k++)
                if ((p[k] & 0xc0) != 0x80)
                    return false;
            return true;
        }
    return false;
}

/* Move the beginning of a character at the end of the buffer into the stream. */
static void hold_back(struct qb_token_stream *s, struct qb_buf *out, size_t from)
{
    for (size_t n = out->len - from < 3 ? out->len - from : 3; n > 0; n--) {
        if (!is_incomplete(out->data + out->len - n, n))
            continue;
        memcpy(s->held, out->data + out->len - n, n);
        s->n_held = n;
        out->len -= n;
        out->data[out->len] = '\0';
        return;
    }
}

void qb_token_stream_push(struct qb_token_stream *s, int32_t id, struct qb_buf *out)
{
    size_t from = out->len;
    qb_token_stream_end(s, out);
    size_t begin = out->len;
    qb_tokenizer_piece(s->t, id, s->special, out);
    if (out->failed || out->len == from)
        return;
    enum qb_token_type type = qb_tokenizer_type(s->t, id);
    if (out->len > begin && type != QB_TOKEN_CONTROL) {
        /* a user-defined token was cut out of the text before a space was put in front */
        if (s->drop_space && type == QB_TOKEN_NORMAL && out->data[begin] == ' ') {
            memmove(out->data + begin, out->data + begin + 1, out->len - begin);
            out->len--;
        }
        s->drop_space = false;
    }
    hold_back(s, out, from);
}

void qb_token_stream_end(struct qb_token_stream *s, struct qb_buf *out)
{
    qb_buf_append(out, s->held, s->n_held);
    s->n_held = 0;
}

void qb_tokenizer_decode(const struct qb_tokenizer *t, const int32_t *ids, size_t n, bool special,
                         struct qb_buf *out)
{
    struct qb_token_stream s;
    qb_token_stream_init(&s, t, special, true);
    for (size_t i = 0; i < n && !out->failed; i++)
        qb_token_stream_push(&s, ids[i], out);
    qb_token_stream_end(&s, out);
}

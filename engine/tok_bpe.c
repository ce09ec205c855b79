/*
 * Byte-level BPE (Radford et al. 2019; Sennrich et al. 2016): words of bytes, each byte spelled as a
 * printable character; the pair that comes first in the list of merges is merged first.
 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/tok_vocab.h"
#include "engine/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that stand for themselves; the other 68 become U+0100, U+0101, ... in rising order. */
static bool stands_for_itself(uint32_t b)
{
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
}

int qb_tok_byte_of(uint32_t cp)
{
    if (cp < 0x100)
        return stands_for_itself(cp) ? (int)cp : -1;
    cp -= 0x100;
    if (cp <= 0x20)
        return (int)cp;
    if (cp <= 0x20 + 0x22)
        return (int)(0x7f + cp - 0x21);
    return cp == 0x43 ? 0xad : -1;
}

/* All code points of the alphabet are below U+0800: one or two bytes of UTF-8. */
static size_t spell(uint8_t byte, char out[2])
{
    uint32_t cp = byte;
    if (!stands_for_itself(byte))
        cp = 0x100 + (byte <= 0x20 ? byte : byte <= 0xa0 ? byte - 0x7fu + 0x21 : 0x43u);
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
}

/* ---- merges ---- */

static size_t merge_slot(const struct qb_tokenizer *t, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t mask = t->n_merge_slots - 1;
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (t->merges[i].left >= 0 && (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & mask;
    return i;
}

/* "LEFT RIGHT": the first space from the second byte on is between them. False: not of that form. */
static bool cut_merge(struct qb_gguf_str s, struct qb_gguf_str *left, struct qb_gguf_str *right)
{
    const char *space = s.len > 1 ? memchr(s.s + 1, ' ', s.len - 1) : NULL;
    if (!space || space + 1 == s.s + s.len)
        return false;
    *left = (struct qb_gguf_str){s.s, (size_t)(space - s.s)};
    *right = (struct qb_gguf_str){space + 1, s.len - left->len - 1};
    return true;
}

static enum qb_status add_merge(struct qb_tokenizer *t, struct qb_gguf_str s, int32_t rank,
                                struct qb_buf *joined, struct qb_err *err)
{
    struct qb_gguf_str left, right;
    struct qb_tok_merge m = {.rank = rank};
    if (!cut_merge(s, &left, &right))
        return QB_OK; /* can never apply */
    qb_buf_clear(joined);
    qb_buf_append(joined, left.s, left.len);
    qb_buf_append(joined, right.s, right.len);
    QB_TRY(qb_buf_status(joined, "a merge", err));
    QB_TRY(qb_tok_intern(t, left.s, left.len, &m.left, err));
    QB_TRY(qb_tok_intern(t, right.s, right.len, &m.right, err));
    QB_TRY(qb_tok_intern(t, joined->data, joined->len, &m.result, err));
    size_t at = merge_slot(t, m.left, m.right);
    if (t->merges[at].left < 0) /* of equal merges the first counts */
        t->merges[at] = m;
    return QB_OK;
}

static enum qb_status read_merges(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, "tokenizer.ggml.merges");
    if (!kv || kv->type != QB_GGUF_ARRAY || kv->elem_type != QB_GGUF_STRING || kv->n >= INT32_MAX / 4)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': 'tokenizer.ggml.merges' is no list of texts",
                       qb_gguf_path(g));
    t->n_merge_slots = 16;
    while (t->n_merge_slots < 2 * kv->n)
        t->n_merge_slots *= 2;
    QB_TRY(qb_calloc((void **)&t->merges, t->n_merge_slots, sizeof *t->merges, "the merges", err));
    memset(t->merges, 0xff, t->n_merge_slots * sizeof *t->merges);
    struct qb_buf joined;
    struct qb_gguf_str s;
    size_t pos = 0;
    enum qb_status st = QB_OK;
    qb_buf_init(&joined, 0);
    for (int32_t rank = 0; !st && qb_gguf_array_next_str(kv, &pos, &s); rank++)
        st = add_merge(t, s, rank, &joined, err);
    qb_buf_release(&joined);
    return st;
}

static enum qb_status read_pretok(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    struct qb_gguf_str name = {"", 0};
    qb_gguf_get_str(g, "tokenizer.ggml.pre", &name);
    const struct qb_pretok_row *row = qb_pretok_find(name.s, name.len);
    if (!row) {
        if (name.len > 0)
            qb_warn("'%s': unknown pre-tokenizer '%.*s': using 'default'", qb_gguf_path(g),
                    (int)(name.len < 64 ? name.len : 64), name.s);
        row = qb_pretok_find("default", 7);
    }
    t->add_bos = row->add_bos;
    t->ignore_merges = row->ignore_merges;
    return qb_pretok_create(&t->pretok, row, err);
}

enum qb_status qb_tok_bpe_read(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    for (int b = 0; b < 256; b++) {
        char s[2];
        size_t len = spell((uint8_t)b, s);
        QB_TRY(qb_tok_intern(t, s, len, &t->bytes[b], err));
    }
    QB_TRY(read_merges(t, g, err));
    return read_pretok(t, g, err);
}

/* ---- encoding ---- */

static bool join(const struct qb_tokenizer *t, const char *text, const struct qb_tok_symbol *a,
                 const struct qb_tok_symbol *b, double *cost, int32_t *id)
{
    (void)text;
    const struct qb_tok_merge *m = &t->merges[merge_slot(t, a->id, b->id)];
    *cost = m->rank;
    *id = m->result;
    return m->left >= 0;
}

/* A symbol that is no token gives those bytes of its spelling that are tokens. */
static enum qb_status emit(const struct qb_tokenizer *t, int32_t symbol, struct qb_token_list *out,
                           struct qb_err *err)
{
    if (symbol < t->n_tokens)
        return qb_token_list_add(out, symbol, err);
    struct qb_gguf_str s = qb_tok_text_of(t, symbol);
    for (size_t i = 0; i < s.len; i++) {
        int32_t id = qb_tok_find(t, s.s + i, 1);
        if (id >= 0 && id < t->n_tokens)
            QB_TRY(qb_token_list_add(out, id, err));
    }
    return QB_OK;
}

struct bpe {
    const struct qb_tokenizer *t;
    struct qb_tok_scratch *scratch;
    struct qb_token_list *out;
    struct qb_buf spelled;
};

/* The token that is the whole word, -1 when there is none. */
static int32_t whole_word(struct bpe *x, const char *word, size_t len)
{
    qb_buf_clear(&x->spelled);
    for (size_t i = 0; i < len; i++) {
        char s[2];
        qb_buf_append(&x->spelled, s, spell((uint8_t)word[i], s));
    }
    int32_t id = x->spelled.failed ? -1 : qb_tok_find(x->t, x->spelled.data, x->spelled.len);
    return id < x->t->n_tokens ? id : -1;
}

static enum qb_status encode_word(void *arg, const char *word, size_t len, struct qb_err *err)
{
    struct bpe *x = arg;
    struct qb_tok_scratch *s = x->scratch;
    if (x->t->ignore_merges) {
        int32_t id = whole_word(x, word, len);
        QB_TRY(qb_buf_status(&x->spelled, "a word", err));
        if (id >= 0)
            return qb_token_list_add(x->out, id, err);
    }
    QB_TRY(qb_tok_scratch_reserve(s, len, err));
    for (size_t i = 0; i < len; i++)
        qb_tok_scratch_push(s, (uint32_t)i, 1, x->t->bytes[(unsigned char)word[i]]);
    qb_tok_merge(x->t, word, s, join);
    for (int32_t i = 0; i >= 0; i = s->symbols[i].next)
        QB_TRY(emit(x->t, s->symbols[i].id, x->out, err));
    return QB_OK;
}

enum qb_status qb_tok_bpe_encode(const struct qb_tokenizer *t, const char *s, size_t len,
                                 struct qb_tok_scratch *scratch, struct qb_token_list *out,
                                 struct qb_err *err)
{
    struct bpe x = {.t = t, .scratch = scratch, .out = out};
    qb_buf_init(&x.spelled, 0);
    enum qb_status st = qb_pretok_split(t->pretok, s, len, encode_word, &x, err);
    qb_buf_release(&x.spelled);
    return st;
}

/*
 * Score-based vocabularies (SentencePiece's BPE): spaces are U+2581, the pair whose text is the token with
 * the best score is merged first, and what is no token falls back to bytes "<0xXX>".
 */
#include "base/mem.h"
#include "engine/tok_vocab.h"
#include "engine/utf8.h"

#include <math.h>
#include <string.h>

static enum qb_status read_scores(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, "tokenizer.ggml.scores");
    QB_TRY(qb_calloc((void **)&t->scores, (size_t)t->n_tokens, sizeof *t->scores, "the vocabulary", err));
    if (!kv || kv->type != QB_GGUF_ARRAY || kv->n < (uint64_t)t->n_tokens)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': 'tokenizer.ggml.scores' does not have one for each of %d tokens",
                       qb_gguf_path(g), t->n_tokens);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        double score;
        if (!qb_gguf_array_f64(kv, (uint64_t)i, &score))
            return qb_fail(err, QB_ERR_FORMAT, "'%s': 'tokenizer.ggml.scores' are no numbers",
                           qb_gguf_path(g));
        t->scores[i] = isnan(score) ? -INFINITY : (float)score; /* a NaN has no place in an order */
    }
    return QB_OK;
}

/* Does s have a U+2581 after another character? */
static bool goes_into_next_word(struct qb_gguf_str s)
{
    size_t i = 0;
    while (i + QB_TOK_SPACE_LEN <= s.len && memcmp(s.s + i, QB_TOK_SPACE, QB_TOK_SPACE_LEN) == 0)
        i += QB_TOK_SPACE_LEN;
    return memmem(s.s + i, s.len - i, QB_TOK_SPACE, QB_TOK_SPACE_LEN) != NULL;
}

enum qb_status qb_tok_spm_read(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    static const char digits[] = "0123456789ABCDEF";
    QB_TRY(read_scores(t, g, err));
    t->words_apart = true;
    for (int32_t i = 0; i < t->n_tokens; i++) {
        struct qb_gguf_str s = qb_tok_text_of(t, i);
        t->max_len = s.len > t->max_len ? (uint32_t)s.len : t->max_len;
        t->words_apart = t->words_apart && !goes_into_next_word(s);
    }
    for (int b = 0; b < 256; b++) {
        const char name[] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
        const char one = (char)b;
        t->bytes[b] = qb_tok_find(t, name, sizeof name);
        if (t->bytes[b] < 0)
            t->bytes[b] = qb_tok_find(t, &one, 1);
        if (t->bytes[b] < 0)
            t->bytes[b] = t->special.unknown;
    }
    return QB_OK;
}

static bool join(const struct qb_tokenizer *t, const char *text, const struct qb_tok_symbol *a,
                 const struct qb_tok_symbol *b, double *cost, int32_t *id)
{
    uint32_t len = a->len + b->len;
    *id = len <= t->max_len ? qb_tok_find(t, text + a->start, len) : -1;
    if (*id < 0)
        return false;
    *cost = -(double)t->scores[*id];
    return true;
}

static enum qb_status emit(const struct qb_tokenizer *t, const char *text, const struct qb_tok_symbol *s,
                           struct qb_token_list *out, struct qb_err *err)
{
    int32_t id = s->id >= 0 ? s->id : qb_tok_find(t, text + s->start, s->len);
    if (id >= 0)
        return qb_token_list_add(out, id, err);
    for (uint32_t i = 0; i < s->len; i++) {
        id = t->bytes[(unsigned char)text[s->start + i]];
        if (id >= 0)
            QB_TRY(qb_token_list_add(out, id, err));
    }
    return QB_OK;
}

static enum qb_status encode_piece(const struct qb_tokenizer *t, const char *text, size_t len,
                                   struct qb_tok_scratch *scratch, struct qb_token_list *out,
                                   struct qb_err *err)
{
    QB_TRY(qb_tok_scratch_reserve(scratch, len, err));
    for (size_t i = 0; i < len;) {
        size_t n = qb_utf8_char(text + i, len - i, NULL);
        n = n ? n : 1;
        qb_tok_scratch_push(scratch, (uint32_t)i, (uint32_t)n, -1);
        i += n;
    }
    qb_tok_merge(t, text, scratch, join);
    for (int32_t i = 0; i >= 0; i = scratch->symbols[i].next)
        QB_TRY(emit(t, text, &scratch->symbols[i], out, err));
    return QB_OK;
}

/* Where the word at the start ends: before the first U+2581 that follows another character. */
static size_t word_len(const char *s, size_t len)
{
    bool inside = false;
    for (size_t i = 0; i < len;) {
        bool space = len - i >= QB_TOK_SPACE_LEN && memcmp(s + i, QB_TOK_SPACE, QB_TOK_SPACE_LEN) == 0;
        if (space && inside)
            return i;
        inside = inside || !space;
        i += space ? QB_TOK_SPACE_LEN : 1;
    }
    return len;
}

static void escape(struct qb_buf *b, const char *s, size_t len, bool add_space)
{
    if (add_space)
        qb_buf_puts(b, QB_TOK_SPACE);
    for (size_t i = 0; i < len;) {
        const char *space = memchr(s + i, ' ', len - i);
        size_t n = space ? (size_t)(space - s) - i : len - i;
        qb_buf_append(b, s + i, n);
        i += n;
        if (space) {
            qb_buf_puts(b, QB_TOK_SPACE);
            i++;
        }
    }
}

enum qb_status qb_tok_spm_encode(const struct qb_tokenizer *t, const char *s, size_t len, bool add_space,
                                 struct qb_tok_scratch *scratch, struct qb_token_list *out,
                                 struct qb_err *err)
{
    struct qb_buf text;
    qb_buf_init(&text, 0);
    escape(&text, s, len, add_space);
    enum qb_status st = qb_buf_status(&text, "the text to encode", err);
    for (size_t i = 0; i < text.len && !st;) {
        size_t n = t->words_apart ? word_len(text.data + i, text.len - i) : text.len - i;
        st = encode_piece(t, text.data + i, n, scratch, out, err);
        i += n;
    }
    qb_buf_release(&text);
    return st;
}

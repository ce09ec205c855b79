/*
 * The tokenizer: reading a vocabulary, and encoding. Hostile files: every array is checked against the number
 * of tokens, and ids outside the vocabulary are ignored.
 */
#include "engine/tokenizer.h"

#include "base/mem.h"
#include "engine/tok_vocab.h"
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TOKENS = 1 << 24,
    MAX_TEXT = 1 << 29 /* in bytes; with U+2581 for each space, positions still fit in 32 bits */
};

/* ---- reading ---- */

static bool same(struct qb_gguf_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.s, text, s.len) == 0;
}

static enum qb_status read_model(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    struct qb_gguf_str model;
    if (!qb_gguf_get_str(g, "tokenizer.ggml.model", &model) || same(model, "none") || same(model, "no_vocab"))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "'%s' has no vocabulary", qb_gguf_path(g));
    if (same(model, "llama"))
        t->model = QB_TOK_SPM;
    else if (same(model, "gpt2"))
        t->model = QB_TOK_BPE;
    else
        return qb_fail(err, QB_ERR_UNSUPPORTED,
                       "'%s': tokenizer '%.*s' is not supported, only 'gpt2' and 'llama' are",
                       qb_gguf_path(g), (int)(model.len < 64 ? model.len : 64), model.s);
    return QB_OK;
}

static enum qb_status read_texts(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, "tokenizer.ggml.tokens");
    if (!kv || kv->type != QB_GGUF_ARRAY || kv->elem_type != QB_GGUF_STRING || kv->n == 0 ||
        kv->n > MAX_TOKENS)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': 'tokenizer.ggml.tokens' is no list of 1 to %d texts",
                       qb_gguf_path(g), MAX_TOKENS);
    struct qb_gguf_str s;
    for (size_t pos = 0; qb_gguf_array_next_str(kv, &pos, &s);)
        QB_TRY(qb_tok_append(t, s.s, s.len, err));
    t->n_tokens = t->n_symbols;
    return QB_OK;
}

static enum qb_status read_types(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    const struct qb_gguf_kv *kv = qb_gguf_find(g, "tokenizer.ggml.token_type");
    size_t n = (size_t)t->n_tokens;
    QB_TRY(qb_calloc((void **)&t->types, n, 1, "the vocabulary", err));
    QB_TRY(qb_calloc((void **)&t->attrs, n, 1, "the vocabulary", err));
    if (kv && (kv->type != QB_GGUF_ARRAY || kv->n < n))
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': 'tokenizer.ggml.token_type' does not have one for each of %zu tokens",
                       qb_gguf_path(g), n);
    for (size_t i = 0; i < n; i++) {
        int64_t type = QB_TOKEN_NORMAL;
        if (kv && !qb_gguf_array_i64(kv, i, &type))
            return qb_fail(err, QB_ERR_FORMAT, "'%s': 'tokenizer.ggml.token_type' are no integers",
                           qb_gguf_path(g));
        t->types[i] = type >= 0 && type <= QB_TOKEN_BYTE ? (uint8_t)type : QB_TOKEN_UNDEFINED;
    }
    return QB_OK;
}

static enum qb_status read_all(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    bool spm;
    QB_TRY(read_model(t, g, err));
    QB_TRY(read_texts(t, g, err));
    QB_TRY(read_types(t, g, err));
    QB_TRY(qb_tok_read_special(t, g, err));
    spm = t->model == QB_TOK_SPM;
    t->add_bos = t->add_space_prefix = spm;
    QB_TRY(spm ? qb_tok_spm_read(t, g, err) : qb_tok_bpe_read(t, g, err));
    qb_gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &t->add_bos);
    qb_gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &t->add_eos);
    if (spm)
        qb_gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix);
    return QB_OK;
}

enum qb_status qb_tokenizer_create(struct qb_tokenizer **out, const struct qb_gguf *g, struct qb_err *err)
{
    struct qb_tokenizer *t;
    QB_TRY(qb_calloc((void **)&t, 1, sizeof *t, "the tokenizer", err));
    qb_buf_init(&t->pool, 0);
    enum qb_status st = read_all(t, g, err);
    if (st) {
        qb_tokenizer_free(t);
        return st;
    }
    *out = t;
    return QB_OK;
}

void qb_tokenizer_free(struct qb_tokenizer *t)
{
    if (!t)
        return;
    qb_pretok_free(t->pretok);
    qb_buf_release(&t->pool);
    free(t->texts);
    free(t->types);
    free(t->attrs);
    free(t->slots);
    free(t->scores);
    free(t->merges);
    free(t->classes);
    free(t);
}

/* ---- facts ---- */

static bool is_token(const struct qb_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_tokens;
}

int32_t qb_tokenizer_n_tokens(const struct qb_tokenizer *t)
{
    return t->n_tokens;
}

enum qb_token_type qb_tokenizer_type(const struct qb_tokenizer *t, int32_t id)
{
    return is_token(t, id) ? t->types[id] : QB_TOKEN_UNDEFINED;
}

struct qb_gguf_str qb_tokenizer_text(const struct qb_tokenizer *t, int32_t id)
{
    return is_token(t, id) ? qb_tok_text_of(t, id) : (struct qb_gguf_str){"", 0};
}

int32_t qb_tokenizer_find(const struct qb_tokenizer *t, const char *text, size_t len)
{
    int32_t id = qb_tok_find(t, text, len);
    return is_token(t, id) ? id : -1;
}

const struct qb_special_ids *qb_tokenizer_special(const struct qb_tokenizer *t)
{
    return &t->special;
}

bool qb_tokenizer_add_bos(const struct qb_tokenizer *t)
{
    return t->add_bos;
}

bool qb_tokenizer_add_eos(const struct qb_tokenizer *t)
{
    return t->add_eos;
}

bool qb_tokenizer_is_end(const struct qb_tokenizer *t, int32_t id)
{
    return is_token(t, id) && (t->attrs[id] & QB_TOK_END);
}

/* ---- encoding ---- */

enum qb_status qb_token_list_add(struct qb_token_list *l, int32_t id, struct qb_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        int32_t *ids = realloc(l->ids, cap * sizeof *ids);
        if (!ids)
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu tokens", cap);
        l->ids = ids;
        l->cap = cap;
    }
    l->ids[l->n++] = id;
    return QB_OK;
}

void qb_token_list_release(struct qb_token_list *l)
{
    free(l->ids);
    *l = (struct qb_token_list){0};
}

static enum qb_status encode_fragments(const struct qb_tokenizer *t, const struct qb_tok_fragments *f,
                                       struct qb_token_list *out, struct qb_err *err)
{
    struct qb_tok_scratch scratch = {0};
    enum qb_status st = QB_OK;
    bool after_special = true;
    for (size_t i = 0; i < f->n && !st; i++) {
        const struct qb_tok_fragment *p = &f->items[i];
        bool add_space = t->add_space_prefix && after_special;
        if (p->id >= 0)
            st = qb_token_list_add(out, p->id, err);
        else if (t->model == QB_TOK_SPM)
            st = qb_tok_spm_encode(t, p->s, p->len, add_space, &scratch, out, err);
        else
            st = qb_tok_bpe_encode(t, p->s, p->len, &scratch, out, err);
        after_special = p->id >= 0;
    }
    qb_tok_scratch_release(&scratch);
    return st;
}

static enum qb_status encode(const struct qb_tokenizer *t, const char *text, size_t len, unsigned flags,
                             struct qb_token_list *out, struct qb_err *err)
{
    struct qb_tok_fragments f;
    bool add = flags & QB_ENCODE_ADD_SPECIAL;
    if (add && t->add_bos && t->special.bos >= 0)
        QB_TRY(qb_token_list_add(out, t->special.bos, err));
    QB_TRY(qb_tok_partition(t, text, len, flags & QB_ENCODE_PARSE_SPECIAL, &f, err));
    enum qb_status st = encode_fragments(t, &f, out, err);
    free(f.items);
    if (!st && add && t->add_eos && t->special.eos >= 0)
        st = qb_token_list_add(out, t->special.eos, err);
    return st;
}

enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *t, const char *text, size_t len, unsigned flags,
                                   struct qb_token_list *out, struct qb_err *err)
{
    size_t before = out->n;
    if (len > MAX_TEXT)
        return qb_fail(err, QB_ERR_USAGE, "a text of %zu bytes is too long to encode", len);
    enum qb_status st = encode(t, text, len, flags, out, err);
    if (st)
        out->n = before;
    return st;
}

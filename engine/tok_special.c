/*
 * Special tokens: their ids, which of them end generation, and cutting a text on those that are spelled out
 * in it.
 */
#include "base/log.h"
#include "base/mem.h"
#include "engine/tok_vocab.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids ---- */

/* A later row of the same field wins: the older keys come first. */
static const struct {
    const char *key;
    size_t offset;
} id_keys[] = {
    {"bos_token_id", offsetof(struct qb_special_ids, bos)},
    {"eos_token_id", offsetof(struct qb_special_ids, eos)},
    {"eot_token_id", offsetof(struct qb_special_ids, eot)},
    {"eom_token_id", offsetof(struct qb_special_ids, eom)},
    {"unknown_token_id", offsetof(struct qb_special_ids, unknown)},
    {"seperator_token_id", offsetof(struct qb_special_ids, separator)},
    {"padding_token_id", offsetof(struct qb_special_ids, padding)},
    {"mask_token_id", offsetof(struct qb_special_ids, mask)},
    {"prefix_token_id", offsetof(struct qb_special_ids, fim_pre)},
    {"suffix_token_id", offsetof(struct qb_special_ids, fim_suf)},
    {"middle_token_id", offsetof(struct qb_special_ids, fim_mid)},
    {"fim_pre_token_id", offsetof(struct qb_special_ids, fim_pre)},
    {"fim_suf_token_id", offsetof(struct qb_special_ids, fim_suf)},
    {"fim_mid_token_id", offsetof(struct qb_special_ids, fim_mid)},
    {"fim_pad_token_id", offsetof(struct qb_special_ids, fim_pad)},
    {"fim_rep_token_id", offsetof(struct qb_special_ids, fim_rep)},
    {"fim_sep_token_id", offsetof(struct qb_special_ids, fim_sep)},
};

static int32_t in_vocabulary(const struct qb_tokenizer *t, int32_t id)
{
    return id < t->n_tokens ? id : -1;
}

static void read_ids(struct qb_tokenizer *t, const struct qb_gguf *g)
{
    bool spm = t->model == QB_TOK_SPM;
    struct qb_special_ids *ids = &t->special;
    memset(ids, 0xff, sizeof *ids);
    ids->bos = in_vocabulary(t, spm ? 1 : 11);
    ids->eos = in_vocabulary(t, spm ? 2 : 11);
    ids->unknown = spm ? 0 : -1;
    for (size_t i = 0; i < QB_ARRAY_LEN(id_keys); i++) {
        char key[64];
        uint64_t id;
        snprintf(key, sizeof key, "tokenizer.ggml.%s", id_keys[i].key);
        if (!qb_gguf_get_u64(g, key, &id))
            continue;
        if (id < (uint64_t)t->n_tokens)
            *(int32_t *)((char *)ids + id_keys[i].offset) = (int32_t)id;
        else if (id != UINT32_MAX) /* a usual way to write "none" */
            qb_warn("'%s': '%s' is outside the vocabulary: ignored", qb_gguf_path(g), key);
    }
}

/* ---- the end of generation ---- */

/* Texts of tokens that end a turn or a text, whatever model they are from; the first that exists is the end
 * of turn. */
static const struct {
    const char *text;
    bool turn;
    bool promote; /* a control token also where the file calls it something else */
} end_texts[] = {
    {"<|eot_id|>", true, true},
    {"<|im_end|>", true, true},
    {"<|end|>", true, true},
    {"<end_of_turn>", true, true},
    {"<|endoftext|>", true, true},
    {"<|eom_id|>", false, true},
    {"<EOT>", true, true},
    {"_<EOT>", true, true},
    {"<|end_of_text|>", false, true},
    {"<end_of_utterance>", false, true},
    {"<|return|>", false, true},
    {"<|call|>", false, true},
    {"<\xef\xbd\x9c"
     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
     true, true},
    /* ordinary words elsewhere: "</s>" is the HTML tag in some vocabularies */
    {"</s>", false, false},
    {"<eos>", false, false},
    {"[EOT]", false, false},
    {"[EOS]", false, false},
};

static void mark_end(struct qb_tokenizer *t, int32_t id)
{
    if (id >= 0)
        t->attrs[id] |= QB_TOK_END;
}

static void find_ends(struct qb_tokenizer *t)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(end_texts); i++) {
        const char *text = end_texts[i].text;
        int32_t id = in_vocabulary(t, qb_tok_find(t, text, strlen(text)));
        if (id < 0)
            continue;
        if (end_texts[i].promote)
            t->types[id] = QB_TOKEN_CONTROL;
        else if (t->types[id] != QB_TOKEN_CONTROL)
            continue;
        mark_end(t, id);
        if (end_texts[i].turn && t->special.eot < 0)
            t->special.eot = id;
    }
    const struct qb_special_ids *ids = &t->special;
    const int32_t named[] = {ids->eos, ids->eot, ids->eom, ids->fim_pad, ids->fim_rep, ids->fim_sep};
    for (size_t i = 0; i < QB_ARRAY_LEN(named); i++)
        mark_end(t, named[i]);
}

/* ---- tokens that are searched in the text ---- */

static bool is_searched(const struct qb_tokenizer *t, int32_t id, bool parse)
{
    enum qb_token_type type = t->types[id];
    return type == QB_TOKEN_USER_DEFINED || (parse && (type == QB_TOKEN_CONTROL || type == QB_TOKEN_UNKNOWN));
}

static bool contains(struct qb_gguf_str s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.len; i++)
        if (strncasecmp(s.s + i, word, n) == 0)
            return true;
    return false;
}

/* Phi-3's special tokens swallow the white space after them; the file has no field for that. */
static void mark_phi3(struct qb_tokenizer *t, const struct qb_gguf *g)
{
    static const char *const others[] = {"<unk>", "<s>", "<|endoftext|>"};
    struct qb_gguf_str name;
    if (!qb_gguf_get_str(g, "general.name", &name) || !(contains(name, "phi-3") || contains(name, "phi3")))
        return;
    for (int32_t i = 0; i < t->n_tokens; i++)
        if (is_searched(t, i, true))
            t->attrs[i] |= QB_TOK_STRIP_RIGHT;
    for (size_t i = 0; i < QB_ARRAY_LEN(others); i++) {
        int32_t id = in_vocabulary(t, qb_tok_find(t, others[i], strlen(others[i])));
        if (id >= 0)
            t->attrs[id] &= (uint8_t)~QB_TOK_STRIP_RIGHT;
    }
}

static void set_bit(uint64_t *bits, unsigned i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static bool has_bit(const uint64_t *bits, unsigned i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static void note_searched(struct qb_tokenizer *t, struct qb_tok_class *c, struct qb_gguf_str s)
{
    unsigned first = (unsigned char)s.s[0];
    set_bit(c->first, first);
    set_bit(c->last, (unsigned char)s.s[s.len - 1]);
    for (unsigned second = 0; second < 256; second++)
        if (s.len == 1 || second == (unsigned char)s.s[1])
            set_bit(t->first_two, first + 256 * second);
}

static int longer_first(const void *a, const void *b)
{
    const struct qb_tok_class *x = a, *y = b;
    return x->len > y->len ? -1 : x->len < y->len;
}

/* One class a length: all searched tokens, sorted, then equal lengths united. */
static enum qb_status make_classes(struct qb_tokenizer *t, struct qb_err *err)
{
    size_t n = 0;
    for (int32_t i = 0; i < t->n_tokens; i++)
        n += is_searched(t, i, true);
    QB_TRY(qb_calloc((void **)&t->classes, n + 1, sizeof *t->classes, "the special tokens", err));
    n = 0;
    for (int32_t i = 0; i < t->n_tokens; i++) {
        struct qb_gguf_str s = qb_tok_text_of(t, i);
        if (s.len == 0 || !is_searched(t, i, true))
            continue;
        t->classes[n].len = (uint32_t)s.len;
        note_searched(t, &t->classes[n++], s);
    }
    qsort(t->classes, n, sizeof *t->classes, longer_first);
    for (size_t i = 0; i < n; i++) {
        struct qb_tok_class *c = &t->classes[i];
        if (t->n_classes == 0 || t->classes[t->n_classes - 1].len != c->len) {
            t->classes[t->n_classes++] = *c;
            continue;
        }
        for (int w = 0; w < 4; w++) {
            t->classes[t->n_classes - 1].first[w] |= c->first[w];
            t->classes[t->n_classes - 1].last[w] |= c->last[w];
        }
    }
    return QB_OK;
}

enum qb_status qb_tok_read_special(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err)
{
    read_ids(t, g);
    find_ends(t);
    mark_phi3(t, g);
    return make_classes(t, err);
}

/* ---- cutting ---- */

enum { RAW, TAKEN, STRIPPED };

struct found {
    uint32_t pos;
    int32_t id;
};

struct cutter {
    const struct qb_tokenizer *t;
    const char *s;
    size_t len;
    bool parse;
    uint8_t *state;  /* of each byte */
    uint32_t *spots; /* where a searched token may begin, rising */
    size_t n_spots;
    struct found *found;
    size_t n_found, cap_found;
};

static void find_spots(struct cutter *c)
{
    const unsigned char *p = (const unsigned char *)c->s;
    for (size_t i = 0; i < c->len; i++)
        if (has_bit(c->t->first_two, p[i] + 256u * (i + 1 < c->len ? p[i + 1] : 0)))
            c->spots[c->n_spots++] = (uint32_t)i;
}

static enum qb_status take(struct cutter *c, size_t pos, size_t len, int32_t id, struct qb_err *err)
{
    if (c->n_found == c->cap_found) {
        size_t cap = c->cap_found ? 2 * c->cap_found : 64;
        struct found *found = realloc(c->found, cap * sizeof *found);
        if (!found)
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory to cut the text on special tokens");
        c->found = found;
        c->cap_found = cap;
    }
    c->found[c->n_found++] = (struct found){(uint32_t)pos, id};
    memset(c->state + pos, TAKEN, len);
    if (c->t->attrs[id] & QB_TOK_STRIP_RIGHT)
        for (size_t i = pos + len; i < c->len && c->state[i] == RAW && isspace((unsigned char)c->s[i]); i++)
            c->state[i] = STRIPPED;
    return QB_OK;
}

/* Take the tokens of one length, from left to right. */
static enum qb_status search_class(struct cutter *c, const struct qb_tok_class *k, struct qb_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n_spots; i++) {
        size_t pos = c->spots[i];
        if (c->state[pos] != RAW)
            continue; /* and never again */
        c->spots[kept++] = (uint32_t)pos;
        if (k->len > c->len - pos || c->state[pos + k->len - 1] != RAW ||
            !has_bit(k->first, (unsigned char)c->s[pos]) ||
            !has_bit(k->last, (unsigned char)c->s[pos + k->len - 1]))
            continue;
        int32_t id = in_vocabulary(c->t, qb_tok_find(c->t, c->s + pos, k->len));
        if (id < 0 || !is_searched(c->t, id, c->parse) || memchr(c->state + pos, TAKEN, k->len) ||
            memchr(c->state + pos, STRIPPED, k->len))
            continue;
        QB_TRY(take(c, pos, k->len, id, err));
    }
    c->n_spots = kept;
    return QB_OK;
}

static int by_position(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static void add_text(const struct cutter *c, size_t from, size_t to, struct qb_tok_fragments *out)
{
    while (from < to && c->state[from] == STRIPPED)
        from++;
    if (from < to)
        out->items[out->n++] = (struct qb_tok_fragment){c->s + from, to - from, -1};
}

static enum qb_status collect(struct cutter *c, struct qb_tok_fragments *out, struct qb_err *err)
{
    size_t done = 0;
    QB_TRY(
        qb_calloc((void **)&out->items, 2 * c->n_found + 1, sizeof *out->items, "the text to encode", err));
    if (c->n_found > 0)
        qsort(c->found, c->n_found, sizeof *c->found, by_position);
    for (size_t i = 0; i < c->n_found; i++) {
        const struct found *f = &c->found[i];
        add_text(c, done, f->pos, out);
        out->items[out->n++] = (struct qb_tok_fragment){c->s + f->pos, c->t->texts[f->id].len, f->id};
        done = f->pos + c->t->texts[f->id].len;
    }
    add_text(c, done, c->len, out);
    return QB_OK;
}

enum qb_status qb_tok_partition(const struct qb_tokenizer *t, const char *text, size_t len, bool parse,
                                struct qb_tok_fragments *out, struct qb_err *err)
{
    struct cutter c = {.t = t, .s = text, .len = len, .parse = parse};
    *out = (struct qb_tok_fragments){0};
    c.state = calloc(len + 1, 1);
    c.spots = calloc(len + 1, sizeof *c.spots);
    enum qb_status st = QB_OK;
    if (!c.state || !c.spots)
        st = qb_fail(err, QB_ERR_MEMORY, "not enough memory to encode %zu bytes", len);
    else
        find_spots(&c);
    for (size_t i = 0; i < t->n_classes && !st && c.n_spots > 0; i++)
        st = search_class(&c, &t->classes[i], err);
    if (!st)
        st = collect(&c, out, err);
    free(c.state);
    free(c.spots);
    free(c.found);
    return st;
}

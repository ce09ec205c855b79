/*
 * The texts of a vocabulary in one pool, and the hash table from text to symbol.
 */
#include "engine/tok_vocab.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint32_t hash_of(const char *s, size_t len)
{
    return (uint32_t)XXH3_64bits(s, len);
}

static size_t find_slot(const struct qb_tokenizer *t, const char *s, size_t len, uint32_t hash)
{
    size_t mask = t->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        const struct qb_tok_slot *slot = &t->slots[i];
        if (slot->symbol < 0)
            return i;
        if (slot->hash != hash)
            continue;
        struct qb_gguf_str text = qb_tok_text_of(t, slot->symbol);
        if (text.len == len && memcmp(text.s, s, len) == 0)
            return i;
    }
}

int32_t qb_tok_find(const struct qb_tokenizer *t, const char *s, size_t len)
{
    return len == 0 || t->n_slots == 0 ? -1 : t->slots[find_slot(t, s, len, hash_of(s, len))].symbol;
}

static enum qb_status grow_slots(struct qb_tokenizer *t, struct qb_err *err)
{
    size_t n = t->n_slots ? 2 * t->n_slots : 1024;
    struct qb_tok_slot *old = t->slots, *slots;
    QB_TRY(qb_calloc((void **)&slots, n, sizeof *slots, "the vocabulary", err));
    memset(slots, 0xff, n * sizeof *slots);
    for (size_t i = 0; i < t->n_slots; i++) {
        if (old[i].symbol < 0)
            continue;
        size_t at = old[i].hash & (n - 1);
        while (slots[at].symbol >= 0)
            at = (at + 1) & (n - 1);
        slots[at] = old[i];
    }
    free(old);
    t->slots = slots;
    t->n_slots = n;
    return QB_OK;
}

static enum qb_status append_text(struct qb_tokenizer *t, const char *s, size_t len, struct qb_err *err)
{
    if ((size_t)t->n_symbols == t->cap_symbols) {
        size_t cap = t->cap_symbols ? 2 * t->cap_symbols : 1024;
        struct qb_tok_text *texts = cap < INT32_MAX ? realloc(t->texts, cap * sizeof *texts) : NULL;
        if (!texts)
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for a vocabulary of %zu texts", cap);
        t->texts = texts;
        t->cap_symbols = cap;
    }
    size_t offset = t->pool.len;
    qb_buf_append(&t->pool, s, len);
    QB_TRY(qb_buf_status(&t->pool, "the vocabulary", err));
    t->texts[t->n_symbols++] = (struct qb_tok_text){(uint32_t)offset, (uint32_t)len};
    return QB_OK;
}

enum qb_status qb_tok_append(struct qb_tokenizer *t, const char *s, size_t len, struct qb_err *err)
{
    if (2 * t->n_used >= t->n_slots)
        QB_TRY(grow_slots(t, err));
    QB_TRY(append_text(t, s, len, err));
    if (len == 0)
        return QB_OK; /* never found */
    uint32_t hash = hash_of(s, len);
    size_t at = find_slot(t, s, len, hash);
    if (t->slots[at].symbol < 0) {
        t->slots[at] = (struct qb_tok_slot){hash, t->n_symbols - 1};
        t->n_used++;
    }
    return QB_OK;
}

enum qb_status qb_tok_intern(struct qb_tokenizer *t, const char *s, size_t len, int32_t *symbol,
                             struct qb_err *err)
{
    *symbol = qb_tok_find(t, s, len);
    if (*symbol >= 0)
        return QB_OK;
    QB_TRY(qb_tok_append(t, s, len, err));
    *symbol = t->n_symbols - 1;
    return QB_OK;
}

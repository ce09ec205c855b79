/*
 * Merging of neighbouring symbols, the cheapest pair first: a linked list of symbols and a binary heap of
 * pairs, O(n log n). Pairs that an earlier merge made stale stay in the heap and are skipped when they come
 * up.
 */
#include "engine/tok_vocab.h"

#include <stdlib.h>

enum qb_status qb_tok_scratch_reserve(struct qb_tok_scratch *s, size_t n, struct qb_err *err)
{
    s->n_symbols = 0;
    if (n <= s->cap)
        return QB_OK;
    size_t cap = n < 64 ? 64 : n + n / 2;
    qb_tok_scratch_release(s);
    s->symbols = calloc(cap, sizeof *s->symbols);
    /* n - 1 pairs at first; each of at most n - 1 merges takes one out and puts at most two in */
    s->heap = calloc(2 * cap, sizeof *s->heap);
    if (!s->symbols || !s->heap) {
        qb_tok_scratch_release(s);
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory to encode %zu bytes", n);
    }
    s->cap = cap;
    return QB_OK;
}

void qb_tok_scratch_release(struct qb_tok_scratch *s)
{
    free(s->symbols);
    free(s->heap);
    *s = (struct qb_tok_scratch){0};
}

void qb_tok_scratch_push(struct qb_tok_scratch *s, uint32_t start, uint32_t len, int32_t id)
{
    int32_t i = (int32_t)s->n_symbols++;
    s->symbols[i] = (struct qb_tok_symbol){start, len, id, i - 1, -1};
    if (i > 0)
        s->symbols[i - 1].next = i;
}

static bool goes_first(const struct qb_tok_pair *a, const struct qb_tok_pair *b)
{
    return a->cost < b->cost || (a->cost == b->cost && a->left < b->left);
}

static void heap_push(struct qb_tok_scratch *s, struct qb_tok_pair p)
{
    size_t i = s->n_heap++;
    while (i > 0 && goes_first(&p, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = p;
}

static struct qb_tok_pair heap_pop(struct qb_tok_scratch *s)
{
    struct qb_tok_pair top = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < s->n_heap) {
        if (child + 1 < s->n_heap && goes_first(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!goes_first(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

static void consider(const struct qb_tokenizer *t, const char *text, struct qb_tok_scratch *s,
                     qb_tok_join_fn *join, int32_t left, int32_t right)
{
    struct qb_tok_pair p = {.left = left, .right = right};
    if (left < 0 || right < 0)
        return;
    const struct qb_tok_symbol *a = &s->symbols[left], *b = &s->symbols[right];
    if (!join(t, text, a, b, &p.cost, &p.id))
        return;
    p.len = a->len + b->len;
    heap_push(s, p);
}

void qb_tok_merge(const struct qb_tokenizer *t, const char *text, struct qb_tok_scratch *s,
                  qb_tok_join_fn *join)
{
    s->n_heap = 0;
    for (size_t i = 0; i + 1 < s->n_symbols; i++)
        consider(t, text, s, join, (int32_t)i, (int32_t)i + 1);
    while (s->n_heap > 0) {
        struct qb_tok_pair p = heap_pop(s);
        struct qb_tok_symbol *a = &s->symbols[p.left], *b = &s->symbols[p.right];
        if (a->len == 0 || b->len == 0 || a->next != p.right || a->len + b->len != p.len)
            continue;
        a->len = p.len;
        a->id = p.id;
        a->next = b->next;
        b->len = 0;
        if (a->next >= 0)
            s->symbols[a->next].prev = p.left;
        consider(t, text, s, join, a->prev, p.left);
        consider(t, text, s, join, p.left, a->next);
    }
}

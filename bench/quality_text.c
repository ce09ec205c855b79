/*
 * The text of a quality run and its chunks.
 */
#include "bench/quality.h"
#include "datasets/texts_data.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MAX_TEXT ((size_t)1 << 30)

enum qb_status qb_quality_text_init(struct qb_quality_text *t, const char *path, struct qb_err *err)
{
    *t = (struct qb_quality_text){.name = "built-in", .data = qb_eval_text, .bytes = strlen(qb_eval_text)};
    if (path) {
        QB_TRY(qb_read_file(&t->owned, &t->bytes, path, MAX_TEXT, err));
        t->name = path;
        t->data = t->owned;
    }
    t->hash = XXH3_64bits(t->data, t->bytes);
    return QB_OK;
}

void qb_quality_text_release(struct qb_quality_text *t)
{
    free(t->owned);
    *t = (struct qb_quality_text){0};
}

static enum qb_status encode(struct qb_windows *w, const struct qb_gguf *g, const struct qb_quality_text *t,
                             struct qb_err *err)
{
    struct qb_tokenizer *k;
    QB_TRY(qb_tokenizer_create(&k, g, err));
    w->bos = qb_tokenizer_add_bos(k) ? qb_tokenizer_special(k)->bos : -1;
    enum qb_status st = qb_tokenizer_encode(k, t->data, t->bytes, QB_ENCODE_ADD_SPECIAL, &w->tokens, err);
    qb_tokenizer_free(k);
    return st;
}

enum qb_status qb_windows_init(struct qb_windows *w, const char *source, const struct qb_quality_text *t,
                               int n_ctx, int64_t max_chunks, struct qb_err *err)
{
    struct qb_gguf *g;
    *w = (struct qb_windows){.source = source, .n_ctx = n_ctx};
    QB_TRY(qb_gguf_open(&g, source, err));
    enum qb_status st = encode(w, g, t, err);
    qb_gguf_close(g);
    w->n_chunks = (int64_t)w->tokens.n / n_ctx;
    if (!st && w->n_chunks == 0)
        st = qb_fail(err, QB_ERR_USAGE, "the text '%s' has %zu tokens, fewer than a chunk of %d", t->name,
                     w->tokens.n, n_ctx);
    if (max_chunks && w->n_chunks > max_chunks)
        w->n_chunks = max_chunks;
    if (st)
        qb_windows_release(w);
    return st;
}

void qb_windows_release(struct qb_windows *w)
{
    qb_token_list_release(&w->tokens);
    *w = (struct qb_windows){0};
}

void qb_windows_get(const struct qb_windows *w, int64_t chunk, int32_t *out)
{
    memcpy(out, w->tokens.ids + chunk * w->n_ctx, (size_t)w->n_ctx * sizeof *out);
    if (w->bos >= 0)
        out[0] = w->bos;
}

bool qb_windows_equal(const struct qb_windows *a, const struct qb_windows *b)
{
    return a->tokens.n == b->tokens.n && a->bos == b->bos &&
           !memcmp(a->tokens.ids, b->tokens.ids, a->tokens.n * sizeof *a->tokens.ids);
}

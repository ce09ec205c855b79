/*
 * Any GGUF file as a vocabulary: creating, encoding the file's own bytes, decoding.
 */
#include "base/log.h"
#include "engine/tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT = 2048 };

static void use(const struct qb_tokenizer *t, const char *text, size_t len, unsigned flags)
{
    struct qb_token_list l = {0};
    struct qb_buf out;
    struct qb_err err;
    qb_buf_init(&out, 1 << 24);
    if (qb_tokenizer_encode(t, text, len, flags, &l, &err) == QB_OK) {
        for (size_t i = 0; i < l.n; i++)
            if (l.ids[i] < 0 || l.ids[i] >= qb_tokenizer_n_tokens(t))
                QB_BUG("id %d is outside the vocabulary", l.ids[i]);
        qb_tokenizer_decode(t, l.ids, l.n, flags & QB_ENCODE_PARSE_SPECIAL, &out);
    }
    qb_token_list_release(&l);
    qb_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qb_err err;
    struct qb_gguf *g = NULL;
    struct qb_tokenizer *t = NULL;
    void *copy = aligned_alloc(64, (size + 64) / 64 * 64);
    qb_log_set_level(QB_LOG_QUIET);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (qb_gguf_open_memory(&g, copy, size, "fuzz", &err) == QB_OK &&
        qb_tokenizer_create(&t, g, &err) == QB_OK) {
        size_t len = size < MAX_TEXT ? size : MAX_TEXT;
        use(t, (const char *)data + size - len, len, QB_ENCODE_ADD_SPECIAL | QB_ENCODE_PARSE_SPECIAL);
        use(t, (const char *)data + size - len, len, 0);
    }
    qb_tokenizer_free(t);
    qb_gguf_close(g);
    free(copy);
    return 0;
}

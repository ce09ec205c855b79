/*
 * Encoding a text with the vocabulary of a model file.
 */
#include "bench/prompt.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)1 << 29)

static enum qb_status read_tokenizer(struct qb_tokenizer **t, const char *path, struct qb_err *err)
{
    struct qb_gguf *g;
    QB_TRY(qb_gguf_open(&g, path, err));
    enum qb_status st = qb_tokenizer_create(t, g, err);
    qb_gguf_close(g);
    return st;
}

/* The ids in a text. The file is named in messages. */
static enum qb_status parse_ids(struct qb_prompt *p, const char *text, const char *file, struct qb_err *err)
{
    static const char between[] = " \t\r\n,[]";
    int32_t n_tokens = qb_tokenizer_n_tokens(p->tokenizer);
    const char *at = text + strspn(text, between);
    while (*at) {
        char *end;
        long id = strtol(at, &end, 10);
        if (end == at || (*end && !strchr(between, *end)))
            return qb_fail(err, QB_ERR_FORMAT, "'%s': no token id at offset %td", file, at - text);
        if (id < 0 || id >= n_tokens)
            return qb_fail(err, QB_ERR_FORMAT, "'%s': token %ld at offset %td is outside a vocabulary of %d",
                           file, id, at - text, (int)n_tokens);
        QB_TRY(qb_token_list_add(&p->tokens, (int32_t)id, err));
        at = end + strspn(end, between);
    }
    return QB_OK;
}

static enum qb_status read_ids(struct qb_prompt *p, const char *file, struct qb_err *err)
{
    char *text;
    QB_TRY(qb_read_file(&text, NULL, file, MAX_TEXT, err));
    enum qb_status st = parse_ids(p, text, file, err);
    free(text);
    return st;
}

static enum qb_status encode(struct qb_prompt *p, const struct qb_prompt_options *o, struct qb_err *err)
{
    unsigned flags =
        (o->add_special ? QB_ENCODE_ADD_SPECIAL : 0u) | (o->parse_special ? QB_ENCODE_PARSE_SPECIAL : 0u);
    if (o->ids_file)
        return read_ids(p, o->ids_file, err);
    if (o->text)
        return qb_tokenizer_encode(p->tokenizer, o->text, strlen(o->text), flags, &p->tokens, err);
    char *text;
    size_t len;
    QB_TRY(qb_read_file(&text, &len, o->file, MAX_TEXT, err));
    enum qb_status st = qb_tokenizer_encode(p->tokenizer, text, len, flags, &p->tokens, err);
    free(text);
    return st;
}

enum qb_status qb_prompt_init(struct qb_prompt *p, const struct qb_prompt_options *o, struct qb_err *err)
{
    *p = (struct qb_prompt){0};
    if (!o->model)
        return qb_fail(err, QB_ERR_USAGE, "no model: name a GGUF file with '--model'");
    if (!o->ids_file && !o->text == !o->file)
        return qb_fail(err, QB_ERR_USAGE, "exactly one of '--prompt' and '--file' is needed");
    QB_TRY(read_tokenizer(&p->tokenizer, o->model, err));
    enum qb_status st = encode(p, o, err);
    if (st)
        qb_prompt_release(p);
    return st;
}

void qb_prompt_release(struct qb_prompt *p)
{
    qb_tokenizer_free(p->tokenizer);
    qb_token_list_release(&p->tokens);
    *p = (struct qb_prompt){0};
}

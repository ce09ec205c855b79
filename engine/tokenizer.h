/*
 * Text to token ids and back, as the vocabulary of a GGUF file says: byte-level BPE ("gpt2") and score-based
 * merging with byte fallback ("llama"). A tokenizer copies what it needs, is immutable, and may be used by
 * several threads.
 */
#ifndef QB_ENGINE_TOKENIZER_H
#define QB_ENGINE_TOKENIZER_H

#include "base/buf.h"
#include "engine/gguf.h"

struct qb_tokenizer;

/*
 * Pair: qb_tokenizer_free (accepts NULL).
 * Errors: QB_ERR_UNSUPPORTED (the file has no vocabulary, or one of another algorithm, named), QB_ERR_FORMAT,
 * QB_ERR_MEMORY.
 */
enum qb_status qb_tokenizer_create(struct qb_tokenizer **out, const struct qb_gguf *g, struct qb_err *err);
void qb_tokenizer_free(struct qb_tokenizer *t);

enum qb_token_type {
    QB_TOKEN_UNDEFINED,
    QB_TOKEN_NORMAL,
    QB_TOKEN_UNKNOWN,
    QB_TOKEN_CONTROL,
    QB_TOKEN_USER_DEFINED,
    QB_TOKEN_UNUSED,
    QB_TOKEN_BYTE
};

int32_t qb_tokenizer_n_tokens(const struct qb_tokenizer *t);
enum qb_token_type qb_tokenizer_type(const struct qb_tokenizer *t, int32_t id); /* UNDEFINED out of range */
/* The text as stored in the file (byte-level vocabularies spell a space "\u0120"); empty out of range. */
struct qb_gguf_str qb_tokenizer_text(const struct qb_tokenizer *t, int32_t id);
/* The token of exactly this stored text, -1 when there is none. */
int32_t qb_tokenizer_find(const struct qb_tokenizer *t, const char *text, size_t len);

/* -1 = the vocabulary has none. */
struct qb_special_ids {
    int32_t bos, eos, eot, eom, unknown, separator, padding, mask;
    int32_t fim_pre, fim_suf, fim_mid, fim_pad, fim_rep, fim_sep;
};
const struct qb_special_ids *qb_tokenizer_special(const struct qb_tokenizer *t);
bool qb_tokenizer_add_bos(const struct qb_tokenizer *t);
bool qb_tokenizer_add_eos(const struct qb_tokenizer *t);
/* Does generation end with this token? */
bool qb_tokenizer_is_end(const struct qb_tokenizer *t, int32_t id);

struct qb_token_list {
    int32_t *ids; /* owned; pair: qb_token_list_release */
    size_t n, cap;
};
enum qb_status qb_token_list_add(struct qb_token_list *l, int32_t id, struct qb_err *err);
void qb_token_list_release(struct qb_token_list *l);

enum qb_encode_flags {
    QB_ENCODE_ADD_SPECIAL = 1,  /* BOS and EOS where the vocabulary asks for them */
    QB_ENCODE_PARSE_SPECIAL = 2 /* the text of a control token becomes that token */
};
/*
 * Append the ids of text to *out (left as it was when this fails). Any bytes are accepted: what is not valid
 * UTF-8 is encoded byte by byte. Linear in the length for ordinary text, n log n at worst.
 */
enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *t, const char *text, size_t len, unsigned flags,
                                   struct qb_token_list *out, struct qb_err *err);

/* Append the bytes of one token: perhaps a part of a character. `special`: control tokens give their text. */
void qb_tokenizer_piece(const struct qb_tokenizer *t, int32_t id, bool special, struct qb_buf *out);
/*
 * Append the text of a sequence: its pieces, without the space that encoding put in front. Ids out of range
 * give nothing. Test out->failed.
 */
void qb_tokenizer_decode(const struct qb_tokenizer *t, const int32_t *ids, size_t n, bool special,
                         struct qb_buf *out);

/* Decoding as the tokens come: holds back the bytes of a character until it is complete. */
struct qb_token_stream {
    const struct qb_tokenizer *t;
    bool special, drop_space;
    char held[4];
    size_t n_held;
};
/* at_start: the sequence begins here, so that the space in front is dropped. */
void qb_token_stream_init(struct qb_token_stream *s, const struct qb_tokenizer *t, bool special,
                          bool at_start);
void qb_token_stream_push(struct qb_token_stream *s, int32_t id, struct qb_buf *out);
void qb_token_stream_end(struct qb_token_stream *s, struct qb_buf *out); /* what is still held back */

#endif

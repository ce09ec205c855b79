/*
 * Inside the tokenizer: the vocabulary and what its files share.
 *
 * A symbol is what merging works on: ids below n_tokens are the tokens; the ids above are strings that occur
 * in merges but are no tokens. Among tokens of equal text the first one counts.
 */
#ifndef QB_ENGINE_TOK_VOCAB_H
#define QB_ENGINE_TOK_VOCAB_H

#include "engine/pretok.h"
#include "engine/tokenizer.h"

#define QB_TOK_SPACE     "\xe2\x96\x81" /* U+2581 stands for a space in score-based vocabularies */
#define QB_TOK_SPACE_LEN 3

enum qb_tok_model { QB_TOK_SPM, QB_TOK_BPE };

/* Attributes of a token beside its type. */
enum { QB_TOK_END = 1, QB_TOK_STRIP_RIGHT = 2 };

struct qb_tok_text {
    uint32_t offset, len; /* in pool */
};

struct qb_tok_slot {
    uint32_t hash;
    int32_t symbol; /* -1 = free */
};

struct qb_tok_merge {
    int32_t left, right; /* left -1 = free */
    int32_t rank, result;
};

/* Tokens that are searched for in the text, of one length. */
struct qb_tok_class {
    uint32_t len;
    uint64_t first[4], last[4]; /* which bytes they begin and end with */
};

struct qb_tokenizer {
    enum qb_tok_model model;
    int32_t n_tokens, n_symbols;
    struct qb_tok_text *texts; /* n_symbols of cap_symbols */
    size_t cap_symbols;
    struct qb_buf pool;
    uint8_t *types, *attrs; /* n_tokens */
    struct qb_tok_slot *slots;
    size_t n_slots, n_used; /* n_slots is a power of 2 */

    float *scores;    /* SPM */
    uint32_t max_len; /* SPM: of the longest token */
    bool words_apart; /* SPM: no token goes on into the next word, so that each word can be merged alone */
    struct qb_tok_merge *merges;
    size_t n_merge_slots; /* a power of 2 */
    int32_t bytes[256];   /* SPM: the token of a byte or -1; BPE: the symbol of a byte */
    struct qb_pretok *pretok;

    struct qb_special_ids special;
    bool add_bos, add_eos, add_space_prefix, ignore_merges;

    struct qb_tok_class *classes; /* longest first */
    size_t n_classes;
    uint64_t first_two[1024]; /* bit b0 + 256 b1: a searched token begins so */
};

static inline struct qb_gguf_str qb_tok_text_of(const struct qb_tokenizer *t, int32_t symbol)
{
    return (struct qb_gguf_str){t->pool.data + t->texts[symbol].offset, t->texts[symbol].len};
}

/* tok_vocab.c: texts and symbols. */
int32_t qb_tok_find(const struct qb_tokenizer *t, const char *s, size_t len);
/* Append a text as the next symbol, in the table or (a duplicate) not. */
enum qb_status qb_tok_append(struct qb_tokenizer *t, const char *s, size_t len, struct qb_err *err);
/* The symbol of a text, made when there is none. */
enum qb_status qb_tok_intern(struct qb_tokenizer *t, const char *s, size_t len, int32_t *symbol,
                             struct qb_err *err);

/* tok_special.c: special ids, the end of generation, tokens searched in the text. */
enum qb_status qb_tok_read_special(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err);
struct qb_tok_fragment {
    const char *s;
    size_t len;
    int32_t id; /* -1 = text */
};
struct qb_tok_fragments {
    struct qb_tok_fragment *items; /* owned; pair: free() */
    size_t n;
};
/* Cut text on special tokens. */
enum qb_status qb_tok_partition(const struct qb_tokenizer *t, const char *text, size_t len, bool parse,
                                struct qb_tok_fragments *out, struct qb_err *err);

/* tok_merge.c: merging of neighbours, the best pair first. */
struct qb_tok_symbol {
    uint32_t start, len; /* in the text; len 0 = merged into its left neighbour */
    int32_t id;          /* -1 = not looked up (SPM) */
    int32_t prev, next;  /* -1 = none */
};
struct qb_tok_pair {
    double cost;
    int32_t left, right, id;
    uint32_t len;
};
struct qb_tok_scratch {
    struct qb_tok_symbol *symbols;
    struct qb_tok_pair *heap;
    size_t cap, n_symbols, n_heap;
};
/* May a and its right neighbour b be merged? Lower cost goes first, then the one further left. */
typedef bool qb_tok_join_fn(const struct qb_tokenizer *t, const char *text, const struct qb_tok_symbol *a,
                            const struct qb_tok_symbol *b, double *cost, int32_t *id);
/* Room for n symbols. */
enum qb_status qb_tok_scratch_reserve(struct qb_tok_scratch *s, size_t n, struct qb_err *err);
void qb_tok_scratch_release(struct qb_tok_scratch *s);
void qb_tok_scratch_push(struct qb_tok_scratch *s, uint32_t start, uint32_t len, int32_t id);
/* Merge until nothing can be merged. What is left hangs together by `next`, from symbol 0. */
void qb_tok_merge(const struct qb_tokenizer *t, const char *text, struct qb_tok_scratch *s,
                  qb_tok_join_fn *join);

/* tok_spm.c, tok_bpe.c: the two algorithms. */
enum qb_status qb_tok_spm_read(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err);
enum qb_status qb_tok_spm_encode(const struct qb_tokenizer *t, const char *s, size_t len, bool add_space,
                                 struct qb_tok_scratch *scratch, struct qb_token_list *out,
                                 struct qb_err *err);
enum qb_status qb_tok_bpe_read(struct qb_tokenizer *t, const struct qb_gguf *g, struct qb_err *err);
enum qb_status qb_tok_bpe_encode(const struct qb_tokenizer *t, const char *s, size_t len,
                                 struct qb_tok_scratch *scratch, struct qb_token_list *out,
                                 struct qb_err *err);
/* The byte that a code point of a byte-level text stands for, -1 when none. */
int qb_tok_byte_of(uint32_t cp);

#endif

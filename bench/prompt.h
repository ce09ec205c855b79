/*
 * The text and the vocabulary that `run` and `tokenize` work on.
 */
#ifndef QB_BENCH_PROMPT_H
#define QB_BENCH_PROMPT_H

#include "engine/tokenizer.h"

struct qb_prompt {
    struct qb_tokenizer *tokenizer;
    struct qb_token_list tokens;
};

struct qb_prompt_options {
    const char *model, *text, *file; /* exactly one of text, file and */
    const char *ids_file;            /* a file of token ids: integers among blanks, commas and brackets */
    bool add_special, parse_special;
};

/* Read the vocabulary of a GGUF file and encode the text. Pair: qb_prompt_release. */
enum qb_status qb_prompt_init(struct qb_prompt *p, const struct qb_prompt_options *o, struct qb_err *err);
void qb_prompt_release(struct qb_prompt *p);

#endif

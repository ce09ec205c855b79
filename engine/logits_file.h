/*
 * The file of log-probabilities that llama-perplexity writes and reads with --kl-divergence-base: a text as
 * tokens, and of every scored position the distribution on a 16-bit grid.
 *
 *   8 bytes "_logits_"; int32 n_ctx, n_vocab, n_chunks; int32 tokens[n_chunks][n_ctx]; then for each chunk
 * the rows of its scored positions: float scale, float min; uint16 q[n_vocab], padded to an even number. ln p
 * = min + scale * q. What is 16 below the largest or less is stored as that; entries of at most -16 count for
 * nothing in a divergence.
 */
#ifndef QB_ENGINE_LOGITS_FILE_H
#define QB_ENGINE_LOGITS_FILE_H

#include "base/file.h"
#include "engine/score.h"

/* The positions of a window that are scored: [n_ctx / 2, n_ctx - 1), each by the token after it. */
static inline int qb_scored_first(int n_ctx)
{
    return n_ctx / 2;
}
static inline int qb_scored_count(int n_ctx)
{
    return n_ctx - 1 - n_ctx / 2;
}

struct qb_logits_file {
    struct qb_mapping map;
    int n_ctx, n_vocab;
    int64_t n_chunks;
    const uint8_t *tokens, *rows; /* in the mapping */
    size_t row_bytes;
};

/* Does the file begin as one of these? False also when it cannot be read. */
bool qb_logits_file_detect(const char *path);
/* Pair: qb_logits_file_close. Errors: QB_ERR_IO, QB_ERR_FORMAT (sizes that make no sense, or truncated). */
enum qb_status qb_logits_file_open(struct qb_logits_file *f, const char *path, struct qb_err *err);
void qb_logits_file_close(struct qb_logits_file *f);
/* The n_ctx tokens of a chunk. */
void qb_logits_file_tokens(const struct qb_logits_file *f, int64_t chunk, int32_t *out);
/*
 * Row i of a chunk as logarithms for qb_distribution_of_logs: entries that count for nothing become -1000,
 * but that of the token `next` keeps its value.
 */
void qb_logits_file_row(const struct qb_logits_file *f, int64_t chunk, int i, int32_t next, float *out);

/* create -> rows of all chunks in order -> finish; free at any time aborts (accepts NULL). */
struct qb_logits_writer;
enum qb_status qb_logits_writer_create(struct qb_logits_writer **out, const char *path, int n_ctx,
                                       int n_vocab, int64_t n_chunks, const int32_t *tokens,
                                       struct qb_err *err);
/* The next rows: distributions of logits. */
enum qb_status qb_logits_writer_rows(struct qb_logits_writer *w, const struct qb_distribution *d, int n,
                                     struct qb_err *err);
enum qb_status qb_logits_writer_finish(struct qb_logits_writer *w, struct qb_err *err);
void qb_logits_writer_free(struct qb_logits_writer *w);

#endif

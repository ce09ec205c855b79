/*
 * Reading and writing log-probabilities on a 16-bit grid.
 */
#include "engine/logits_file.h"

#include "base/f16.h"
#include "base/mem.h"
#include "base/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC     "_logits_"
#define FLOOR     (-16.0f)
#define RANGE     16.0f
#define GRID      65535.0f
#define NOTHING   (-1000.0f)
#define HEAD      8 /* bytes of scale and min */
#define MAX_CTX   (1 << 24)
#define MAX_VOCAB (1 << 24)

static size_t row_size(int n_vocab)
{
    return HEAD + 2 * (((size_t)n_vocab + 1) / 2 * 2);
}

bool qb_logits_file_detect(const char *path)
{
    char magic[8];
    FILE *f = fopen(path, "rb");
    bool same = f && fread(magic, 1, sizeof magic, f) == sizeof magic && !memcmp(magic, MAGIC, sizeof magic);
    if (f)
        fclose(f);
    return same;
}

static enum qb_status parse(struct qb_logits_file *f, const char *path, struct qb_err *err)
{
    struct qb_reader r;
    qb_reader_init(&r, f->map.data, f->map.size);
    const uint8_t *magic = qb_read_bytes(&r, 8, "the magic");
    uint32_t n_ctx = qb_read_u32(&r, "n_ctx"), n_vocab = qb_read_u32(&r, "n_vocab"),
             n_chunks = qb_read_u32(&r, "n_chunks");
    QB_TRY(qb_reader_status(&r, path, err));
    if (memcmp(magic, MAGIC, 8) != 0)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': no file of log-probabilities", path);
    if (n_ctx < 4 || n_ctx > MAX_CTX || n_vocab < 1 || n_vocab > MAX_VOCAB || n_chunks < 1 ||
        n_chunks > INT32_MAX)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': %u chunks of %u tokens over a vocabulary of %u at offset 8",
                       path, n_chunks, n_ctx, n_vocab);
    f->n_ctx = (int)n_ctx;
    f->n_vocab = (int)n_vocab;
    f->n_chunks = n_chunks;
    f->row_bytes = row_size(f->n_vocab);
    size_t rows;
    if (!qb_size_mul((size_t)qb_scored_count(f->n_ctx) * n_chunks, f->row_bytes, &rows))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': more rows than any memory holds", path);
    f->tokens = qb_read_bytes(&r, (size_t)n_chunks * n_ctx * sizeof(int32_t), "the tokens");
    f->rows = qb_read_bytes(&r, rows, "the rows");
    return qb_reader_status(&r, path, err);
}

enum qb_status qb_logits_file_open(struct qb_logits_file *f, const char *path, struct qb_err *err)
{
    *f = (struct qb_logits_file){0};
    QB_TRY(qb_mapping_open(&f->map, path, err));
    enum qb_status st = parse(f, path, err);
    if (st)
        qb_logits_file_close(f);
    return st;
}

void qb_logits_file_close(struct qb_logits_file *f)
{
    qb_mapping_close(&f->map);
    *f = (struct qb_logits_file){0};
}

void qb_logits_file_tokens(const struct qb_logits_file *f, int64_t chunk, int32_t *out)
{
    size_t bytes = (size_t)f->n_ctx * sizeof *out;
    memcpy(out, f->tokens + (size_t)chunk * bytes, bytes);
}

void qb_logits_file_row(const struct qb_logits_file *f, int64_t chunk, int i, int32_t next, float *out)
{
    const uint8_t *row =
        f->rows + ((size_t)chunk * (size_t)qb_scored_count(f->n_ctx) + (size_t)i) * f->row_bytes;
    float scale = qb_f32_from_bits(qb_load_u32(row)), min = qb_f32_from_bits(qb_load_u32(row + 4));
    for (int k = 0; k < f->n_vocab; k++) {
        float ln_p = min + scale * (float)qb_load_u16(row + HEAD + 2 * k);
        out[k] = ln_p > FLOOR || k == next ? ln_p : NOTHING;
    }
}

/* ---- writing ---- */

struct qb_logits_writer {
    struct qb_atomic file;
    bool open;
    int n_vocab;
    uint8_t *row;
};

static enum qb_status write_header(struct qb_logits_writer *w, int n_ctx, int64_t n_chunks,
                                   const int32_t *tokens, const char *path, struct qb_err *err)
{
    const int32_t sizes[] = {n_ctx, w->n_vocab, (int32_t)n_chunks};
    size_t n = (size_t)n_chunks * (size_t)n_ctx;
    QB_TRY(qb_atomic_open(&w->file, path, err));
    w->open = true;
    fwrite(MAGIC, 1, 8, w->file.file);
    fwrite(sizes, sizeof *sizes, QB_ARRAY_LEN(sizes), w->file.file);
    if (fwrite(tokens, sizeof *tokens, n, w->file.file) != n)
        return qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", path);
    return QB_OK;
}

enum qb_status qb_logits_writer_create(struct qb_logits_writer **out, const char *path, int n_ctx,
                                       int n_vocab, int64_t n_chunks, const int32_t *tokens,
                                       struct qb_err *err)
{
    struct qb_logits_writer *w = NULL;
    QB_TRY(qb_calloc((void **)&w, 1, sizeof *w, "the writer", err));
    w->n_vocab = n_vocab;
    enum qb_status st = qb_calloc((void **)&w->row, 1, row_size(n_vocab), "the writer", err);
    if (!st)
        st = write_header(w, n_ctx, n_chunks, tokens, path, err);
    if (st)
        qb_logits_writer_free(w);
    else
        *out = w;
    return st;
}

static void fill_row(uint8_t *row, const struct qb_distribution *d, int n)
{
    float max = d->shift, min = max;
    for (int i = 0; i < n; i++)
        min = d->x[i] < min ? d->x[i] : min;
    min = min > max - RANGE ? min : max - RANGE;
    float head[] = {(max - min) / GRID, (float)((double)min - d->ln_sum)};
    float per_unit = head[0] > 0 ? 1 / head[0] : 0;
    memcpy(row, head, sizeof head);
    for (int i = 0; i < n; i++) {
        float at = d->x[i] > min ? rintf((d->x[i] - min) * per_unit) : 0;
        uint16_t q = (uint16_t)(at < GRID ? at : GRID);
        memcpy(row + HEAD + 2 * i, &q, sizeof q);
    }
}

enum qb_status qb_logits_writer_rows(struct qb_logits_writer *w, const struct qb_distribution *d, int n,
                                     struct qb_err *err)
{
    size_t bytes = row_size(w->n_vocab);
    for (int i = 0; i < n; i++) {
        fill_row(w->row, &d[i], w->n_vocab);
        if (fwrite(w->row, 1, bytes, w->file.file) != bytes)
            return qb_fail_errno(err, QB_ERR_IO, "cannot write '%s'", w->file.path);
    }
    return QB_OK;
}

enum qb_status qb_logits_writer_finish(struct qb_logits_writer *w, struct qb_err *err)
{
    w->open = false;
    return qb_atomic_commit(&w->file, err);
}

void qb_logits_writer_free(struct qb_logits_writer *w)
{
    if (!w)
        return;
    if (w->open)
        qb_atomic_abort(&w->file);
    free(w->row);
    free(w);
}

/*
 * Writing importance matrices, in either form (imatrix_read.c describes them).
 */
#include "base/buf.h"
#include "engine/imatrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A file without entries would be none. */
static bool has_data(const struct qb_imatrix_entry *e)
{
    for (int64_t m = 0; m < e->n_mat; m++)
        if (e->counts[m] > 0)
            return true;
    return false;
}

static enum qb_status check(const struct qb_imatrix *im, const char *path, struct qb_err *err)
{
    for (size_t i = 0; i < im->n; i++)
        if (has_data(&im->entries[i]))
            return QB_OK;
    return qb_fail(err, QB_ERR_CHECK, "nothing to write to '%s': no tensor has data", path);
}

/* ---- GGUF ---- */

static enum qb_status put_facts(struct qb_gguf_writer *w, const struct qb_imatrix *im, struct qb_err *err)
{
    static const char key[] = "imatrix.datasets";
    struct qb_buf names;
    qb_buf_init(&names, 0);
    for (size_t i = 0; i < im->datasets.n; i++) {
        uint64_t len = strlen(im->datasets.items[i]);
        qb_buf_append(&names, &len, sizeof len);
        qb_buf_append(&names, im->datasets.items[i], len);
    }
    struct qb_gguf_kv kv = {.key = {key, sizeof key - 1},
                            .type = QB_GGUF_ARRAY,
                            .elem_type = QB_GGUF_STRING,
                            .n = im->datasets.n,
                            .data = (const uint8_t *)(names.data ? names.data : ""),
                            .bytes = names.len};
    enum qb_status st = qb_buf_status(&names, "the names of the texts", err);
    if (!st)
        st = qb_gguf_put_str(w, "general.type", "imatrix", err);
    if (!st)
        st = qb_gguf_put_kv(w, &kv, err);
    qb_buf_release(&names);
    QB_TRY(st);
    QB_TRY(qb_gguf_put_u32(w, "imatrix.chunk_count", im->n_chunks, err));
    return qb_gguf_put_u32(w, "imatrix.chunk_size", im->chunk_size, err);
}

/* One tensor {ne0, n_mat}: announced, or (data) written. */
static enum qb_status put_tensor(struct qb_gguf_writer *w, const struct qb_imatrix_entry *e,
                                 const char *suffix, int64_t ne0, const float *v, bool data,
                                 struct qb_err *err)
{
    size_t bytes = (size_t)ne0 * (size_t)e->n_mat * sizeof *v;
    if (data)
        return qb_gguf_write(w, v, bytes, err);
    struct qb_buf name;
    qb_buf_init(&name, 0);
    qb_buf_printf(&name, "%s%s", e->name, suffix);
    enum qb_status st = qb_buf_status(&name, "a name", err);
    if (!st)
        st = qb_gguf_add_tensor(w, name.data, e->n_mat > 1 ? 2 : 1, (int64_t[]){ne0, e->n_mat}, QB_GGML_F32,
                                bytes, err);
    qb_buf_release(&name);
    return st;
}

static enum qb_status put_entries(struct qb_gguf_writer *w, const struct qb_imatrix *im, bool data,
                                  struct qb_err *err)
{
    for (size_t i = 0; i < im->n; i++) {
        const struct qb_imatrix_entry *e = &im->entries[i];
        if (!has_data(e))
            continue;
        QB_TRY(put_tensor(w, e, ".in_sum2", e->n_in, e->sum2, data, err));
        QB_TRY(put_tensor(w, e, ".counts", 1, e->counts, data, err));
        if (e->sum)
            QB_TRY(put_tensor(w, e, ".in_sum", e->n_in, e->sum, data, err));
    }
    return QB_OK;
}

static enum qb_status write_gguf(struct qb_gguf_writer *w, const struct qb_imatrix *im,
                                 const struct qb_gguf_kv *extra, size_t n_extra, struct qb_err *err)
{
    QB_TRY(put_facts(w, im, err));
    for (size_t i = 0; i < n_extra; i++)
        QB_TRY(qb_gguf_put_kv(w, &extra[i], err));
    QB_TRY(put_entries(w, im, false, err));
    QB_TRY(qb_gguf_begin_data(w, err));
    QB_TRY(put_entries(w, im, true, err));
    return qb_gguf_writer_finish(w, err);
}

/* ---- the older form ---- */

static void put_i32(FILE *f, int64_t v)
{
    int32_t x = (int32_t)(v > INT32_MAX ? INT32_MAX : v);
    fwrite(&x, sizeof x, 1, f);
}

static void put_text(FILE *f, const char *s)
{
    put_i32(f, (int64_t)strlen(s));
    fwrite(s, 1, strlen(s), f);
}

/* Chunks that the busiest expert has seen, begun ones included, so that they are not 0. */
static int64_t chunks_of(const struct qb_imatrix_entry *e, uint32_t chunk_size)
{
    float most = 0;
    for (int64_t m = 0; m < e->n_mat; m++)
        most = fmaxf(most, e->counts[m]);
    return (int64_t)fmin(ceil((double)most / (chunk_size ? chunk_size : 1)), INT32_MAX);
}

static void put_old_entry(FILE *f, const struct qb_imatrix_entry *e, uint32_t chunk_size)
{
    int64_t chunks = chunks_of(e, chunk_size);
    put_text(f, e->name);
    put_i32(f, chunks);
    put_i32(f, (int64_t)qb_imatrix_n_values(e));
    for (size_t i = 0; i < qb_imatrix_n_values(e); i++) {
        float v;
        qb_imatrix_importance(e, i, 1, &v);
        v *= (float)chunks;
        fwrite(&v, sizeof v, 1, f);
    }
}

static void write_old(FILE *f, const struct qb_imatrix *im)
{
    int64_t n = 0;
    for (size_t i = 0; i < im->n; i++)
        n += has_data(&im->entries[i]);
    put_i32(f, n);
    for (size_t i = 0; i < im->n; i++)
        if (has_data(&im->entries[i]))
            put_old_entry(f, &im->entries[i], im->chunk_size);
    put_i32(f, im->n_chunks);
    put_text(f, qb_imatrix_dataset(im));
}

enum qb_status qb_imatrix_write(const struct qb_imatrix *im, const char *path, enum qb_imatrix_form form,
                                const struct qb_gguf_kv *extra, size_t n_extra, struct qb_err *err)
{
    QB_TRY(check(im, path, err));
    if (form == QB_IMATRIX_DAT) {
        struct qb_atomic file;
        QB_TRY(qb_atomic_open(&file, path, err));
        write_old(file.file, im);
        return qb_atomic_commit(&file, err);
    }
    struct qb_gguf_writer *w;
    QB_TRY(qb_gguf_writer_create(&w, path, err));
    enum qb_status st = write_gguf(w, im, extra, n_extra, err);
    qb_gguf_writer_free(w);
    return st;
}

/*
 * What the files of an output hold: metadata, parts, paths, sizes. Keys and their meaning: docs/formats.md.
 */
#include "engine/quantize_file.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUANTIZATION_VERSION 2
#define MOST_OWN_RECORDS     9
#define MAX_PARTS            UINT16_MAX

/* ---- metadata ---- */

static struct qb_gguf_str text(const char *s)
{
    return (struct qb_gguf_str){s, strlen(s)};
}

static struct qb_gguf_kv record(const char *key, enum qb_gguf_type type, const void *data, size_t bytes)
{
    return (struct qb_gguf_kv){.key = text(key), .type = type, .data = data, .bytes = bytes};
}

static bool has_key(const struct qb_gguf_kv *kv, const char *key)
{
    return kv->key.len == strlen(key) && memcmp(kv->key.s, key, kv->key.len) == 0;
}

static bool has_prefix(const struct qb_gguf_kv *kv, const char *prefix)
{
    return kv->key.len >= strlen(prefix) && memcmp(kv->key.s, prefix, strlen(prefix)) == 0;
}

/* Take the place of the record with this key, or go to the end. */
static void put(struct qb_quant_file *f, struct qb_gguf_kv kv)
{
    for (size_t i = 0; i < f->n_kv; i++)
        if (f->kv[i].key.len == kv.key.len && memcmp(f->kv[i].key.s, kv.key.s, kv.key.len) == 0) {
            f->kv[i] = kv;
            return;
        }
    f->kv[f->n_kv++] = kv;
}

static void put_imatrix(struct qb_quant_file *f, const struct qb_imatrix *im)
{
    const char *dataset = qb_imatrix_dataset(im);
    f->n_entries = (uint32_t)im->n;
    f->n_chunks = im->n_chunks;
    put(f, record("quantize.imatrix.file", QB_GGUF_STRING, im->path, strlen(im->path)));
    if (dataset[0])
        put(f, record("quantize.imatrix.dataset", QB_GGUF_STRING, dataset, strlen(dataset)));
    put(f, record("quantize.imatrix.entries_count", QB_GGUF_U32, &f->n_entries, sizeof f->n_entries));
    if (im->n_chunks)
        put(f, record("quantize.imatrix.chunks_count", QB_GGUF_U32, &f->n_chunks, sizeof f->n_chunks));
}

static enum qb_status make_metadata(struct qb_quant_file *f, const struct qb_quant_job *job,
                                    struct qb_err *err)
{
    const struct qb_gguf *g = job->source;
    int id = f->plan->ftype->gguf_id;
    f->file_type = (uint32_t)(id >= 0 ? id : QB_FTYPE_ID_IQ4_NL);
    f->version = QUANTIZATION_VERSION;
    QB_TRY(qb_calloc((void **)&f->kv, qb_gguf_n_kv(g) + MOST_OWN_RECORDS, sizeof *f->kv, "metadata", err));
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++) {
        const struct qb_gguf_kv *kv = qb_gguf_kv_at(g, i);
        if (has_prefix(kv, "split.") || (job->imatrix && has_prefix(kv, "quantize.imatrix.")))
            continue;
        if (has_key(kv, "general.alignment"))
            f->alignment = *kv;
        f->kv[f->n_kv++] = *kv;
    }
    put(f, record("general.quantization_version", QB_GGUF_U32, &f->version, sizeof f->version));
    put(f, record("general.file_type", QB_GGUF_U32, &f->file_type, sizeof f->file_type));
    if (job->imatrix)
        put_imatrix(f, job->imatrix);
    f->align = qb_gguf_alignment(g);
    return QB_OK;
}

/* ---- parts ---- */

static size_t padded(const struct qb_quant_file *f, size_t bytes)
{
    return qb_align_up(bytes, f->align);
}

static enum qb_status assign_parts(struct qb_quant_file *f, const struct qb_quant_job *job,
                                   const struct qb_quant_output *o, struct qb_err *err)
{
    uint64_t used = 0;
    QB_TRY(qb_calloc((void **)&f->part, f->plan->n + 1, sizeof *f->part, "parts", err));
    f->n_parts = o->keep_split ? qb_gguf_n_files(job->source) : 1;
    for (size_t i = 0; i < f->plan->n; i++) {
        const struct qb_quant_tensor *t = &f->plan->tensors[i];
        if (o->keep_split) {
            f->part[i] = (uint16_t)t->source->file;
            continue;
        }
        if (o->split_bytes && used > 0 && used + t->bytes > o->split_bytes) {
            if (f->n_parts == MAX_PARTS)
                return qb_fail(err, QB_ERR_USAGE, "parts of at most %llu bytes are too many",
                               (unsigned long long)o->split_bytes);
            f->n_parts++;
            used = 0;
        }
        used += t->bytes;
        f->part[i] = (uint16_t)(f->n_parts - 1);
    }
    return QB_OK;
}

static void make_split_records(struct qb_quant_file *f)
{
    f->split_count = (uint16_t)f->n_parts;
    f->split_tensors = (int32_t)f->plan->n;
    f->split_kv[0] = record("split.no", QB_GGUF_U16, &f->split_no, sizeof f->split_no);
    f->split_kv[1] = record("split.count", QB_GGUF_U16, &f->split_count, sizeof f->split_count);
    f->split_kv[2] = record("split.tensors.count", QB_GGUF_I32, &f->split_tensors, sizeof f->split_tensors);
}

static enum qb_status make_paths(struct qb_quant_file *f, const char *path, struct qb_err *err)
{
    size_t len = strlen(path);
    if (len > 5 && strcmp(path + len - 5, ".gguf") == 0)
        len -= 5;
    QB_TRY(qb_calloc((void **)&f->paths, (size_t)f->n_parts, sizeof *f->paths, "paths", err));
    if (f->n_parts == 1)
        return qb_strdup(&f->paths[0], path, err);
    for (int i = 0; i < f->n_parts; i++)
        if (asprintf(&f->paths[i], "%.*s-%05d-of-%05d.gguf", (int)len, path, i + 1, f->n_parts) < 0) {
            f->paths[i] = NULL;
            return qb_fail(err, QB_ERR_MEMORY, "not enough memory for the paths");
        }
    return QB_OK;
}

void qb_quant_file_release(struct qb_quant_file *f)
{
    for (int i = 0; f->paths && i < f->n_parts; i++)
        free(f->paths[i]);
    free(f->paths);
    free(f->part);
    free(f->kv);
    *f = (struct qb_quant_file){0};
}

enum qb_status qb_quant_file_init(struct qb_quant_file *f, const struct qb_quant_job *job,
                                  const struct qb_quant_output *o, struct qb_err *err)
{
    *f = (struct qb_quant_file){.plan = o->plan};
    QB_TRY(make_metadata(f, job, err));
    QB_TRY(assign_parts(f, job, o, err));
    make_split_records(f);
    return make_paths(f, o->path, err);
}

/* ---- sizes ---- */

static uint64_t record_bytes(const struct qb_gguf_kv *kv)
{
    uint64_t head = 8 + kv->key.len + 4;
    if (kv->type == QB_GGUF_STRING)
        return head + 8 + kv->bytes;
    return head + (kv->type == QB_GGUF_ARRAY ? 12 : 0) + kv->bytes;
}

static uint64_t part_bytes(const struct qb_quant_file *f, int part)
{
    uint64_t head = 24, data = 0;
    for (size_t i = 0; part == 0 && i < f->n_kv; i++)
        head += record_bytes(&f->kv[i]);
    if (part > 0 && f->alignment.key.s)
        head += record_bytes(&f->alignment);
    for (size_t i = 0; f->n_parts > 1 && i < QB_ARRAY_LEN(f->split_kv); i++)
        head += record_bytes(&f->split_kv[i]);
    for (size_t i = 0; i < f->plan->n; i++) {
        const struct qb_quant_tensor *t = &f->plan->tensors[i];
        if (f->part[i] != part)
            continue;
        head += 8 + strlen(t->name) + 4 + 8 * (uint64_t)t->n_dims + 4 + 8;
        data += padded(f, t->bytes);
    }
    return padded(f, head) + data;
}

uint64_t qb_quant_file_bytes(const struct qb_quant_file *f)
{
    uint64_t sum = 0;
    for (int i = 0; i < f->n_parts; i++)
        sum += part_bytes(f, i);
    return sum;
}

enum qb_status qb_quant_output_bytes(uint64_t *bytes, const struct qb_quant_job *job,
                                     const struct qb_quant_output *o, struct qb_err *err)
{
    struct qb_quant_file f;
    enum qb_status st = qb_quant_file_init(&f, job, o, err);
    *bytes = st ? 0 : qb_quant_file_bytes(&f);
    qb_quant_file_release(&f);
    return st;
}

enum qb_status qb_quant_output_paths(struct qb_str_list *list, const struct qb_quant_job *job,
                                     const struct qb_quant_output *o, struct qb_err *err)
{
    struct qb_quant_file f;
    enum qb_status st = qb_quant_file_init(&f, job, o, err);
    for (int i = 0; i < f.n_parts && !st; i++)
        st = qb_str_list_add(list, f.paths[i], err);
    qb_quant_file_release(&f);
    return st;
}

/* ---- writing the head ---- */

enum qb_status qb_quant_file_begin(struct qb_quant_file *f, int part, struct qb_gguf_writer *w,
                                   struct qb_err *err)
{
    for (size_t i = 0; part == 0 && i < f->n_kv; i++)
        QB_TRY(qb_gguf_put_kv(w, &f->kv[i], err));
    if (part > 0 && f->alignment.key.s)
        QB_TRY(qb_gguf_put_kv(w, &f->alignment, err));
    f->split_no = (uint16_t)part;
    for (size_t i = 0; f->n_parts > 1 && i < QB_ARRAY_LEN(f->split_kv); i++)
        QB_TRY(qb_gguf_put_kv(w, &f->split_kv[i], err));
    for (size_t i = 0; i < f->plan->n; i++) {
        const struct qb_quant_tensor *t = &f->plan->tensors[i];
        if (f->part[i] == part)
            QB_TRY(qb_gguf_add_tensor(w, t->name, t->n_dims, t->ne, t->type_id, t->bytes, err));
    }
    return qb_gguf_begin_data(w, err);
}

/* ---- is it there already? ---- */

static bool same_record(const struct qb_gguf_kv *a, const struct qb_gguf_kv *b)
{
    return a->key.len == b->key.len && memcmp(a->key.s, b->key.s, a->key.len) == 0 && a->type == b->type &&
           (a->type != QB_GGUF_ARRAY || (a->elem_type == b->elem_type && a->n == b->n)) &&
           a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

static bool same_metadata(const struct qb_quant_file *f, const struct qb_gguf *g)
{
    size_t n_split = f->n_parts > 1 ? QB_ARRAY_LEN(f->split_kv) : 0;
    if (qb_gguf_n_kv(g) != f->n_kv + n_split)
        return false;
    for (size_t i = 0; i < f->n_kv + n_split; i++)
        if (!same_record(i < f->n_kv ? &f->kv[i] : &f->split_kv[i - f->n_kv], qb_gguf_kv_at(g, i)))
            return false;
    return true;
}

static bool same_tensors(const struct qb_quant_file *f, const struct qb_gguf *g)
{
    if (qb_gguf_n_tensors(g) != f->plan->n || qb_gguf_n_files(g) != f->n_parts)
        return false;
    for (size_t i = 0; i < f->plan->n; i++) {
        const struct qb_quant_tensor *t = &f->plan->tensors[i];
        const struct qb_gguf_tensor *x = qb_gguf_tensor_at(g, i);
        if (strcmp(t->name, x->name) != 0 || t->type_id != x->type_id ||
            memcmp(t->ne, x->ne, sizeof t->ne) != 0 || f->part[i] != x->file)
            return false;
    }
    return true;
}

static bool is_older(const char *path, const struct stat *than)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    return st.st_mtim.tv_sec < than->st_mtim.tv_sec ||
           (st.st_mtim.tv_sec == than->st_mtim.tv_sec && st.st_mtim.tv_nsec < than->st_mtim.tv_nsec);
}

static bool is_newer_than_sources(const struct qb_quant_file *f, const struct qb_quant_job *job)
{
    for (int i = 0; i < f->n_parts; i++) {
        struct stat st;
        if (stat(f->paths[i], &st) != 0)
            return false;
        for (int p = 0; p < qb_gguf_n_files(job->source); p++)
            if (!is_older(qb_gguf_file_path(job->source, p), &st))
                return false;
        if (job->imatrix && job->imatrix->path[0] && !is_older(job->imatrix->path, &st))
            return false;
    }
    return true;
}

bool qb_quant_output_is_done(const struct qb_quant_job *job, const struct qb_quant_output *o)
{
    struct qb_quant_file f;
    struct qb_gguf *g = NULL;
    bool done = qb_quant_file_init(&f, job, o, NULL) == QB_OK && is_newer_than_sources(&f, job) &&
                qb_gguf_open(&g, f.paths[0], NULL) == QB_OK &&
                qb_gguf_file_bytes(g) == qb_quant_file_bytes(&f) && same_metadata(&f, g) &&
                same_tensors(&f, g);
    qb_gguf_close(g);
    qb_quant_file_release(&f);
    return done;
}

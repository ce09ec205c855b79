/*
 * Split sets: PREFIX-00001-of-00003.gguf. Any part opens the whole set; the names of the others come from the
 * one given, and every part must say itself that it is the part its name promises.
 */
#include "base/mem.h"
#include "engine/gguf_part.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX_BYTES (sizeof "-00001-of-00001.gguf" - 1)

struct split_keys {
    uint64_t no, count;
    uint64_t n_tensors;
    bool has_n_tensors;
};

static enum qb_status read_key(const struct qb_gguf_part *p, const char *key, uint64_t max, uint64_t *out,
                               bool *found, struct qb_err *err)
{
    const struct qb_gguf_kv *kv = qb_gguf_part_find(p, key);
    *found = kv != NULL;
    *out = 0;
    if (kv && (!qb_gguf_kv_u64(kv, out) || *out > max))
        return qb_fail(err, QB_ERR_FORMAT, "'%s': key '%s' is not a number from 0 to %" PRIu64, p->path, key,
                       max);
    return QB_OK;
}

static enum qb_status read_keys(const struct qb_gguf_part *p, struct split_keys *k, struct qb_err *err)
{
    bool found;
    QB_TRY(read_key(p, "split.count", UINT16_MAX, &k->count, &found, err));
    QB_TRY(read_key(p, "split.no", UINT16_MAX, &k->no, &found, err));
    return read_key(p, "split.tensors.count", INT32_MAX, &k->n_tensors, &k->has_n_tensors, err);
}

static void part_suffix(char out[64], uint64_t no, uint64_t count)
{
    snprintf(out, 64, "-%05" PRIu64 "-of-%05" PRIu64 ".gguf", no + 1, count);
}

/* Is this the part that it should be? */
static enum qb_status check_part(const struct qb_gguf_part *p, uint64_t no, const struct split_keys *set,
                                 struct qb_err *err)
{
    struct split_keys k;
    QB_TRY(read_keys(p, &k, err));
    if (k.count != set->count || k.no != no)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s' says it is part %" PRIu64 " of %" PRIu64 ", expected part %" PRIu64
                       " of %" PRIu64,
                       p->path, k.no + 1, k.count, no + 1, set->count);
    if (k.has_n_tensors != set->has_n_tensors || k.n_tensors != set->n_tensors)
        return qb_fail(err, QB_ERR_FORMAT, "'%s' belongs to a set of %" PRIu64 " tensors, expected %" PRIu64,
                       p->path, k.n_tensors, set->n_tensors);
    return QB_OK;
}

static enum qb_status open_sibling(struct qb_gguf_part *out, const char *given, size_t prefix_len,
                                   uint64_t no, const struct split_keys *set, struct qb_err *err)
{
    char suffix[64];
    part_suffix(suffix, no, set->count);
    char *path;
    QB_TRY(qb_calloc((void **)&path, prefix_len + strlen(suffix) + 1, 1, "file name", err));
    memcpy(path, given, prefix_len);
    strcpy(path + prefix_len, suffix);
    enum qb_status status = qb_gguf_part_open(out, path, err);
    if (status != QB_OK)
        status =
            qb_err_prefix(err, status, "part %" PRIu64 " of %" PRIu64 " of '%s'", no + 1, set->count, given);
    free(path);
    return status;
}

static enum qb_status open_parts(struct qb_gguf_part *parts, size_t given_no, const char *given,
                                 size_t prefix_len, const struct split_keys *set, struct qb_err *err)
{
    uint64_t n_tensors = 0;
    for (uint64_t i = 0; i < set->count; i++) {
        if (i != given_no)
            QB_TRY(open_sibling(&parts[i], given, prefix_len, i, set, err));
        QB_TRY(check_part(&parts[i], i, set, err));
        n_tensors += parts[i].n_tensors;
    }
    if (set->has_n_tensors && n_tensors != set->n_tensors)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s': the set holds %" PRIu64 " tensors, split.tensors.count says %" PRIu64, given,
                       n_tensors, set->n_tensors);
    return QB_OK;
}

/* Take apart the name of the given part; *prefix_len is what precedes "-00001-of-00003.gguf". */
static enum qb_status check_name(const struct qb_gguf_part *p, const struct split_keys *k, size_t *prefix_len,
                                 struct qb_err *err)
{
    if (k->no >= k->count)
        return qb_fail(err, QB_ERR_FORMAT, "'%s': split.no %" PRIu64 " of only %" PRIu64 " parts", p->path,
                       k->no, k->count);
    char suffix[64];
    part_suffix(suffix, k->no, k->count);
    size_t len = strlen(p->path);
    if (len < SUFFIX_BYTES || strcmp(p->path + len - SUFFIX_BYTES, suffix) != 0)
        return qb_fail(err, QB_ERR_FORMAT,
                       "'%s' is part %" PRIu64 " of %" PRIu64 " but its name does not end in '%s'", p->path,
                       k->no + 1, k->count, suffix);
    *prefix_len = len - SUFFIX_BYTES;
    return QB_OK;
}

enum qb_status qb_gguf_split_open(struct qb_gguf_part *first, struct qb_gguf_part **out, int *n,
                                  struct qb_err *err)
{
    struct split_keys set = {0};
    size_t prefix_len = 0, given = 0, count = 1;
    struct qb_gguf_part *parts = NULL;
    enum qb_status status = read_keys(first, &set, err);
    if (status == QB_OK && set.count > 1) {
        status = check_name(first, &set, &prefix_len, err);
        count = (size_t)set.count;
        given = (size_t)set.no;
    }
    if (status == QB_OK)
        status = qb_calloc((void **)&parts, count, sizeof *parts, "file table", err);
    if (status != QB_OK) {
        qb_gguf_part_release(first);
        return status;
    }
    parts[given] = *first;
    *first = (struct qb_gguf_part){0};
    if (count > 1)
        status = open_parts(parts, given, parts[given].path, prefix_len, &set, err);
    if (status != QB_OK) {
        for (size_t i = 0; i < count; i++)
            qb_gguf_part_release(&parts[i]);
        free(parts);
        return status;
    }
    *out = parts;
    *n = (int)count;
    return QB_OK;
}

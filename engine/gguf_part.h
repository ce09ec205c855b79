/*
 * Inside of the GGUF reader: one file of a set. Used by gguf.c, gguf_parse.c and gguf_split.c only.
 */
#ifndef QB_ENGINE_GGUF_PART_H
#define QB_ENGINE_GGUF_PART_H

#include "engine/gguf.h"

/* Most records and tensors in one file: far above every model, low enough that no count makes us allocate
 * much. */
#define QB_GGUF_MAX_RECORDS (1u << 20)

struct qb_gguf_part {
    char *path;
    struct qb_mapping map;
    bool mapped; /* we own map */
    uint32_t version;
    size_t alignment, data_start;
    struct qb_gguf_kv *kv;
    uint32_t *kv_order; /* indices of kv by key */
    size_t n_kv;
    struct qb_gguf_tensor *tensors;
    size_t n_tensors;
};

/* Parse and check part->map. part is zeroed but for path, map and mapped. Pair: qb_gguf_part_release (also on
 * failure). */
enum qb_status qb_gguf_part_parse(struct qb_gguf_part *part, struct qb_err *err);
enum qb_status qb_gguf_part_open(struct qb_gguf_part *part, const char *path, struct qb_err *err);
void qb_gguf_part_release(struct qb_gguf_part *part);
const struct qb_gguf_kv *qb_gguf_part_find(const struct qb_gguf_part *part, const char *key);

/* Integer value of a scalar record; false when it is no integer, or negative where u64. */
bool qb_gguf_kv_u64(const struct qb_gguf_kv *kv, uint64_t *out);

/*
 * The parts of the set that `first` (open, moved from) belongs to, in order, allocated; *n of them. A file
 * that is not split gives one. On failure everything is released.
 */
enum qb_status qb_gguf_split_open(struct qb_gguf_part *first, struct qb_gguf_part **out, int *n,
                                  struct qb_err *err);

/* A printable, shortened copy of bytes from a file, for messages. */
struct qb_gguf_label {
    char text[72];
};
struct qb_gguf_label qb_gguf_label(struct qb_gguf_str s);

#endif

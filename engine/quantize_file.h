/*
 * Inside of the quantizer: what the files of one output hold, known before a weight is touched.
 */
#ifndef QB_ENGINE_QUANTIZE_FILE_H
#define QB_ENGINE_QUANTIZE_FILE_H

#include "engine/quantize.h"

struct qb_quant_file {
    const struct qb_quant_plan *plan;
    struct qb_gguf_kv *kv; /* of the first part: the source's in their order, then ours */
    size_t n_kv;
    struct qb_gguf_kv split_kv[3]; /* of every part of a set: number, count, tensors */
    struct qb_gguf_kv alignment;   /* key.s NULL: the default */
    size_t align;
    int n_parts;
    uint16_t *part; /* of every tensor of the plan */
    char **paths;   /* one a part */
    /* values of our own records */
    uint32_t file_type, version, n_entries, n_chunks;
    uint16_t split_no, split_count;
    int32_t split_tensors;
};

/* The struct must not move afterwards. Pair: qb_quant_file_release (also after a failure). */
enum qb_status qb_quant_file_init(struct qb_quant_file *f, const struct qb_quant_job *job,
                                  const struct qb_quant_output *o, struct qb_err *err);
void qb_quant_file_release(struct qb_quant_file *f);
/* Bytes of all parts. */
uint64_t qb_quant_file_bytes(const struct qb_quant_file *f);
/* Write metadata and tensor infos of a part; data comes next. */
enum qb_status qb_quant_file_begin(struct qb_quant_file *f, int part, struct qb_gguf_writer *w,
                                   struct qb_err *err);

#endif

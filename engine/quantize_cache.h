/*
 * Encoded tensors on disk, found by what they were made of: the bytes of the source, the type, the
 * importances, and the build. One file each, written atomically, checked when it is read; the least recently
 * used ones make room.
 */
#ifndef QB_ENGINE_QUANTIZE_CACHE_H
#define QB_ENGINE_QUANTIZE_CACHE_H

#include "base/file.h"
#include "engine/imatrix.h"

struct qb_quant_cache;

/* What a tensor is made of, but for the type. */
struct qb_quant_origin {
    uint64_t hash[2];
};

/*
 * Open a cache in a folder, which is made when it is missing; NULL: qbench/quantized in the user's cache
 * folder (XDG_CACHE_HOME, else ~/.cache).
 * @param salt       differs whenever encoders may make other bytes
 * @param max_bytes  of all files together
 * Pair: qb_quant_cache_close (accepts NULL). Errors: QB_ERR_IO, QB_ERR_NOT_FOUND (no such folder is known).
 */
enum qb_status qb_quant_cache_open(struct qb_quant_cache **out, const char *folder, const char *salt,
                                   uint64_t max_bytes, struct qb_err *err);
void qb_quant_cache_close(struct qb_quant_cache *c);

/* Reads the whole tensor, and the whole entry (or NULL). */
struct qb_quant_origin qb_quant_cache_origin(const struct qb_quant_cache *c, const struct qb_gguf_tensor *t,
                                             const struct qb_imatrix_entry *importance);
/*
 * Map the encoding of this origin in this type; *data has `bytes` bytes, aligned to 64. False when there is
 * none or it is damaged. Pair: qb_mapping_close.
 */
bool qb_quant_cache_find(struct qb_quant_cache *c, const struct qb_quant_origin *o, int type_id, size_t bytes,
                         struct qb_mapping *map, const uint8_t **data);
/*
 * Put one in; older ones make room. Does nothing with one that is larger than the whole cache. After a
 * failure (a full disk) the cache takes no more: the first status says why, later calls return QB_OK.
 */
enum qb_status qb_quant_cache_put(struct qb_quant_cache *c, const struct qb_quant_origin *o, int type_id,
                                  const void *data, size_t bytes, struct qb_err *err);

#endif

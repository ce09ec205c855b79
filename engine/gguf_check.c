/*
 * Validity of tensor data: block scales and float weights must be finite.
 */
#include "base/mem.h"
#include "engine/gguf.h"
#include <stdlib.h>

/* Interleaved blocks are put back into rows first, a group at a time. */
static enum qb_status check_interleaved(const struct qb_gguf_tensor *t, int64_t *bad_block,
                                        struct qb_err *err)
{
    const struct qb_format *f = t->format;
    int rows = qb_layout_get(t->layout)->rows;
    size_t row = qb_format_bytes(f, t->ne[0]), group = row * (size_t)rows;
    int64_t blocks = t->ne[0] / f->block_elems * rows;
    uint8_t *plain;
    QB_TRY(qb_calloc((void **)&plain, group, 1, "rows to check", err));
    for (size_t g = 0; g < t->bytes / group && *bad_block < 0; g++) {
        qb_layout_unpack(t->layout, f, t->ne[0], t->data + g * group, plain, row);
        int64_t bad = f->check(plain, blocks);
        if (bad >= 0)
            *bad_block = (int64_t)g * blocks + bad;
    }
    free(plain);
    return QB_OK;
}

enum qb_status qb_gguf_tensor_check(const struct qb_gguf_tensor *t, int64_t *bad_block, struct qb_err *err)
{
    *bad_block = -1;
    if (!t->format)
        return qb_fail(err, QB_ERR_UNSUPPORTED, "tensor '%s': this build cannot decode %s", t->name,
                       qb_gguf_type_name(t->type_id));
    if (t->layout != QB_LAYOUT_PLAIN)
        return check_interleaved(t, bad_block, err);
    *bad_block = t->format->check(t->data, (int64_t)(t->bytes / (size_t)t->format->block_bytes));
    return QB_OK;
}

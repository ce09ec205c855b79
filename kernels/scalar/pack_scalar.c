/*
 * Packing rows into a layout field by field, as packings.def lists them.
 */
#include "kernels/kernel_protos.h"

void qb_pack_scalar(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                    size_t stride, uint8_t *dst)
{
    qb_layout_pack(layout, f, n_cols, src, stride, dst);
}

/*
 * The encoders of one instruction set, by format.
 */
#include "kernels/encode/encode_ops.h"

#define QB_ENCODER(id) [QB_FORMAT_##id] = QB_ENCODE_FN(id),
extern qb_encode_row_fn *const QB_ENCODE_FN(set)[QB_FORMAT_COUNT];
qb_encode_row_fn *const QB_ENCODE_FN(set)[QB_FORMAT_COUNT] = {
#include "kernels/encode/encoders.def"
};
#undef QB_ENCODER

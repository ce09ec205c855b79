/*
 * The table of weight formats, expanded from formats.def, and its look-ups.
 */
#include "kernels/format.h"
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <strings.h>

#define QB_OFFSET_0 0
#define QB_OFFSET_3 3
#define QB_OFFSET_4 4
#define QB_OFFSET_5 5
#define QB_OFFSET_6 6
#define QB_OFFSET_7 7

/* sub = 0 marks a float format: it has no integer codes. */
#define QB_FORMAT(id_, gguf, elems, bytes, act_, sub_, shift, min_, scale_)                                  \
    [QB_FORMAT_##id_] = {.id = QB_FORMAT_##id_,                                                              \
                         .name = #id_,                                                                       \
                         .gguf_id = gguf,                                                                    \
                         .block_elems = elems,                                                               \
                         .block_bytes = bytes,                                                               \
                         .act = QB_ACT_##act_,                                                               \
                         .sub = sub_,                                                                        \
                         .offset_shift = QB_OFFSET_##shift,                                                  \
                         .min = QB_MIN_##min_,                                                               \
                         .scale = QB_SCALE_##scale_,                                                         \
                         .quantized = (sub_) != 0,                                                           \
                         .decode = qb_decode_##id_,                                                          \
                         .codes = (sub_) ? qb_codes_##id_ : NULL,                                            \
                         .synth = qb_synth_##id_,                                                            \
                         .check = qb_check_##id_},
static const struct qb_format formats[QB_FORMAT_COUNT] = {
#include "kernels/formats.def"
};
#undef QB_FORMAT

/* struct qb_codes holds one block: up to 16 scales and minima. */
#define QB_FORMAT(id, gguf, elems, bytes, act, sub, ...)                                                     \
    _Static_assert((elems) <= QB_MAX_BLOCK_ELEMS && (bytes) <= QB_MAX_BLOCK_BYTES, #id);                     \
    _Static_assert((sub) == 0 || ((elems) % (sub) == 0 && (elems) / (sub) <= 16), #id);
#include "kernels/formats.def"
#undef QB_FORMAT

const struct qb_format *qb_format_get(enum qb_format_id id)
{
    if ((unsigned)id >= QB_FORMAT_COUNT)
        QB_BUG("no format %d", (int)id);
    return &formats[id];
}

const struct qb_format *qb_format_by_name(const char *name)
{
    for (size_t i = 0; i < QB_FORMAT_COUNT; i++)
        if (strcasecmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const struct qb_format *qb_format_by_gguf_id(int gguf_id)
{
    for (size_t i = 0; i < QB_FORMAT_COUNT; i++)
        if (formats[i].gguf_id == gguf_id)
            return &formats[i];
    return NULL;
}

/*
 * Layouts: plain and row-interleaved. A layout is a permutation (4x4, 4x8, 8x8 of Q4_0 also flip the top bit
 * of each nibble) of blocks or, x16, of expanded blocks (kernels/expansion.h), which are larger; nothing of a
 * weight is lost.
 */
#ifndef QB_KERNELS_LAYOUT_H
#define QB_KERNELS_LAYOUT_H

#include "kernels/expansion.h"

enum qb_layout_id {
#define QB_LAYOUT(id, ...) QB_LAYOUT_##id,
#include "kernels/layouts.def"
#undef QB_LAYOUT
    QB_LAYOUT_COUNT,
    QB_LAYOUT_AUTO /* the fastest of the kernel set: resolved before anything is packed */
};

struct qb_layout {
    enum qb_layout_id id;
    const char *name;
    int rows;  /* rows interleaved; 1 for plain */
    int chunk; /* bytes of one row at a time */
};

/* The names of all layouts and "auto", then NULL: what an option may be. */
extern const char *const qb_layout_names[QB_LAYOUT_COUNT + 2];

const struct qb_layout *qb_layout_get(enum qb_layout_id id);
/* "plain", "4x4", ..., "r16", "auto"; false when unknown. */
bool qb_layout_parse(const char *name, enum qb_layout_id *out);
const char *qb_layout_name(enum qb_layout_id id);
/* Format and layout of a GGUF type id, the historical interleaved ids included; false when unknown. */
bool qb_layout_from_gguf_id(int gguf_id, enum qb_format_id *format, enum qb_layout_id *layout);

/* Can a matrix of this format and row count lie in this layout? (BF16 in r16 also wants an even n_cols.) */
bool qb_layout_fits(enum qb_layout_id layout, const struct qb_format *f, int64_t n_rows);

/* How a layout expands the blocks of a format; NULL where it has them as they are. */
const struct qb_expansion *qb_layout_expansion(enum qb_layout_id layout, const struct qb_format *f);
/* Bytes that a block of a format takes in a layout that it has, and n elements (a multiple of a block). */
static inline int qb_layout_block_bytes(enum qb_layout_id layout, const struct qb_format *f)
{
    return layout == QB_LAYOUT_X16 ? qb_layout_expansion(layout, f)->block_bytes : f->block_bytes;
}
static inline size_t qb_layout_bytes(enum qb_layout_id layout, const struct qb_format *f, int64_t n)
{
    return (size_t)(n / f->block_elems) * (size_t)qb_layout_block_bytes(layout, f);
}

/*
 * Permute one row group (layout->rows rows of n_cols weights) from plain rows to the layout, and back.
 * @param src/dst  group bytes = layout->rows * qb_layout_bytes() of a row; no overlap
 * @param stride   distance of the plain rows in bytes
 */
void qb_layout_pack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                    size_t stride, uint8_t *dst);
void qb_layout_unpack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                      uint8_t *dst, size_t stride);

/*
 * One block of one row out of a packed matrix, as it lies in the plain layout. `block` counts blocks of the
 * format along the row (single weights for float formats).
 * @param group  the row group that holds the row, `row` its place there (0 .. layout->rows - 1)
 */
void qb_layout_get_block(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols,
                         const uint8_t *group, int row, int64_t block, uint8_t *out);

/*
 * The fields of a block, or expanded block, in the order of a layout (packings.def). A field takes rows *
 * bytes; CHUNKS: the rows of byte range [o, o + chunk) of the field start at o * rows, one after the other.
 * BF16 in r16 goes by pairs of weights, so that a chunk is [16 rows][2 weights] (n_cols is even).
 */
struct qb_layout_field {
    int offset, bytes, chunk; /* offset: in the plain block */
    enum { QB_FIELD_CHUNKS, QB_FIELD_FLIPPED, QB_FIELD_SIX_BIT } kind;
};
/* NULL and 0 where the format has no such layout. */
const struct qb_layout_field *qb_layout_fields(enum qb_layout_id layout, const struct qb_format *f, int *n);

#endif

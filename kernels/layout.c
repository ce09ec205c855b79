/*
 * Layouts as tables: a layout of a format is a number of rows and the fields of a block (packings.def), each
 * cut into chunks that the rows of a group contribute in turn. Packing, unpacking and single blocks all
 * follow the same table.
 */
#include "kernels/layout.h"
#include "kernels/blocks.h"
#include "kernels/expansion.h"
#include "kernels/formats/k_scales.h"
#include "kernels/simd.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct qb_layout layouts[] = {
#define QB_LAYOUT(id, name, rows, chunk, ...) {QB_LAYOUT_##id, name, rows, chunk},
#include "kernels/layouts.def"
#undef QB_LAYOUT
};

const char *const qb_layout_names[QB_LAYOUT_COUNT + 2] = {
#define QB_LAYOUT(id, name, ...) name,
#include "kernels/layouts.def"
#undef QB_LAYOUT
    "auto",
};

#define MAX_ROWS 16

/* How the blocks of one format lie in one layout. */
struct packing {
    int unit; /* blocks of the format that are interleaved as one; 0 where the format has no such layout */
    int n;
    const struct qb_layout_field *field;
};

#define CHUNKS(offset, bytes, chunk)                                                                         \
    {                                                                                                        \
        offset, bytes, chunk, QB_FIELD_CHUNKS                                                                \
    }
#define FLIPPED(offset, bytes, chunk)                                                                        \
    {                                                                                                        \
        offset, bytes, chunk, QB_FIELD_FLIPPED                                                               \
    }
#define SIX_BIT(offset)                                                                                      \
    {                                                                                                        \
        offset, 12, 12, QB_FIELD_SIX_BIT                                                                     \
    }

#define QB_PACKING(format, layout, unit, ...)                                                                \
    static const struct qb_layout_field fields_##format##_##layout[] = {__VA_ARGS__};
#include "kernels/packings.def"
#undef QB_PACKING

#define QB_PACKING(format, layout, unit, ...)                                                                \
    [QB_FORMAT_##format][QB_LAYOUT_##layout] = {unit, QB_ARRAY_LEN(fields_##format##_##layout),              \
                                                fields_##format##_##layout},
static const struct packing packings[QB_FORMAT_COUNT][QB_LAYOUT_COUNT] = {
#include "kernels/packings.def"
};
#undef QB_PACKING

const struct qb_layout *qb_layout_get(enum qb_layout_id id)
{
    if ((unsigned)id >= QB_LAYOUT_COUNT)
        QB_BUG("no layout %d", (int)id);
    return &layouts[id];
}

bool qb_layout_parse(const char *name, enum qb_layout_id *out)
{
    for (size_t i = 0; i < QB_LAYOUT_COUNT; i++) {
        if (strcasecmp(layouts[i].name, name) == 0) {
            *out = layouts[i].id;
            return true;
        }
    }
    if (strcasecmp(name, "auto") != 0)
        return false;
    *out = QB_LAYOUT_AUTO;
    return true;
}

const char *qb_layout_name(enum qb_layout_id id)
{
    return id == QB_LAYOUT_AUTO ? "auto" : qb_layout_get(id)->name;
}

bool qb_layout_from_gguf_id(int gguf_id, enum qb_format_id *format, enum qb_layout_id *layout)
{
    static const struct {
        enum qb_layout_id layout;
        int q4_0, iq4_nl;
    } historical[] = {
#define QB_LAYOUT(id, name, rows, chunk, q4_0, iq4_nl) {QB_LAYOUT_##id, q4_0, iq4_nl},
#include "kernels/layouts.def"
#undef QB_LAYOUT
    };
    if (gguf_id < 0)
        return false;
    const struct qb_format *f = qb_format_by_gguf_id(gguf_id);
    if (f) {
        *format = f->id;
        *layout = QB_LAYOUT_PLAIN;
        return true;
    }
    for (size_t i = 0; i < QB_ARRAY_LEN(historical); i++) {
        if (gguf_id != historical[i].q4_0 && gguf_id != historical[i].iq4_nl)
            continue;
        *format = gguf_id == historical[i].q4_0 ? QB_FORMAT_Q4_0 : QB_FORMAT_IQ4_NL;
        *layout = historical[i].layout;
        return true;
    }
    return false;
}

bool qb_layout_fits(enum qb_layout_id layout, const struct qb_format *f, int64_t n_rows)
{
    if (layout == QB_LAYOUT_PLAIN)
        return true;
    return (unsigned)layout < QB_LAYOUT_COUNT && packings[f->id][layout].unit > 0 &&
           n_rows % layouts[layout].rows == 0;
}

const struct qb_layout_field *qb_layout_fields(enum qb_layout_id layout, const struct qb_format *f, int *n)
{
    *n = packings[f->id][layout].n;
    return packings[f->id][layout].field;
}

static const struct packing *need_packing(enum qb_layout_id layout, const struct qb_format *f)
{
    const struct packing *p = &packings[f->id][layout];
    if (p->unit == 0)
        QB_BUG("%s has no layout '%s'", f->name, qb_layout_name(layout));
    return p;
}

const struct qb_expansion *qb_layout_expansion(enum qb_layout_id layout, const struct qb_format *f)
{
    return layout == QB_LAYOUT_X16 ? qb_expansion_of(f) : NULL;
}

/* Chunk i of every row in turn; the sizes are constants where it matters for speed. */
QB_INLINE void gather(uint8_t *packed, const uint8_t *const *row, int rows, int bytes, int chunk)
{
    for (int o = 0; o < bytes; o += chunk)
        for (int r = 0; r < rows; r++, packed += chunk)
            memcpy(packed, row[r] + o, (size_t)chunk);
}

static void pack_chunks(uint8_t *packed, const uint8_t *const *row, int rows, int bytes, int chunk)
{
    if (rows == 16 && chunk == 4)
        gather(packed, row, 16, bytes, 4);
    else if (rows == 8 && chunk == 8)
        gather(packed, row, 8, bytes, 8);
    else
        gather(packed, row, rows, bytes, chunk);
}

/* The rows take the places of the sub-blocks: 12 bytes for sub-block 0 of 8 rows, and so on. */
static void pack_six_bit(uint8_t *packed, const uint8_t *const *row)
{
    for (int sub = 0; sub < 8; sub++) {
        struct scale_min sm[8];
        for (int r = 0; r < 8; r++)
            sm[r] = get_scale_min(row[r], sub);
        put_scale_min(packed + 12 * sub, sm);
    }
}

static void flip(uint8_t *p, int n)
{
    for (int i = 0; i < n; i++)
        p[i] ^= 0x88;
}

static void pack_field(uint8_t *packed, const uint8_t *const *row, int rows, struct qb_layout_field f)
{
    if (f.kind == QB_FIELD_SIX_BIT)
        pack_six_bit(packed, row);
    else
        pack_chunks(packed, row, rows, f.bytes, f.chunk);
    if (f.kind == QB_FIELD_FLIPPED)
        flip(packed, rows * f.bytes);
}

/* One row's share of a packed field. */
static void unpack_field(uint8_t *out, const uint8_t *packed, int rows, int row, struct qb_layout_field f)
{
    if (f.kind == QB_FIELD_SIX_BIT) {
        struct scale_min sm[8];
        for (int sub = 0; sub < 8; sub++)
            sm[sub] = get_scale_min(packed + 12 * sub, row);
        put_scale_min(out, sm);
        return;
    }
    for (int o = 0; o < f.bytes; o += f.chunk)
        memcpy(out + o, packed + o * rows + row * f.chunk, (size_t)f.chunk);
    if (f.kind == QB_FIELD_FLIPPED)
        flip(out, f.bytes);
}

/* One row's share of an interleaved unit, in the order of the plain layout. */
static void unpack_row(const struct packing *p, int rows, int row, const uint8_t *unit, uint8_t *out)
{
    for (int i = 0; i < p->n; i++) {
        unpack_field(out + p->field[i].offset, unit, rows, row, p->field[i]);
        unit += rows * p->field[i].bytes;
    }
}

/* One row's share of a unit, as blocks. */
static void unpack_blocks(const struct packing *p, const struct qb_expansion *e, int rows, int row,
                          const uint8_t *unit, uint8_t *out)
{
    uint8_t expanded[QB_MAX_EXPANDED_BYTES];
    unpack_row(p, rows, row, unit, e ? expanded : out);
    if (e)
        e->contract(expanded, out);
}

static void pack_unit(const struct packing *p, int rows, const uint8_t *plain, size_t stride, uint8_t *unit)
{
    for (int i = 0; i < p->n; i++) {
        const uint8_t *row[MAX_ROWS];
        for (int r = 0; r < rows; r++)
            row[r] = plain + (size_t)r * stride + p->field[i].offset;
        pack_field(unit, row, rows, p->field[i]);
        unit += rows * p->field[i].bytes;
    }
}

static void pack_expanded(const struct packing *p, const struct qb_expansion *e, int rows,
                          const uint8_t *plain, size_t stride, uint8_t *unit)
{
    uint8_t expanded[MAX_ROWS][QB_MAX_EXPANDED_BYTES];
    for (int r = 0; r < rows; r++)
        e->expand(plain + (size_t)r * stride, expanded[r]);
    pack_unit(p, rows, expanded[0], sizeof expanded[0], unit);
}

/* Units in a row of n_cols weights. */
static int64_t count_units(const struct packing *p, enum qb_layout_id layout, const struct qb_format *f,
                           int64_t n_cols)
{
    int64_t n = n_cols / f->block_elems / p->unit;
    if (n * p->unit * f->block_elems != n_cols)
        QB_BUG("%lld columns do not fit %s in layout '%s'", (long long)n_cols, f->name,
               qb_layout_name(layout));
    return n;
}

void qb_layout_pack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                    size_t stride, uint8_t *dst)
{
    if (layout == QB_LAYOUT_PLAIN) {
        memcpy(dst, src, qb_format_bytes(f, n_cols));
        return;
    }
    const struct packing *p = need_packing(layout, f);
    const struct qb_expansion *e = qb_layout_expansion(layout, f);
    int rows = layouts[layout].rows;
    size_t bytes = (size_t)(p->unit * f->block_bytes); /* of one row in a unit */
    size_t unit = (size_t)(p->unit * rows * qb_layout_block_bytes(layout, f));
    int64_t n = count_units(p, layout, f, n_cols);
    for (int64_t u = 0; u < n; u++, src += bytes, dst += unit)
        if (e)
            pack_expanded(p, e, rows, src, stride, dst);
        else
            pack_unit(p, rows, src, stride, dst);
}

void qb_layout_unpack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                      uint8_t *dst, size_t stride)
{
    if (layout == QB_LAYOUT_PLAIN) {
        memcpy(dst, src, qb_format_bytes(f, n_cols));
        return;
    }
    const struct packing *p = need_packing(layout, f);
    const struct qb_expansion *e = qb_layout_expansion(layout, f);
    int rows = layouts[layout].rows;
    size_t bytes = (size_t)(p->unit * f->block_bytes);
    size_t unit = (size_t)(p->unit * rows * qb_layout_block_bytes(layout, f));
    int64_t n = count_units(p, layout, f, n_cols);
    for (int64_t u = 0; u < n; u++, dst += bytes, src += unit)
        for (int r = 0; r < rows; r++)
            unpack_blocks(p, e, rows, r, src, dst + (size_t)r * stride);
}

void qb_layout_get_block(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols,
                         const uint8_t *group, int row, int64_t block, uint8_t *out)
{
    size_t block_bytes = (size_t)f->block_bytes;
    if (layout == QB_LAYOUT_PLAIN) {
        memcpy(out, group + (size_t)row * qb_format_bytes(f, n_cols) + (size_t)block * block_bytes,
               block_bytes);
        return;
    }
    const struct packing *p = need_packing(layout, f);
    int rows = layouts[layout].rows;
    size_t unit_bytes = (size_t)(p->unit * rows * qb_layout_block_bytes(layout, f));
    uint8_t unit[2 * QB_MAX_BLOCK_BYTES]; /* the row's part of the unit that holds the block */
    unpack_blocks(p, qb_layout_expansion(layout, f), rows, row,
                  group + (size_t)(block / p->unit) * unit_bytes, unit);
    memcpy(out, unit + (size_t)(block % p->unit) * block_bytes, block_bytes);
}

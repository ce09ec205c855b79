/*
 * Layouts as tables: a layout of a format is a number of rows and the fields of a block, each cut into chunks
 * that the rows of a group contribute in turn. Packing, unpacking and single blocks all follow the same
 * table.
 */
#include "kernels/layout.h"
#include "kernels/blocks.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct qb_layout layouts[] = {
#define QB_LAYOUT(id, name, rows, chunk, ...) {QB_LAYOUT_##id, name, rows, chunk},
#include "kernels/layouts.def"
#undef QB_LAYOUT
};

#define MAX_FIELDS 4

/*
 * r16: the fields of a block in their order, in chunks of 4 bytes (a vector of 16 rows is then 64 contiguous
 * bytes); a lone f16 is a chunk of 2. Fields that follow each other in chunks of 4 may be one row here: the
 * bytes are the same.
 */
struct field_list {
    int n;
    int unit; /* blocks of the format that are interleaved as one */
    struct qb_r16_field field[MAX_FIELDS];
};
static const struct field_list r16_fields[QB_FORMAT_COUNT] = {
    [QB_FORMAT_F32] = {1, 1, {{4, 4}}},
    [QB_FORMAT_F16] = {1, 1, {{2, 2}}},
    [QB_FORMAT_BF16] = {1, 2, {{4, 4}}},
    [QB_FORMAT_Q4_0] = {2, 1, {{2, 2}, {16, 4}}},                    /* d, qs */
    [QB_FORMAT_Q4_1] = {2, 1, {{4, 4}, {16, 4}}},                    /* d and m, qs */
    [QB_FORMAT_Q5_0] = {3, 1, {{2, 2}, {4, 4}, {16, 4}}},            /* d, qh, qs */
    [QB_FORMAT_Q5_1] = {3, 1, {{4, 4}, {4, 4}, {16, 4}}},            /* d and m, qh, qs */
    [QB_FORMAT_Q8_0] = {2, 1, {{2, 2}, {32, 4}}},                    /* d, q */
    [QB_FORMAT_Q2_K] = {1, 1, {{84, 4}}},                            /* all */
    [QB_FORMAT_Q3_K] = {2, 1, {{108, 4}, {2, 2}}},                   /* hmask, qs and scales, d */
    [QB_FORMAT_Q4_K] = {2, 1, {{16, 4}, {128, 4}}},                  /* d, dmin and scales, qs */
    [QB_FORMAT_Q5_K] = {3, 1, {{16, 4}, {32, 4}, {128, 4}}},         /* d, dmin and scales, qh, qs */
    [QB_FORMAT_Q6_K] = {4, 1, {{128, 4}, {64, 4}, {16, 4}, {2, 2}}}, /* ql, qh, scales, d */
    [QB_FORMAT_IQ4_NL] = {2, 1, {{2, 2}, {16, 4}}},                  /* d, qs */
    [QB_FORMAT_IQ4_XS] = {2, 1, {{8, 4}, {128, 4}}},                 /* d and scales, qs */
    [QB_FORMAT_TQ1_0] = {2, 1, {{52, 4}, {2, 2}}},                   /* qs and qh, d */
    [QB_FORMAT_TQ2_0] = {2, 1, {{64, 4}, {2, 2}}},                   /* qs, d */
    [QB_FORMAT_MXFP4] = {2, 1, {{1, 1}, {16, 4}}},                   /* e, qs */
    [QB_FORMAT_NVFP4] = {1, 1, {{36, 4}}},                           /* scales and qs */
    [QB_FORMAT_Q1_0] = {2, 1, {{2, 2}, {16, 4}}},                    /* d, qs */
    [QB_FORMAT_Q2_0] = {2, 1, {{2, 2}, {16, 4}}},                    /* d, qs */
    [QB_FORMAT_IQ2_XXS] = {2, 1, {{2, 2}, {64, 4}}},                 /* d, rest */
    [QB_FORMAT_IQ2_XS] = {2, 1, {{2, 2}, {72, 4}}},                  /* d, rest */
    [QB_FORMAT_IQ3_XXS] = {2, 1, {{2, 2}, {96, 4}}},                 /* d, rest */
    [QB_FORMAT_IQ1_S] = {2, 1, {{2, 2}, {48, 4}}},                   /* d, rest */
    [QB_FORMAT_IQ3_S] = {2, 1, {{2, 2}, {108, 4}}},                  /* d, rest */
    [QB_FORMAT_IQ2_S] = {2, 1, {{2, 2}, {80, 4}}},                   /* d, rest */
    [QB_FORMAT_IQ1_M] = {1, 1, {{56, 4}}},                           /* all */
};

/* The historical interleaves exist for two formats of the same shape: d, 16 bytes of nibbles. */
#define HISTORICAL_FIELDS(chunk)                                                                             \
    {                                                                                                        \
        2, 1,                                                                                                \
        {                                                                                                    \
            {2, 2},                                                                                          \
            {                                                                                                \
                16, chunk                                                                                    \
            }                                                                                                \
        }                                                                                                    \
    }
static const struct field_list chunk4_fields = HISTORICAL_FIELDS(4);
static const struct field_list chunk8_fields = HISTORICAL_FIELDS(8);

/* NULL where the format has no such layout; plain has no fields either. */
static const struct field_list *fields_of(enum qb_layout_id layout, const struct qb_format *f)
{
    bool q4_0 = f->id == QB_FORMAT_Q4_0, iq4_nl = f->id == QB_FORMAT_IQ4_NL;
    switch (layout) {
    case QB_LAYOUT_R16:
        return r16_fields[f->id].n > 0 ? &r16_fields[f->id] : NULL;
    case QB_LAYOUT_4X4:
        return q4_0 || iq4_nl ? &chunk4_fields : NULL;
    case QB_LAYOUT_8X8:
        return q4_0 || iq4_nl ? &chunk8_fields : NULL;
    case QB_LAYOUT_4X8:
        return q4_0 ? &chunk8_fields : NULL;
    default:
        return NULL;
    }
}

/* The historical layouts of Q4_0 store nibbles in two's complement: top bits flipped. */
static uint8_t nibble_flip(enum qb_layout_id layout, const struct qb_format *f)
{
    return layout != QB_LAYOUT_R16 && f->id == QB_FORMAT_Q4_0 ? 0x88 : 0;
}

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
    return (unsigned)layout < QB_LAYOUT_COUNT && fields_of(layout, f) && n_rows % layouts[layout].rows == 0;
}

static const struct field_list *need_fields(enum qb_layout_id layout, const struct qb_format *f)
{
    const struct field_list *l = fields_of(layout, f);
    if (!l)
        QB_BUG("%s has no layout '%s'", f->name, qb_layout_name(layout));
    return l;
}

static void copy_flipped(uint8_t *dst, const uint8_t *src, int n, uint8_t flip)
{
    for (int i = 0; i < n; i++)
        dst[i] = src[i] ^ flip;
}

/*
 * Walk one interleaved unit: `unit` is its first byte, plain the place of row 0's block in the plain layout.
 * Chunks smaller than the field's share at the end do not occur: chunk divides bytes.
 */
static void move_unit(const struct field_list *l, int rows, uint8_t flip, uint8_t *unit, uint8_t *plain,
                      size_t stride, bool pack)
{
    int offset = 0;
    for (int i = 0; i < l->n; i++) {
        struct qb_r16_field fd = l->field[i];
        uint8_t x = i == l->n - 1 ? flip : 0; /* only the codes, the last field, are flipped */
        for (int o = 0; o < fd.bytes; o += fd.chunk) {
            for (int r = 0; r < rows; r++) {
                uint8_t *p = plain + (size_t)r * stride + offset + o;
                if (pack)
                    copy_flipped(unit, p, fd.chunk, x);
                else
                    copy_flipped(p, unit, fd.chunk, x);
                unit += fd.chunk;
            }
        }
        offset += fd.bytes;
    }
}

/* Both directions; the side that is only read is not written through its pointer. */
static void move_group(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, uint8_t *packed,
                       uint8_t *plain, size_t stride, bool pack)
{
    const struct field_list *l = need_fields(layout, f);
    int rows = layouts[layout].rows;
    size_t bytes = (size_t)(l->unit * f->block_bytes); /* of one row in a unit */
    int64_t n_units = n_cols / f->block_elems / l->unit;
    if (n_units * l->unit * f->block_elems != n_cols)
        QB_BUG("%lld columns do not fit %s in layout '%s'", (long long)n_cols, f->name,
               qb_layout_name(layout));
    for (int64_t u = 0; u < n_units; u++)
        move_unit(l, rows, nibble_flip(layout, f), packed + (size_t)u * bytes * (size_t)rows,
                  plain + (size_t)u * bytes, stride, pack);
}

void qb_layout_pack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                    size_t stride, uint8_t *dst)
{
    if (layout == QB_LAYOUT_PLAIN)
        memcpy(dst, src, qb_format_bytes(f, n_cols));
    else
        move_group(layout, f, n_cols, dst, (uint8_t *)(uintptr_t)src, stride, true);
}

void qb_layout_unpack(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols, const uint8_t *src,
                      uint8_t *dst, size_t stride)
{
    if (layout == QB_LAYOUT_PLAIN)
        memcpy(dst, src, qb_format_bytes(f, n_cols));
    else
        move_group(layout, f, n_cols, (uint8_t *)(uintptr_t)src, dst, stride, false);
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
    const struct field_list *l = need_fields(layout, f);
    int rows = layouts[layout].rows;
    uint8_t flip = nibble_flip(layout, f);
    uint8_t unit[2 * QB_MAX_BLOCK_BYTES]; /* the row's part of the unit that holds the block */
    const uint8_t *src = group + (size_t)(block / l->unit) * (size_t)(l->unit * rows) * block_bytes;
    uint8_t *dst = unit;
    for (int i = 0; i < l->n; i++) {
        struct qb_r16_field fd = l->field[i];
        for (int o = 0; o < fd.bytes; o += fd.chunk, src += rows * fd.chunk, dst += fd.chunk)
            copy_flipped(dst, src + row * fd.chunk, fd.chunk, i == l->n - 1 ? flip : 0);
    }
    memcpy(out, unit + (size_t)(block % l->unit) * block_bytes, block_bytes);
}

const struct qb_r16_field *qb_r16_fields(const struct qb_format *f, int *n)
{
    *n = r16_fields[f->id].n;
    return r16_fields[f->id].field;
}

/*
 * Weight formats against published vectors: decoding bit for bit, interleaved layouts byte for byte in both
 * directions.
 */
#include "kernels/kernels.h"
#include "tests/golden/golden.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decode the blocks of one file and compare with another, bit for bit. */
static void check_decode(struct golden *g, const struct qb_format *f, const char *blocks_name,
                         const char *want_name)
{
    size_t n_bytes = 0, n_want = 0;
    uint8_t *blocks = golden_read(g, blocks_name, &n_bytes);
    float *want = golden_read(g, want_name, &n_want);
    int64_t n = (int64_t)(n_bytes / (size_t)f->block_bytes) * f->block_elems;
    float *got = malloc((size_t)n * sizeof *got + 1);
    int64_t bad = -1;
    if (!blocks || !want || n == 0 || n_bytes % (size_t)f->block_bytes ||
        n_want != (size_t)n * sizeof *want) {
        golden_fail(g, "%s: '%s' (%zu bytes) and '%s' (%zu bytes) do not match", f->name, blocks_name,
                    n_bytes, want_name, n_want);
    } else {
        f->decode(blocks, got, n);
        for (int64_t i = 0; i < n && bad < 0; i++)
            if (memcmp(&got[i], &want[i], sizeof got[i]) != 0)
                bad = i;
        if (bad >= 0)
            golden_fail(g, "%s: element %lld of '%s' is %a, not %a", f->name, (long long)bad, blocks_name,
                        (double)got[bad], (double)want[bad]);
        else
            golden_pass(g);
    }
    free(blocks);
    free(want);
    free(got);
}

static void check_type(struct golden *g, const json_t *t)
{
    const char *name = golden_string(t, "name");
    const struct qb_format *f = qb_format_by_name(name);
    const json_t *files = json_object_get(t, "files");
    if (!f) {
        golden_skip(g, "format %s is not built", name);
        return;
    }
    if (f->gguf_id != golden_int(t, "type_id") || f->block_elems != golden_int(t, "block_size") ||
        f->block_bytes != golden_int(t, "bytes_per_block"))
        golden_fail(g, "%s: type id or block size differ", name);
    else
        golden_pass(g);
    check_decode(g, f, golden_string(t, "dequant_of"), golden_string(files, "dequant"));
    check_decode(g, f, golden_string(files, "rand"), golden_string(files, "rand_dequant"));
}

/* Pack (or unpack) all row groups of a matrix. */
static void move_matrix(enum qb_layout_id layout, const struct qb_format *f, int64_t rows, int64_t n_cols,
                        const uint8_t *src, uint8_t *dst, bool pack)
{
    size_t row_bytes = qb_format_bytes(f, n_cols);
    int group = qb_layout_get(layout)->rows;
    for (int64_t r = 0; r < rows; r += group) {
        size_t at = (size_t)r * row_bytes;
        if (pack)
            qb_layout_pack(layout, f, n_cols, src + at, row_bytes, dst + at);
        else
            qb_layout_unpack(layout, f, n_cols, src + at, dst + at, row_bytes);
    }
}

struct repack_case {
    const struct qb_format *format;
    enum qb_layout_id layout;
    int64_t rows, n_cols;
    const char *plain_name, *packed_name;
};

static void check_repack(struct golden *g, const struct repack_case *c)
{
    char plain_path[256], packed_path[256];
    size_t bytes = (size_t)c->rows * qb_format_bytes(c->format, c->n_cols), n_plain = 0, n_packed = 0;
    snprintf(plain_path, sizeof plain_path, "repack/%s", c->plain_name);
    snprintf(packed_path, sizeof packed_path, "repack/%s", c->packed_name);
    uint8_t *plain = golden_read(g, plain_path, &n_plain), *packed = golden_read(g, packed_path, &n_packed);
    uint8_t *got = malloc(bytes + 1);
    if (!plain || !packed || n_plain != bytes || n_packed != bytes) {
        golden_fail(g, "'%s' or '%s' is not %zu bytes long", plain_path, packed_path, bytes);
    } else {
        move_matrix(c->layout, c->format, c->rows, c->n_cols, plain, got, true);
        bool packs = memcmp(got, packed, bytes) == 0;
        move_matrix(c->layout, c->format, c->rows, c->n_cols, packed, got, false);
        if (!packs || memcmp(got, plain, bytes) != 0)
            golden_fail(g, "'%s': %s differs", packed_path, packs ? "unpacking" : "packing");
        else
            golden_pass(g);
    }
    free(plain);
    free(packed);
    free(got);
}

static void check_layouts(struct golden *g)
{
    size_t i;
    const json_t *l;
    if (!golden_has(g, "repack/index.json")) {
        golden_skip(g, "the set has no repacked layouts");
        return;
    }
    json_t *index = golden_index(g, "repack/index.json");
    struct repack_case c = {.rows = golden_int(index, "rows"), .n_cols = golden_int(index, "row_length")};
    json_array_foreach(json_object_get(index, "layouts"), i, l)
    {
        c.format = qb_format_by_name(golden_string(l, "type"));
        c.plain_name = golden_string(l, "plain");
        c.packed_name = golden_string(l, "packed");
        if (!c.format || !qb_layout_parse(golden_string(l, "layout"), &c.layout) ||
            !qb_layout_fits(c.layout, c.format, c.rows))
            golden_skip(g, "layout %s of %s is not built", golden_string(l, "layout"),
                        golden_string(l, "type"));
        else
            check_repack(g, &c);
    }
    json_decref(index);
}

int main(int argc, char **argv)
{
    struct golden g;
    size_t i;
    json_t *t;
    if (!golden_open(&g, "formats", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    json_array_foreach(json_object_get(index, "types"), i, t) check_type(&g, t);
    json_decref(index);
    check_layouts(&g);
    return golden_close(&g);
}

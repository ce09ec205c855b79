/*
 * kernels/layout: names and ids, round trips of every format and layout, single blocks, the byte order that
 * kernels of r16 rely on; qb_matrix_decode_row; activation tiles.
 */
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "tests/unit/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

static void parses_names(void **state)
{
    (void)state;
    enum qb_layout_id l;
    for (int i = 0; i < QB_LAYOUT_COUNT; i++) {
        assert_true(qb_layout_parse(qb_layout_name((enum qb_layout_id)i), &l));
        assert_int_equal(l, i);
    }
    assert_true(qb_layout_parse("AUTO", &l));
    assert_int_equal(l, QB_LAYOUT_AUTO);
    assert_string_equal(qb_layout_name(QB_LAYOUT_AUTO), "auto");
    assert_false(qb_layout_parse("16x1", &l));
}

static void knows_gguf_ids(void **state)
{
    (void)state;
    static const struct {
        int id;
        enum qb_format_id format;
        enum qb_layout_id layout;
    } known[] = {
        {2, QB_FORMAT_Q4_0, QB_LAYOUT_PLAIN},  {30, QB_FORMAT_BF16, QB_LAYOUT_PLAIN},
        {31, QB_FORMAT_Q4_0, QB_LAYOUT_4X4},   {32, QB_FORMAT_Q4_0, QB_LAYOUT_4X8},
        {33, QB_FORMAT_Q4_0, QB_LAYOUT_8X8},   {36, QB_FORMAT_IQ4_NL, QB_LAYOUT_4X4},
        {38, QB_FORMAT_IQ4_NL, QB_LAYOUT_8X8},
    };
    enum qb_format_id f;
    enum qb_layout_id l;
    for (size_t i = 0; i < QB_ARRAY_LEN(known); i++) {
        assert_true(qb_layout_from_gguf_id(known[i].id, &f, &l));
        assert_int_equal(f, known[i].format);
        assert_int_equal(l, known[i].layout);
    }
    assert_false(qb_layout_from_gguf_id(-1, &f, &l));
    assert_false(qb_layout_from_gguf_id(4, &f, &l));
}

static void fits_where_rows_divide(void **state)
{
    (void)state;
    const struct qb_format *q4_0 = qb_format_get(QB_FORMAT_Q4_0), *q8_0 = qb_format_get(QB_FORMAT_Q8_0);
    assert_true(qb_layout_fits(QB_LAYOUT_PLAIN, q8_0, 1));
    assert_true(qb_layout_fits(QB_LAYOUT_R16, q8_0, 48));
    assert_false(qb_layout_fits(QB_LAYOUT_R16, q8_0, 40));
    assert_true(qb_layout_fits(QB_LAYOUT_8X8, q4_0, 40));
    assert_false(qb_layout_fits(QB_LAYOUT_8X8, q4_0, 36));
    assert_true(qb_layout_fits(QB_LAYOUT_4X8, q4_0, 36));
    assert_true(qb_layout_fits(QB_LAYOUT_4X4, q8_0, 16));
    assert_false(qb_layout_fits(QB_LAYOUT_8X8, q8_0, 16));
    assert_false(qb_layout_fits(QB_LAYOUT_4X8, qb_format_get(QB_FORMAT_IQ4_NL), 16));
    assert_false(qb_layout_fits(QB_LAYOUT_AUTO, q4_0, 16));
}

/* A random matrix of one row group, plain. */
struct sample {
    const struct qb_format *f;
    enum qb_layout_id layout;
    int rows;
    int64_t n_cols;
    size_t row_bytes, bytes, packed_bytes;
    uint8_t *plain, *packed, *back;
};

static void make_sample(struct sample *s, const struct qb_format *f, enum qb_layout_id layout)
{
    struct qb_rng rng;
    qb_rng_init(&rng, 5, (uint64_t)f->id);
    s->f = f;
    s->layout = layout;
    s->rows = qb_layout_get(layout)->rows;
    s->n_cols = f->block_elems > 1 ? 3 * f->block_elems : 38;
    s->row_bytes = qb_format_bytes(f, s->n_cols);
    s->bytes = s->row_bytes * (size_t)s->rows;
    s->plain = malloc(s->bytes);
    s->packed_bytes = qb_layout_bytes(layout, f, s->n_cols) * (size_t)s->rows;
    s->packed = malloc(s->packed_bytes);
    s->back = calloc(1, s->bytes);
    /* no NaN among float weights: the test compares decoded values */
    for (size_t i = 0; i < s->bytes / (size_t)f->block_bytes; i++)
        f->synth(s->plain + i * (size_t)f->block_bytes, 1, &rng);
    qb_layout_pack(layout, f, s->n_cols, s->plain, s->row_bytes, s->packed);
}

static void free_sample(struct sample *s)
{
    free(s->plain);
    free(s->packed);
    free(s->back);
}

static void check_single_blocks(const struct sample *s)
{
    uint8_t block[QB_MAX_BLOCK_BYTES];
    size_t bytes = (size_t)s->f->block_bytes;
    for (int r = 0; r < s->rows; r++) {
        for (int64_t b = 0; b < s->n_cols / s->f->block_elems; b++) {
            qb_layout_get_block(s->layout, s->f, s->n_cols, s->packed, r, b, block);
            assert_memory_equal(block, s->plain + (size_t)r * s->row_bytes + (size_t)b * bytes, bytes);
        }
    }
}

static void check_decoded_rows(const struct sample *s)
{
    struct qb_matrix plain = {s->f, QB_LAYOUT_PLAIN, s->rows, s->n_cols, s->plain};
    struct qb_matrix packed = {s->f, s->layout, s->rows, s->n_cols, s->packed};
    float *a = malloc((size_t)s->n_cols * sizeof *a), *b = malloc((size_t)s->n_cols * sizeof *b);
    for (int r = 0; r < s->rows; r++) {
        qb_matrix_decode_row(&plain, r, a);
        qb_matrix_decode_row(&packed, r, b);
        assert_memory_equal(a, b, (size_t)s->n_cols * sizeof *a);
    }
    free(a);
    free(b);
}

static void packs_and_unpacks(void **state)
{
    (void)state;
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        for (int l = 0; l < QB_LAYOUT_COUNT; l++) {
            const struct qb_format *format = qb_format_get((enum qb_format_id)f);
            struct sample s;
            if (!qb_layout_fits((enum qb_layout_id)l, format, qb_layout_get((enum qb_layout_id)l)->rows))
                continue;
            make_sample(&s, format, (enum qb_layout_id)l);
            if (l != QB_LAYOUT_PLAIN)
                assert_memory_not_equal(s.packed, s.plain, s.bytes);
            qb_layout_unpack(s.layout, format, s.n_cols, s.packed, s.back, s.row_bytes);
            assert_memory_equal(s.back, s.plain, s.bytes);
            check_single_blocks(&s);
            check_decoded_rows(&s);
            free_sample(&s);
        }
    }
}

/* Every byte of a unit belongs to one field. */
static void fields_cover_the_block(const struct qb_layout_field *fields, int n, int bytes)
{
    uint8_t seen[QB_MAX_BLOCK_BYTES] = {0};
    for (int i = 0; i < n; i++)
        for (int o = 0; o < fields[i].bytes; o++)
            assert_int_equal(seen[fields[i].offset + o]++, 0);
    for (int o = 0; o < bytes; o++)
        assert_int_equal(seen[o], 1);
}

/* What the layout interleaves of a row's first block. */
static const uint8_t *first_block(const struct sample *s, int row, uint8_t *expanded)
{
    const struct qb_expansion *e = qb_layout_expansion(s->layout, s->f);
    const uint8_t *plain = s->plain + (size_t)row * s->row_bytes;
    if (!e)
        return plain;
    e->expand(plain, expanded);
    return expanded;
}

/* The order is written in layout.h: byte range [o, o + chunk) of a field, the rows side by side. */
static void layouts_follow_their_field_lists(void **state)
{
    (void)state;
    for (int i = 0; i < QB_FORMAT_COUNT * QB_LAYOUT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)(i / QB_LAYOUT_COUNT));
        enum qb_layout_id layout = (enum qb_layout_id)(i % QB_LAYOUT_COUNT);
        struct sample s;
        uint8_t expanded[QB_MAX_EXPANDED_BYTES];
        int n, rows = qb_layout_get(layout)->rows;
        const struct qb_layout_field *fields = qb_layout_fields(layout, f, &n);
        assert_true(n > 0 || layout != QB_LAYOUT_R16);
        if (n == 0)
            continue;
        /* BF16 goes by pairs of weights */
        fields_cover_the_block(fields, n, f->id == QB_FORMAT_BF16 ? 4 : qb_layout_block_bytes(layout, f));
        make_sample(&s, f, layout);
        const uint8_t *packed = s.packed;
        for (int k = 0; k < n; packed += rows * fields[k++].bytes)
            for (int o = 0; o < fields[k].bytes && fields[k].kind == QB_FIELD_CHUNKS; o += fields[k].chunk)
                for (int r = 0; r < rows; r++)
                    assert_memory_equal(packed + o * rows + r * fields[k].chunk,
                                        first_block(&s, r, expanded) + fields[k].offset + o,
                                        (size_t)fields[k].chunk);
        free_sample(&s);
    }
}

static void q4_0_interleaves_flip_nibbles(void **state)
{
    (void)state;
    struct sample s;
    make_sample(&s, qb_format_get(QB_FORMAT_Q4_0), QB_LAYOUT_4X8);
    /* 4 scales of 2 bytes, then 8 bytes of row 0, 8 of row 1, ... */
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < 8; i++)
            assert_int_equal(s.packed[8 + 8 * r + i],
                             s.plain[(size_t)r * s.row_bytes + 2 + (size_t)i] ^ 0x88);
    free_sample(&s);
}

static void tiles_cover_all_columns_once(void **state)
{
    (void)state;
    for (int n_cols = 1; n_cols < 60; n_cols++) {
        for (int tile_cols = 4; tile_cols <= QB_MAX_TILE_COLS; tile_cols++) {
            struct qb_act a;
            int next = 0, width, pos;
            qb_act_init(&a, QB_ACT_BF16, n_cols, 2, tile_cols, NULL);
            for (int t = 0; t < a.n_tiles; t++) {
                assert_int_equal(qb_act_tile(&a, t, &width), next);
                assert_in_range(width, 1, tile_cols);
                for (int c = next; c < next + width; c++) {
                    assert_int_equal(qb_act_tile_of(&a, c, &pos), t);
                    assert_int_equal(pos, c - next);
                }
                next += width;
            }
            assert_int_equal(next, n_cols);
            if (n_cols <= QB_GEMV_MAX_COLS)
                assert_int_equal(a.n_tiles, 1);
        }
    }
}

static void activation_storage_holds_its_arrays(void **state)
{
    (void)state;
    struct qb_act a;
    char *base = (char *)(uintptr_t)4096; /* only addresses are looked at */
    size_t bytes = qb_act_bytes(QB_ACT_Q8_256, 3, 512);
    qb_act_init(&a, QB_ACT_Q8_256, 3, 512, 7, base);
    assert_ptr_equal(a.q, base);
    assert_int_equal((char *)a.npair - base + 3 * 512 / 32 * 2 <= (ptrdiff_t)bytes, 1);
    assert_int_equal((uintptr_t)a.scale % 64 + (uintptr_t)a.nsum16 % 64 + (uintptr_t)a.nsum32 % 64, 0);
    assert_null(a.nsum_bf16);
    assert_null(a.fsum);
    assert_null(a.f32);
    bytes = qb_act_bytes(QB_ACT_Q8_256, 20, 512);
    qb_act_init(&a, QB_ACT_Q8_256, 20, 512, 8, base);
    assert_null(a.nsum_bf16);
    qb_act_init(&a, QB_ACT_Q8_256, 20, 512, 16, base);
    assert_int_equal((char *)(a.nsum_bf16 + qb_act_nsum_bf16_at(&a, 10, 10, 9, 511) + 17) - base, bytes);
    qb_act_init(&a, QB_ACT_BF16, 3, 512, 7, base);
    assert_ptr_equal(a.bf16, base);
    assert_null(a.q);
}

/* Few columns and narrow tiles stay in the order of the vector kernels. */
static void wide_tiles_are_by_column(void **state)
{
    (void)state;
    static const enum qb_act_kind kinds[] = {QB_ACT_Q8_256, QB_ACT_Q8_256_PAIRS, QB_ACT_BF16};
    for (size_t i = 0; i < QB_ARRAY_LEN(kinds); i++) {
        for (int n_cols = 1; n_cols < 20; n_cols++) {
            for (int tile_cols = 4; tile_cols <= QB_MAX_TILE_COLS; tile_cols++) {
                struct qb_act a;
                qb_act_init(&a, kinds[i], n_cols, 256, tile_cols, NULL);
                assert_int_equal(a.by_column, tile_cols > 8 && n_cols > 4);
            }
        }
    }
}

/* Every entry of a batch belongs to one weight of one column, and the last one is inside the storage. */
static void check_entries(const struct qb_act *a, int64_t n_k, size_t bytes)
{
    int size = a->kind == QB_ACT_BF16 ? 2 : 1, pos, w;
    uint8_t *seen = calloc(1, bytes);
    assert_non_null(seen);
    for (int c = 0; c < a->n_cols; c++) {
        for (int64_t k = 0; k < n_k; k++) {
            int64_t c0 = qb_act_tile(a, qb_act_tile_of(a, c, &pos), &w);
            int64_t at =
                size * (size == 2 ? qb_act_bf16_at(a, c0, w, pos, k) : qb_act_q_at(a, c0, w, pos, k));
            assert_in_range(at, 0, bytes - (size_t)size);
            assert_int_equal(seen[at]++, 0);
        }
    }
    free(seen);
}

static void activation_entries_are_distinct(void **state)
{
    (void)state;
    static const int cols[] = {1, 4, 5, 8, 9, 16, 17, 33};
    for (size_t i = 0; i < QB_ARRAY_LEN(cols); i++) {
        for (int tile_cols = 8; tile_cols <= QB_MAX_TILE_COLS; tile_cols += 4) {
            struct qb_act a;
            qb_act_init(&a, QB_ACT_Q8_256, cols[i], 512, tile_cols, NULL);
            check_entries(&a, 512, (size_t)cols[i] * 512);
            qb_act_init(&a, QB_ACT_BF16, cols[i], 70, tile_cols, NULL);
            check_entries(&a, a.by_column ? 96 : 70, qb_act_bytes(QB_ACT_BF16, cols[i], 70));
        }
    }
}

/* 64 bytes of a column lie together, and those of the next column behind them. */
static void columns_lie_together_for_matrix_units(void **state)
{
    (void)state;
    struct qb_act a;
    qb_act_init(&a, QB_ACT_Q8_256, 20, 512, 16, NULL); /* two tiles of 10 */
    assert_int_equal(qb_act_q_at(&a, 10, 10, 3, 2 * 64 + 5), 10 * 512 + (2 * 10 + 3) * 64 + 5);
    assert_int_equal(qb_act_nsum_bf16_at(&a, 10, 10, 3, 256 + 5 * 16 + 7), (10 * 2 + 1 * 10 + 3) * 32 + 5);
    qb_act_init(&a, QB_ACT_BF16, 20, 70, 16, NULL);
    assert_int_equal(qb_act_bf16_at(&a, 10, 10, 3, 2 * 32 + 5), 10 * 96 + (2 * 10 + 3) * 32 + 5);
    qb_act_init(&a, QB_ACT_BF16, 3, 70, 16, NULL);
    assert_int_equal(qb_act_bf16_at(&a, 0, 3, 1, 5), (2 * 3 + 1) * 2 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_names),
        cmocka_unit_test(knows_gguf_ids),
        cmocka_unit_test(fits_where_rows_divide),
        cmocka_unit_test(packs_and_unpacks),
        cmocka_unit_test(layouts_follow_their_field_lists),
        cmocka_unit_test(q4_0_interleaves_flip_nibbles),
        cmocka_unit_test(tiles_cover_all_columns_once),
        cmocka_unit_test(activation_storage_holds_its_arrays),
        cmocka_unit_test(wide_tiles_are_by_column),
        cmocka_unit_test(activation_entries_are_distinct),
        cmocka_unit_test(columns_lie_together_for_matrix_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

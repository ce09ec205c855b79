/*
 * kernels/format: look-ups, sizes, and for every format that codes, decoder, synthesis and check agree with
 * each other.
 */
#include "base/f16.h"
#include "kernels/format.h"
#include "kernels/panel_form.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void looks_up_by_name_and_id(void **state)
{
    (void)state;
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)i);
        assert_int_equal(f->id, i);
        assert_ptr_equal(qb_format_by_name(f->name), f);
        assert_ptr_equal(qb_format_by_gguf_id(f->gguf_id), f);
    }
    assert_ptr_equal(qb_format_by_name("q4_k"), qb_format_get(QB_FORMAT_Q4_K));
    assert_null(qb_format_by_name("Q4"));
    assert_null(qb_format_by_name(""));
    assert_null(qb_format_by_gguf_id(31));
    assert_null(qb_format_by_gguf_id(-1));
}

static void counts_bytes(void **state)
{
    (void)state;
    assert_int_equal(qb_format_bytes(qb_format_get(QB_FORMAT_Q4_0), 4096), 128 * 18);
    assert_int_equal(qb_format_bytes(qb_format_get(QB_FORMAT_Q6_K), 512), 420);
    assert_int_equal(qb_format_bytes(qb_format_get(QB_FORMAT_BF16), 3), 6);
}

/* weight = scale * (code - offset) + minimum, as struct qb_codes says. */
static float weight_of_codes(const struct qb_format *f, const struct qb_codes *c, int j)
{
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift;
    float w = c->scale[j / f->sub] * (float)(c->code[j] - offset);
    if (f->min == QB_MIN_F32)
        return w + c->min_f32[j / 32];
    return qb_min_is_integer(f->min) ? w - c->min_scale * (float)c->min_i16[j / qb_min_weights(f->min)] : w;
}

static void codes_say_what_the_decoder_says(void **state)
{
    (void)state;
    struct qb_rng rng;
    qb_rng_init(&rng, 7, 0);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)i);
        uint8_t block[QB_MAX_BLOCK_BYTES];
        float w[QB_MAX_BLOCK_ELEMS];
        struct qb_codes codes;
        assert_int_equal(f->codes != NULL, f->quantized);
        for (int n = 0; n < 50 && f->quantized; n++) {
            f->synth(block, 1.0f, &rng);
            f->decode(block, w, f->block_elems);
            f->codes(block, &codes);
            for (int j = 0; j < f->block_elems; j++)
                assert_true(weight_of_codes(f, &codes, j) == w[j]);
        }
    }
}

/* The largest weight of a form, in codes; blocks of random bits have all of them. */
static int largest_weight(const struct qb_format *f, struct qb_rng *rng)
{
    uint8_t block[QB_MAX_BLOCK_BYTES];
    struct qb_codes codes;
    int offset = f->offset_shift == QB_OFFSET_NONE ? 0 : 1 << f->offset_shift, most = 0;
    for (int n = 0; n < 200; n++) {
        f->synth(block, 1.0f, rng);
        f->codes(block, &codes);
        for (int j = 0; j < f->block_elems; j++)
            most = abs(codes.code[j] - offset) > most ? abs(codes.code[j] - offset) : most;
        for (int i = 0; i < f->block_elems / f->sub; i++)
            assert_true(codes.scale[i] == codes.d * (float)codes.sub_scale[i]);
    }
    return most;
}

/* Integer scales: sums lose just so many bits that all fit into an int16, and the offset has bits to spare.
 */
static void cut_sums_fit(void **state)
{
    (void)state;
    struct qb_rng rng;
    int n_forms = 0;
    qb_rng_init(&rng, 11, 0);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        for (int isa = 0; isa < QB_ISA_COUNT; isa++) {
            const struct qb_format f = qb_panel_form(qb_format_get((enum qb_format_id)i), (enum qb_isa)isa);
            if (!f.int_scales)
                continue;
            int sum = largest_weight(&f, &rng) * 127 * f.sub;
            assert_in_range(sum >> f.cut, 1, INT16_MAX);
            assert_true(f.cut == 0 || sum >> (f.cut - 1) > INT16_MAX);
            assert_true(f.offset_shift == QB_OFFSET_NONE || f.offset_shift >= f.cut);
            n_forms++;
        }
    }
    assert_true(n_forms > 0);
}

static void synthesis_has_the_moments_asked_for(void **state)
{
    (void)state;
    const float std = 0.02f;
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = qb_format_get((enum qb_format_id)i);
        uint8_t block[QB_MAX_BLOCK_BYTES];
        float w[QB_MAX_BLOCK_ELEMS];
        struct qb_rng rng;
        double sum = 0, squares = 0, n = 0;
        qb_rng_init(&rng, 11, (uint64_t)i);
        while (n < 400000) {
            f->synth(block, std, &rng);
            f->decode(block, w, f->block_elems);
            for (int j = 0; j < f->block_elems; j++, n++) {
                sum += w[j];
                squares += (double)w[j] * w[j];
            }
            assert_int_equal(f->check(block, 1), -1);
        }
        assert_true(fabs(sum / n) < 0.02 * std);
        assert_true(fabs(sqrt(squares / n) / std - 1) < 0.03);
    }
}

/* Byte offsets of the f16 scales of each format (docs/formats.md). */
static void check_finds_bad_scales(void **state)
{
    (void)state;
    static const struct {
        enum qb_format_id id;
        int offsets[3]; /* -1 ends */
    } scales[] = {
        {QB_FORMAT_F16, {0, -1}},     {QB_FORMAT_Q4_0, {0, -1}},    {QB_FORMAT_Q4_1, {0, 2, -1}},
        {QB_FORMAT_Q5_0, {0, -1}},    {QB_FORMAT_Q5_1, {0, 2, -1}}, {QB_FORMAT_Q8_0, {0, -1}},
        {QB_FORMAT_IQ4_NL, {0, -1}},  {QB_FORMAT_Q4_K, {0, 2, -1}}, {QB_FORMAT_Q5_K, {0, 2, -1}},
        {QB_FORMAT_IQ4_XS, {0, -1}},  {QB_FORMAT_Q6_K, {208, -1}},  {QB_FORMAT_Q2_K, {80, 82, -1}},
        {QB_FORMAT_Q3_K, {108, -1}},  {QB_FORMAT_TQ1_0, {52, -1}},  {QB_FORMAT_TQ2_0, {64, -1}},
        {QB_FORMAT_IQ2_XXS, {0, -1}}, {QB_FORMAT_IQ2_XS, {0, -1}},  {QB_FORMAT_IQ2_S, {0, -1}},
        {QB_FORMAT_IQ3_XXS, {0, -1}}, {QB_FORMAT_IQ3_S, {0, -1}},   {QB_FORMAT_IQ1_S, {0, -1}},
        {QB_FORMAT_Q1_0, {0, -1}},    {QB_FORMAT_Q2_0, {0, -1}},
    };
    static const uint16_t bad[] = {0x7c00, 0xfc00, 0x7e00, 0xfc01};
    enum { BLOCKS = 5 };
    struct qb_rng rng;
    qb_rng_init(&rng, 3, 0);
    for (size_t i = 0; i < QB_ARRAY_LEN(scales); i++) {
        const struct qb_format *f = qb_format_get(scales[i].id);
        uint8_t blocks[BLOCKS * QB_MAX_BLOCK_BYTES];
        for (int b = 0; b < BLOCKS; b++)
            f->synth(blocks + b * f->block_bytes, 1, &rng);
        assert_int_equal(f->check(blocks, BLOCKS), -1);
        for (int o = 0; scales[i].offsets[o] >= 0; o++) {
            uint8_t *at = blocks + 3 * f->block_bytes + scales[i].offsets[o];
            uint16_t good = qb_load_u16(at);
            for (size_t v = 0; v < QB_ARRAY_LEN(bad); v++) {
                memcpy(at, &bad[v], 2);
                assert_int_equal(f->check(blocks, BLOCKS), 3);
                assert_int_equal(f->check(blocks, 3), -1);
            }
            memcpy(at, &good, 2);
        }
    }
}

/* IQ1_M: the f16 lies in the top nibbles of four words at the end of the block. */
static void check_finds_a_bad_spread_scale(void **state)
{
    (void)state;
    static const uint16_t values[] = {0x3c00, 0x7bff, 0x7c00, 0xfc00, 0x7e01};
    for (size_t i = 0; i < QB_ARRAY_LEN(values); i++) {
        uint8_t blocks[2 * 56];
        memset(blocks, 0, 56);
        memset(blocks + 56, 0xff, 56);
        for (int k = 0; k < 4; k++)
            blocks[56 + 48 + 2 * k + 1] = (uint8_t)(0x0f | (values[i] >> (4 * k) & 15) << 4);
        assert_int_equal(qb_format_get(QB_FORMAT_IQ1_M)->check(blocks, 2), i < 2 ? -1 : 1);
    }
}

static void check_finds_bad_byte_scales(void **state)
{
    (void)state;
    uint8_t mxfp4[3 * 17] = {252, [17] = 0, [34] = 253}, nvfp4[2 * 36] = {0x7e, 0x7f, 0, 1, [36 + 2] = 0x80};
    assert_int_equal(qb_format_get(QB_FORMAT_MXFP4)->check(mxfp4, 2), -1);
    assert_int_equal(qb_format_get(QB_FORMAT_MXFP4)->check(mxfp4, 3), 2);
    assert_int_equal(qb_format_get(QB_FORMAT_NVFP4)->check(nvfp4, 1), -1);
    assert_int_equal(qb_format_get(QB_FORMAT_NVFP4)->check(nvfp4, 2), 1);
}

static void check_finds_bad_floats(void **state)
{
    (void)state;
    const float f32[3] = {1, -2, INFINITY};
    const uint16_t bf16[3] = {0x3f80, 0x7f80, 0};
    assert_int_equal(qb_format_get(QB_FORMAT_F32)->check(f32, 2), -1);
    assert_int_equal(qb_format_get(QB_FORMAT_F32)->check(f32, 3), 2);
    assert_int_equal(qb_format_get(QB_FORMAT_BF16)->check(bf16, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_up_by_name_and_id),
        cmocka_unit_test(counts_bytes),
        cmocka_unit_test(codes_say_what_the_decoder_says),
        cmocka_unit_test(cut_sums_fit),
        cmocka_unit_test(synthesis_has_the_moments_asked_for),
        cmocka_unit_test(check_finds_bad_scales),
        cmocka_unit_test(check_finds_bad_byte_scales),
        cmocka_unit_test(check_finds_a_bad_spread_scale),
        cmocka_unit_test(check_finds_bad_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * kernels/encode: what is refused, extreme input, the same bytes on every instruction set and for rows alone,
 * use of the importance. The size of the errors: golden_encode.
 */
#include "base/f16.h"
#include "kernels/encode.h"
#include "tests/unit/cmocka_all.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 6
#define COLS 512

static const struct qb_format *format(int i)
{
    return qb_format_get((enum qb_format_id)i);
}

/* Normal values with outliers; importance over three decades. */
static void make_input(float *x, float *importance)
{
    struct qb_rng rng;
    qb_rng_init(&rng, 11, 3);
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = qb_rng_normal(&rng) * (qb_rng_below(&rng, 50) == 0 ? 0.2f : 0.02f);
    for (int i = 0; i < COLS; i++)
        importance[i] = expf(1.2f * qb_rng_normal(&rng));
}

static double squared_error(const float *x, const float *y, const float *w, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (w ? (double)w[i] : 1.0) * ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    return sum;
}

/* Encode one row and decode it again. */
static enum qb_status round_trip(const struct qb_format *f, const float *x, const float *importance, float *y)
{
    uint8_t blocks[COLS * 4];
    struct qb_err err;
    enum qb_status status = qb_encode_rows(f, x, 1, COLS, importance, blocks, &err);
    if (status == QB_OK)
        f->decode(blocks, y, COLS);
    return status;
}

static void refuses_what_is_not_finite(void **state)
{
    static float x[ROWS * COLS], importance[COLS];
    static uint8_t out[ROWS * COLS * 4];
    struct qb_err err;
    (void)state;
    make_input(x, importance);
    x[2 * COLS + 77] = NAN;
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        if (!qb_encode_supports(format(i)))
            continue;
        assert_int_equal(qb_encode_rows(format(i), x, ROWS, COLS, NULL, out, &err), QB_ERR_FORMAT);
        assert_non_null(strstr(err.message, "row 2, column 77"));
    }
    x[2 * COLS + 77] = -INFINITY;
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, ROWS, COLS, NULL, out, &err), QB_ERR_FORMAT);
    x[2 * COLS + 77] = 0.0f;
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, ROWS, COLS, importance, out, &err), QB_OK);
    importance[5] = -1.0f;
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, ROWS, COLS, importance, out, &err),
                     QB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "column 5"));
    importance[5] = NAN;
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, ROWS, COLS, importance, out, &err),
                     QB_ERR_FORMAT);
}

static void refuses_rows_of_part_blocks(void **state)
{
    static float x[COLS];
    static uint8_t out[COLS * 4];
    struct qb_err err;
    (void)state;
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_K), x, 1, 288, NULL, out, &err), QB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "288"));
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, 1, 288, NULL, out, &err), QB_OK);
    assert_int_equal(qb_encode_rows(format(QB_FORMAT_Q4_0), x, 1, 0, NULL, out, &err), QB_OK);
}

static void refuses_scales_beyond_f16(void **state)
{
    static float x[COLS], y[COLS];
    (void)state;
    for (int k = 0; k < 4; k++) {
        x[300] = (const float[]){1e9f, FLT_MAX, -1e20f, -FLT_MAX}[k];
        for (int i = 0; i < QB_FORMAT_COUNT; i++) {
            const struct qb_format *f = format(i);
            if (!qb_encode_supports(f))
                continue;
            enum qb_status status = round_trip(f, x, NULL, y);
            for (int j = 0; j < COLS && status == QB_OK && f->quantized; j++)
                assert_true(isfinite(y[j]));
        }
        assert_int_equal(round_trip(format(QB_FORMAT_Q4_0), x, NULL, y), QB_ERR_FORMAT);
        assert_int_equal(round_trip(format(QB_FORMAT_NVFP4), x, NULL, y), QB_ERR_FORMAT);
    }
}

/* Tiny, subnormal, constant, one-sided and single values: no crash, and errors below the largest magnitude.
 */
static void survives_extremes(void **state)
{
    static float x[COLS], y[COLS];
    (void)state;
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = format(i);
        for (int kind = 0; kind < 8 && qb_encode_supports(f); kind++) {
            for (int j = 0; j < COLS; j++)
                x[j] = (const float[]){0.0f,
                                       1e-7f,
                                       1e-40f,
                                       -2.5f,
                                       3.0f,
                                       j == 99 ? -7.0f : 0.0f,
                                       1.0f + (float)j / COLS,
                                       j % 2 ? -1e-30f : 4.0f}[kind];
            assert_int_equal(round_trip(f, x, NULL, y), QB_OK);
            float largest = 0.0f;
            for (int j = 0; j < COLS; j++)
                largest = fmaxf(largest, fabsf(x[j]));
            for (int j = 0; j < COLS; j++)
                assert_true(fabsf(x[j] - y[j]) <= largest);
        }
    }
}

static void same_bytes_on_every_isa_and_row_by_row(void **state)
{
    static float x[ROWS * COLS], importance[COLS];
    static uint8_t want[ROWS * COLS * 4], got[ROWS * COLS * 4];
    struct qb_err err;
    (void)state;
    make_input(x, importance);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = format(i);
        size_t row_bytes = qb_format_bytes(f, COLS);
        for (int with = 0; with < 2 && qb_encode_supports(f); with++) {
            const float *w = with ? importance : NULL;
            assert_int_equal(qb_encode_rows_isa(QB_ISA_SCALAR, f, x, ROWS, COLS, w, want, &err), QB_OK);
            for (int isa = 1; isa <= (int)qb_cpu_isa(); isa++) {
                assert_int_equal(qb_encode_rows_isa((enum qb_isa)isa, f, x, ROWS, COLS, w, got, &err), QB_OK);
                assert_memory_equal(got, want, ROWS * row_bytes);
            }
            for (int r = ROWS - 1; r >= 0; r--) {
                assert_int_equal(qb_encode_rows(f, x + r * COLS, 1, COLS, w, got, &err), QB_OK);
                assert_memory_equal(got, want + (size_t)r * row_bytes, row_bytes);
            }
        }
    }
}

/* The scale of the importance does not matter; without any (all zero) it is as if there were none. */
static void importance_lowers_the_weighted_error(void **state)
{
    static float x[ROWS * COLS], importance[COLS], scaled[COLS], zero[COLS], y[COLS], with[COLS], other[COLS];
    (void)state;
    make_input(x, importance);
    for (int j = 0; j < COLS; j++)
        scaled[j] = importance[j] * 0x1p-60f;
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = format(i);
        if (!qb_encode_supports(f))
            continue;
        double without_error = 0.0, with_error = 0.0;
        for (int r = 0; r < ROWS; r++) {
            assert_int_equal(round_trip(f, x + r * COLS, NULL, y), QB_OK);
            assert_int_equal(round_trip(f, x + r * COLS, importance, with), QB_OK);
            assert_int_equal(round_trip(f, x + r * COLS, scaled, other), QB_OK);
            assert_memory_equal(with, other, sizeof with);
            assert_int_equal(round_trip(f, x + r * COLS, zero, other), QB_OK);
            assert_memory_equal(y, other, sizeof y);
            without_error += squared_error(x + r * COLS, y, importance, COLS);
            with_error += squared_error(x + r * COLS, with, importance, COLS);
        }
        assert_true(with_error <= without_error);
        if (f->quantized && f->id != QB_FORMAT_Q8_0)
            assert_true(with_error < without_error);
    }
}

/* What a format holds exactly comes back (almost) as it was; IQ1 finds its scales without the moves by 1/8.
 */
static void keeps_what_it_can_hold(void **state)
{
    static float x[COLS], y[COLS];
    static uint8_t blocks[COLS * 4];
    struct qb_rng rng;
    (void)state;
    qb_rng_init(&rng, 5, 0);
    for (int i = 0; i < QB_FORMAT_COUNT; i++) {
        const struct qb_format *f = format(i);
        if (!qb_encode_supports(f))
            continue;
        for (int k = 0; k < COLS / f->block_elems; k++)
            f->synth(blocks + k * f->block_bytes, 0.02f, &rng);
        f->decode(blocks, x, COLS);
        assert_int_equal(round_trip(f, x, NULL, y), QB_OK);
        double square = 0.0;
        for (int j = 0; j < COLS; j++)
            square += (double)x[j] * x[j];
        bool moved = f->id == QB_FORMAT_IQ1_S || f->id == QB_FORMAT_IQ1_M;
        double error = squared_error(x, y, NULL, COLS) / square;
        if (error > (moved ? 0.11 : 4e-3))
            fail_msg("%s: %g", f->name, error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_finite),
        cmocka_unit_test(refuses_rows_of_part_blocks),
        cmocka_unit_test(refuses_scales_beyond_f16),
        cmocka_unit_test(survives_extremes),
        cmocka_unit_test(same_bytes_on_every_isa_and_row_by_row),
        cmocka_unit_test(importance_lowers_the_weighted_error),
        cmocka_unit_test(keeps_what_it_can_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

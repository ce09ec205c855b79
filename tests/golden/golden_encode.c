/*
 * Encoders against published errors: F16, BF16, Q8_0 byte for byte; the others no worse than the figures of
 * index.json, without importance by core_mean_relative_rmse, with importance by core_mean_relative_wrmse.
 */
#include "kernels/encode.h"
#include "tests/golden/golden.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLACK 1e-6

struct input {
    int64_t rows, n_cols;
    float *x, *importance;
    bool core[64]; /* rows that the figures are means of */
};

static const char *const core_kinds[] = {"normal_std1", "normal_std0.02", "uniform_pm1", "large_1e4",
                                         "laplace_real_weight_like"};

/* Root of the weighted mean square error over the root mean square of the row: what the index calls relative.
 */
static double relative_error(const float *x, const float *y, const float *w, int64_t n)
{
    double error = 0.0, weight = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double e = (double)x[i] - (double)y[i], wi = w ? (double)w[i] : 1.0;
        error += wi * e * e;
        weight += wi;
        square += (double)x[i] * (double)x[i];
    }
    return sqrt(error / weight) / sqrt(square / (double)n);
}

/* Encode all rows, decode them; the mean over the core rows. Negative, and a failed case, when it cannot be
 * done. */
static double measure(struct golden *g, const struct input *in, const struct qb_format *f,
                      const float *importance, uint8_t *blocks, float *decoded)
{
    struct qb_err err;
    double sum = 0.0;
    int n = 0;
    if (qb_encode_rows(f, in->x, in->rows, in->n_cols, importance, blocks, &err) != QB_OK) {
        golden_fail(g, "%s: %s", f->name, err.message);
        return -1.0;
    }
    f->decode(blocks, decoded, in->rows * in->n_cols);
    for (int64_t r = 0; r < in->rows; r++) {
        if (!in->core[r])
            continue;
        sum += relative_error(in->x + r * in->n_cols, decoded + r * in->n_cols, importance, in->n_cols);
        n++;
    }
    return sum / n;
}

static void check_bytes(struct golden *g, const struct qb_format *f, const char *name, const uint8_t *blocks,
                        size_t n_bytes)
{
    size_t n = 0;
    uint8_t *want = golden_read(g, name, &n);
    if (!want || n != n_bytes || memcmp(want, blocks, n) != 0)
        golden_fail(g, "%s: bytes differ from '%s'", f->name, name);
    else
        golden_pass(g);
    free(want);
}

/* The ratio to a figure of the index, printed; a case. */
static void check_ratio(struct golden *g, const struct qb_format *f, const json_t *t, const char *quality,
                        const char *figure, double error)
{
    const json_t *q = json_object_get(t, quality);
    if (!q) {
        printf(" %10s", "-");
        return;
    }
    double want = json_number_value(json_object_get(q, figure));
    printf(" %10.5f", error / want);
    if (!(want > 0.0) || !(error >= 0.0) || error > want * (1.0 + SLACK))
        golden_fail(g, "%s: %s %.9g, not at most %.9g", f->name, figure, error, want);
    else
        golden_pass(g);
}

static void check_type(struct golden *g, const struct input *in, const json_t *t)
{
    const char *name = golden_string(t, "name");
    const struct qb_format *f = qb_format_by_name(name);
    if (!f || !qb_encode_supports(f)) {
        golden_skip(g, "encoder of %s is not built", name);
        return;
    }
    size_t n_bytes = qb_format_bytes(f, in->rows * in->n_cols);
    uint8_t *blocks = malloc(n_bytes);
    float *decoded = malloc((size_t)(in->rows * in->n_cols) * sizeof *decoded);
    double error = measure(g, in, f, NULL, blocks, decoded);
    if (f->id == QB_FORMAT_F16 || f->id == QB_FORMAT_BF16 || f->id == QB_FORMAT_Q8_0)
        check_bytes(g, f, golden_string(json_object_get(t, "files"), "quant"), blocks, n_bytes);
    printf("%-8s", f->name);
    check_ratio(g, f, t, "quality_quant", "core_mean_relative_rmse", error);
    error = measure(g, in, f, in->importance, blocks, decoded);
    check_ratio(g, f, t, "quality_imat", "core_mean_relative_wrmse", error);
    printf("\n");
    free(blocks);
    free(decoded);
}

/* False, and a failed case, when the files do not fit the index. */
static bool read_input(struct golden *g, const json_t *index, struct input *in)
{
    size_t n_x = 0, n_importance = 0, i;
    const json_t *kind;
    *in = (struct input){.rows = golden_int(index, "rows"), .n_cols = golden_int(index, "row_length")};
    in->x = golden_read(g, golden_string(index, "input"), &n_x);
    in->importance = golden_read(g, golden_string(index, "imatrix"), &n_importance);
    json_array_foreach(json_object_get(index, "row_kinds"), i, kind)
    {
        for (size_t k = 0; k < sizeof core_kinds / sizeof core_kinds[0]; k++)
            if (i < 64 && json_is_string(kind) && strcmp(json_string_value(kind), core_kinds[k]) == 0)
                in->core[i] = true;
    }
    if (in->rows > 0 && in->rows <= 64 && in->n_cols > 0 && in->n_cols % QB_MAX_BLOCK_ELEMS == 0 && in->x &&
        in->importance && n_x == (size_t)(in->rows * in->n_cols) * sizeof(float) &&
        n_importance == (size_t)in->n_cols * sizeof(float))
        return true;
    golden_fail(g, "input and importance do not fit the index");
    return false;
}

int main(int argc, char **argv)
{
    struct golden g;
    struct input in;
    size_t i;
    json_t *t;
    if (!golden_open(&g, "formats", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    if (read_input(&g, index, &in)) {
        printf("error over that of the index\n%-8s %10s %10s\n", "type", "plain", "importance");
        json_array_foreach(json_object_get(index, "types"), i, t) check_type(&g, &in, t);
    }
    free(in.x);
    free(in.importance);
    json_decref(index);
    return golden_close(&g);
}

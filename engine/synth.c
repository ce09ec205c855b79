/*
 * Random weights for model shapes. Every group of 16 rows has its own random stream, named by seed, tensor
 * and group, so the result does not depend on who fills which rows.
 *
 * Scale: a matrix of n columns with a standard deviation of 1 / sqrt(n) maps inputs of size one to outputs of
 * size one. What is added to the residual stream (attn_output, ffn_down) is divided by sqrt(2 * layers), as
 * GPT-2 initializes, so that the stream does not grow with depth.
 */
#include "engine/synth.h"
#include "base/f16.h"
#include <math.h>
#include <string.h>

#define GROUP_ROWS 16

enum role { ROLE_MATRIX, ROLE_RESIDUAL, ROLE_NORM, ROLE_BIAS, ROLE_ROPE };

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static enum role role_of(const char *name)
{
    if (ends_with(name, "norm.weight"))
        return ROLE_NORM;
    if (ends_with(name, ".bias"))
        return ROLE_BIAS;
    if (strcmp(name, "rope_freqs.weight") == 0)
        return ROLE_ROPE;
    return ends_with(name, "attn_output.weight") || ends_with(name, "ffn_down.weight") ? ROLE_RESIDUAL
                                                                                       : ROLE_MATRIX;
}

/* FNV-1a */
static uint64_t hash_name(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return h;
}

static void store_float(enum qb_format_id id, uint8_t *out, size_t i, float v)
{
    uint16_t h = id == QB_FORMAT_F16 ? qb_f32_to_f16(v) : qb_f32_to_bf16(v);
    if (id == QB_FORMAT_F32)
        memcpy(out + 4 * i, &v, 4);
    else
        memcpy(out + 2 * i, &h, 2);
}

/* Uniform values of this mean and spread, four from each random word. */
static void fill_float(enum qb_format_id id, uint8_t *out, size_t n, float mean, float std,
                       struct qb_rng *rng)
{
    float step = std * 1.7320508f / 32768.0f; /* a uniform [-a, a] has the deviation a / sqrt(3) */
    for (size_t i = 0; i < n;) {
        uint64_t word = qb_rng_u64(rng);
        for (int k = 0; k < 4 && i < n; k++, word >>= 16)
            store_float(id, out, i++, mean + step * (float)(int16_t)word);
    }
}

/* The frequency factors of Llama 3.1: short waves stay, long ones are stretched, a smooth step between. */
static void fill_rope(const struct qb_hparams *hp, enum qb_format_id id, uint8_t *out, size_t n)
{
    const double old = 8192, low = 1, high = 4, pi = 3.14159265358979323846;
    double factor = hp->llama3_rope_factor > 0 ? (double)hp->llama3_rope_factor : 1;
    for (size_t i = 0; i < n; i++) {
        double freq = pow((double)hp->rope_base, -2.0 * (double)i / hp->n_rot);
        double wave = 2 * pi / freq, ff = 1;
        if (wave > old / low)
            ff = factor;
        else if (wave >= old / high) {
            double s = (old / wave - low) / (high - low);
            ff = 1 / ((1 - s) / factor + s);
        }
        store_float(id, out, i, (float)ff);
    }
}

static void fill_group(const struct qb_hparams *hp, enum role role, int64_t n_cols, const struct qb_format *f,
                       struct qb_rng *rng, int64_t n_rows, uint8_t *out)
{
    size_t n = (size_t)n_rows * (size_t)n_cols;
    float std = 1.0f / sqrtf((float)n_cols);
    if (role == ROLE_RESIDUAL)
        std /= sqrtf(2.0f * (float)hp->n_layer);
    if (role == ROLE_ROPE)
        fill_rope(hp, f->id, out, n);
    else if (role == ROLE_NORM) /* from 0.9 to 1.1 */
        fill_float(f->id, out, n, 1.0f, 0.1f / 1.7320508f, rng);
    else if (!f->quantized)
        fill_float(f->id, out, n, 0.0f, role == ROLE_BIAS ? 0.02f : std, rng);
    else
        for (size_t b = 0; b < n / (size_t)f->block_elems; b++)
            f->synth(out + b * (size_t)f->block_bytes, std, rng);
}

void qb_synth_rows(const struct qb_hparams *hp, const char *tensor, int64_t n_cols, const struct qb_format *f,
                   uint64_t seed, int64_t row0, int64_t n_rows, uint8_t *out)
{
    enum role role = role_of(tensor);
    uint64_t name = hash_name(tensor);
    if (row0 % GROUP_ROWS != 0 || n_cols % f->block_elems != 0 ||
        (f->quantized && role != ROLE_MATRIX && role != ROLE_RESIDUAL))
        QB_BUG("cannot synthesize row %lld of '%s' as %s", (long long)row0, tensor, f->name);
    size_t row_bytes = qb_format_bytes(f, n_cols);
    for (int64_t done = 0; done < n_rows; done += GROUP_ROWS) {
        struct qb_rng rng;
        qb_rng_init(&rng, seed, qb_mix64(name + (uint64_t)((row0 + done) / GROUP_ROWS)));
        int64_t rows = n_rows - done < GROUP_ROWS ? n_rows - done : GROUP_ROWS;
        fill_group(hp, role, n_cols, f, &rng, rows, out + (size_t)done * row_bytes);
    }
}

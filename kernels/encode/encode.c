/*
 * Encoding rows: checks of the input, the encoder of the format for this CPU, check of the scales.
 */
#include "kernels/encode.h"
#include "base/f16.h"

typedef void encode_row_fn(const float *x, const float *importance, int64_t n, void *out);

/* The encoders as compiled for one instruction set. */
#define DECLARE_SET(isa_) extern encode_row_fn *const qb_encode_set_##isa_[QB_FORMAT_COUNT];
DECLARE_SET(scalar)
#if defined(__x86_64__)
DECLARE_SET(avx2)
DECLARE_SET(avx512vnni)
#endif

static encode_row_fn *const *const sets[QB_ISA_COUNT] = {
    [QB_ISA_SCALAR] = qb_encode_set_scalar,
#if defined(__x86_64__)
    [QB_ISA_AVX2] = qb_encode_set_avx2,
    [QB_ISA_AVX512VNNI] = qb_encode_set_avx512vnni,
#endif
};

bool qb_encode_supports(const struct qb_format *f)
{
    return qb_encode_set_scalar[f->id] != NULL;
}

static bool is_finite(float v)
{
    return (qb_f32_bits(v) & 0x7f800000u) != 0x7f800000u;
}

/* Index of the first value that is not finite, or -1. */
static int64_t find_not_finite(const float *x, int64_t n)
{
    int32_t max = 0; /* signed: SSE2 compares no others */
    for (int64_t i = 0; i < n; i++) {
        int32_t bits = (int32_t)(qb_f32_bits(x[i]) & 0x7fffffffu);
        max = bits > max ? bits : max;
    }
    for (int64_t i = 0; max >= 0x7f800000 && i < n; i++)
        if (!is_finite(x[i]))
            return i;
    return -1;
}

static enum qb_status check_importance(const float *importance, int64_t n, struct qb_err *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!is_finite(importance[i]) || importance[i] < 0.0f)
            return qb_fail(err, QB_ERR_FORMAT,
                           "importance %g of column %lld is not a finite number from 0 on",
                           (double)importance[i], (long long)i);
    return QB_OK;
}

static enum qb_status encode_row(encode_row_fn *encode, const struct qb_format *f, const float *x,
                                 int64_t row, int64_t n, const float *importance, void *out,
                                 struct qb_err *err)
{
    int64_t bad = find_not_finite(x, n);
    if (bad >= 0)
        return qb_fail(err, QB_ERR_FORMAT, "value %g in row %lld, column %lld is not finite", (double)x[bad],
                       (long long)row, (long long)bad);
    encode(x, importance, n, out);
    bad = f->quantized ? f->check(out, n / f->block_elems) : -1;
    if (bad >= 0)
        return qb_fail(err, QB_ERR_FORMAT, "values in row %lld, columns %lld to %lld are too large for %s",
                       (long long)row, (long long)(bad * f->block_elems),
                       (long long)(bad * f->block_elems + f->block_elems - 1), f->name);
    return QB_OK;
}

enum qb_status qb_encode_rows_isa(enum qb_isa isa, const struct qb_format *f, const float *x, int64_t n_rows,
                                  int64_t n_cols, const float *importance, void *out, struct qb_err *err)
{
    if (!qb_encode_supports(f))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "no encoder for %s", f->name);
    if (n_rows < 0 || n_cols < 0 || n_cols % f->block_elems != 0)
        return qb_fail(err, QB_ERR_FORMAT, "row length %lld is not a multiple of %d, the block of %s",
                       (long long)n_cols, f->block_elems, f->name);
    if (importance)
        QB_TRY(check_importance(importance, n_cols, err));
    isa = isa >= QB_ISA_COUNT ? QB_ISA_COUNT - 1 : isa;
    while (!sets[isa])
        isa--;
    size_t row_bytes = qb_format_bytes(f, n_cols);
    for (int64_t r = 0; r < n_rows; r++)
        QB_TRY(encode_row(sets[isa][f->id], f, x + r * n_cols, r, n_cols, importance,
                          (uint8_t *)out + (size_t)r * row_bytes, err));
    return QB_OK;
}

enum qb_status qb_encode_rows(const struct qb_format *f, const float *x, int64_t n_rows, int64_t n_cols,
                              const float *importance, void *out, struct qb_err *err)
{
    return qb_encode_rows_isa(qb_cpu_isa(), f, x, n_rows, n_cols, importance, out, err);
}

/*
 * F32, F16, BF16: round to nearest even, as base/f16.h.
 */
#include "kernels/encode/encode_ops.h"
#include <string.h>

void QB_ENCODE_FN(F32)(const float *x, const float *importance, int64_t n, void *out)
{
    (void)importance;
    memcpy(out, x, (size_t)n * sizeof *x);
}

void QB_ENCODE_FN(F16)(const float *x, const float *importance, int64_t n, void *out)
{
    uint8_t *bytes = out;
    (void)importance;
    for (int64_t i = 0; i < n; i++) {
        uint16_t v = qb_f32_to_f16(x[i]);
        memcpy(bytes + 2 * i, &v, sizeof v);
    }
}

void QB_ENCODE_FN(BF16)(const float *x, const float *importance, int64_t n, void *out)
{
    uint8_t *bytes = out;
    (void)importance;
    for (int64_t i = 0; i < n; i++) {
        uint16_t v = qb_f32_to_bf16(x[i]);
        memcpy(bytes + 2 * i, &v, sizeof v);
    }
}

/*
 * TQ1_0, TQ2_0: -d, 0, d for 256 weights. The scale is searched: for weights that are not ternary by training
 * the largest magnitude is far too large; for those that are, both are the same.
 */
#include "kernels/encode/encode_ternary.h"
#include "kernels/blocks.h"
#include "kernels/encode/encode_ops.h"
#include <string.h>

static const float starts[QB_LANES] = {0.75f, 0.95f, 1.15f, 1.35f, 1.55f, 1.8f, 2.05f, 2.3f,
                                       2.6f,  2.95f, 3.4f,  4.0f,  5.0f,  7.0f, 11.0f, 20.0f};

/* Codes 0, 1, 2; the scale as f16. */
static uint16_t choose_ternary(const float *x, const float *importance, uint8_t *codes)
{
    struct qb_encode_block b;
    uint16_t h = 0;
    memset(codes, 1, 256);
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return 0;
    struct qb_encode_group g = {b.x, b.w, 256};
    float m = __builtin_fabsf(qb_signed_max(b.x, 256));
    float inv = qb_encode_invert(qb_encode_f16(qb_ternary_search(g, starts, m, 3), b.unit, &h));
    for (int j = 0; j < 256; j += QB_LANES)
        qb_take_codes(b.x + j, 0.0f, inv, -1.0f, 1.0f, 1, codes + j);
    return h;
}

/* Five base-3 digits, the first is the most significant: a byte whose n-th digit is the top of v 3^n. */
static uint8_t pack_digits(const uint8_t *codes, int stride, int n)
{
    unsigned v = 0;
    for (int k = 0; k < 5; k++)
        v = 3 * v + (k < n ? codes[k * stride] : 0u);
    return (uint8_t)((v * 256 + 242) / 243);
}

void QB_ENCODE_FN(TQ1_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_TQ1_0 *b = out;
    uint8_t codes[256];
    for (int64_t i = 0; i < n; i += 256, b++) {
        b->d = choose_ternary(x + i, importance ? importance + i : NULL, codes);
        for (int m = 0; m < 32; m++)
            b->qs[m] = pack_digits(codes + m, 32, 5);
        for (int m = 0; m < 16; m++)
            b->qs[32 + m] = pack_digits(codes + 160 + m, 16, 5);
        for (int m = 0; m < 4; m++)
            b->qh[m] = pack_digits(codes + 240 + m, 4, 4);
    }
}

void QB_ENCODE_FN(TQ2_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_TQ2_0 *b = out;
    uint8_t codes[256];
    for (int64_t i = 0; i < n; i += 256, b++) {
        b->d = choose_ternary(x + i, importance ? importance + i : NULL, codes);
        for (int j = 0; j < 64; j++) {
            const uint8_t *q = codes + j / 32 * 128 + j % 32;
            b->qs[j] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
    }
}

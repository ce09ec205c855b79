/*
 * Q8_0 by rounding; Q4_0, Q5_0 (scale) and Q4_1, Q5_1 (scale and offset) by search.
 */
#include "kernels/blocks.h"
#include "kernels/encode/encode_ops.h"
#include "kernels/encode/encode_search.h"
#include <string.h>

/* Halves away from zero. The largest number below 0.5: with 0.5 its neighbour 0.49999997 would become 1. */
static int32_t round_away(float v)
{
    return (int32_t)(v + __builtin_copysignf(0.49999997f, v));
}

void QB_ENCODE_FN(Q8_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q8_0 *b = out;
    (void)importance;
    for (int64_t i = 0; i < n / 32; i++, b++, x += 32) {
        float d = qb_f32_from_bits((uint32_t)qb_encode_max_bits(x, 32)) / 127.0f, inv = qb_encode_invert(d);
        inv = inv <= 3.4e38f ? inv : 0.0f; /* of a subnormal scale, which f16 loses anyway */
        b->d = qb_f32_to_f16(d);
        int32_t q[32]; /* two loops: compilers narrow badly on the way */
        for (int j = 0; j < 32; j++)
            q[j] = round_away(x[j] * inv);
        for (int j = 0; j < 32; j++)
            b->q[j] = (int8_t)q[j];
    }
}

/* Inverse scales times the signed maximum: the maximum as the lowest code, or as the highest, or clipped. */
static const float starts4[QB_LANES] = {-6.5f, -6.8f, -7.1f, -7.4f, -7.7f, -8.0f, -8.3f, -8.6f,
                                        -8.9f, -9.3f, 6.0f,  6.4f,  6.8f,  7.2f,  7.6f,  8.0f};
static const float starts5[QB_LANES] = {-14.2f, -14.6f, -15.0f, -15.3f, -15.6f, -15.9f, -16.2f, -16.6f,
                                        -17.0f, -17.5f, 14.3f,  14.7f,  15.1f,  15.5f,  15.9f,  16.4f};

/* Scale and unsigned codes 0..2N-1 of 32 values. */
static uint16_t encode_sym32(const float *x, const float *importance, int n_half, const float *starts,
                             uint8_t *codes)
{
    struct qb_encode_block b;
    uint16_t h = 0;
    float lo = (float)-n_half, hi = (float)(n_half - 1);
    qb_encode_load(&b, x, importance, 32);
    memset(codes, n_half, 32);
    if (b.unit == 0.0f)
        return 0;
    struct qb_encode_group g = {b.x, b.w, 32};
    float d = qb_sym_search(g, lo, hi, starts, qb_signed_max(b.x, 32), 2);
    float inv = qb_encode_invert(qb_encode_f16(d, b.unit, &h));
    for (int j = 0; j < 32; j += QB_LANES)
        qb_take_codes(b.x + j, 0.0f, inv, lo, hi, n_half, codes + j);
    return h;
}

static uint32_t fifth_bits(const uint8_t *codes)
{
    uint32_t bits = 0;
    for (int j = 0; j < 32; j++)
        bits |= (uint32_t)(codes[j] >> 4) << j;
    return bits;
}

void QB_ENCODE_FN(Q4_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q4_0 *b = out;
    uint8_t codes[32];
    for (int64_t i = 0; i < n; i += 32, b++) {
        b->d = encode_sym32(x + i, importance ? importance + i : NULL, 8, starts4, codes);
        qb_encode_nibbles32(codes, b->qs);
    }
}

void QB_ENCODE_FN(Q5_0)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q5_0 *b = out;
    uint8_t codes[32];
    for (int64_t i = 0; i < n; i += 32, b++) {
        b->d = encode_sym32(x + i, importance ? importance + i : NULL, 16, starts5, codes);
        b->qh = fifth_bits(codes);
        qb_encode_nibbles32(codes, b->qs);
    }
}

static const float shrink4[4] = {0.0f, 0.03f, 0.06f, 0.1f};
static const float shrink5[4] = {-0.01f, 0.0f, 0.02f, 0.04f};

/* Scale and minimum (two f16) and codes 0..max_code of 32 values. */
static void encode_asym32(const float *x, const float *importance, float max_code, const float shrink[4],
                          uint16_t *d, uint16_t *m, uint8_t *codes)
{
    struct qb_encode_block b;
    qb_encode_load(&b, x, importance, 32);
    memset(codes, 0, 32);
    *d = *m = 0;
    if (b.unit == 0.0f)
        return;
    struct qb_encode_group g = {b.x, b.w, 32};
    struct qb_asym s = qb_asym_search(g, max_code, 1e30f, shrink, 2);
    float offset = qb_encode_f16(s.offset, b.unit, m),
          inv = qb_encode_invert(qb_encode_f16(s.scale, b.unit, d));
    for (int j = 0; j < 32; j += QB_LANES)
        qb_take_codes(b.x + j, offset, inv, 0.0f, max_code, 0, codes + j);
}

void QB_ENCODE_FN(Q4_1)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q4_1 *b = out;
    uint8_t codes[32];
    for (int64_t i = 0; i < n; i += 32, b++) {
        uint16_t d, m;
        encode_asym32(x + i, importance ? importance + i : NULL, 15.0f, shrink4, &d, &m, codes);
        b->d = d;
        b->m = m;
        qb_encode_nibbles32(codes, b->qs);
    }
}

void QB_ENCODE_FN(Q5_1)(const float *x, const float *importance, int64_t n, void *out)
{
    struct qb_block_Q5_1 *b = out;
    uint8_t codes[32];
    for (int64_t i = 0; i < n; i += 32, b++) {
        uint16_t d, m;
        encode_asym32(x + i, importance ? importance + i : NULL, 31.0f, shrink5, &d, &m, codes);
        b->d = d;
        b->m = m;
        b->qh = fifth_bits(codes);
        qb_encode_nibbles32(codes, b->qs);
    }
}

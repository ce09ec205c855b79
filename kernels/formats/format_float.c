/*
 * F32, F16 and BF16: one weight a block, no codes.
 */
#include "kernels/blocks.h"
#include "kernels/formats/format_ops.h"
#include <math.h>
#include <string.h>

/* Uniform with the wanted standard deviation: one random word a weight, no transcendental function. */
static float synth_weight(float std, struct qb_rng *rng)
{
    int32_t r = (int32_t)(qb_rng_u64(rng) >> 32);
    return (float)r * (std * 1.7320508f / 2147483648.0f);
}

void qb_decode_F32(const void *blocks, float *out, int64_t n)
{
    memcpy(out, blocks, (size_t)n * sizeof(float));
}

/*
 * qb_f16_to_f32 without branches, so that the loop vectorizes: the bits in place of an f32 are the value
 * times 2^-112, for subnormal ones too; what is not finite gets its exponent set.
 */
void qb_decode_F16(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_F16 *b = blocks;
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = b[i].v, size = h & 0x7fffu;
        uint32_t special = size >= 0x7c00u ? 0x7f800000u : 0;
        uint32_t bits = qb_f32_bits(qb_f32_from_bits(size << 13) * 0x1p112f);
        out[i] = qb_f32_from_bits((bits | special) | (h & 0x8000u) << 16);
    }
}

void qb_decode_BF16(const void *blocks, float *out, int64_t n)
{
    const struct qb_block_BF16 *b = blocks;
    for (int64_t i = 0; i < n; i++)
        out[i] = qb_bf16_to_f32(b[i].v);
}

void qb_synth_F32(void *block, float std, struct qb_rng *rng)
{
    float w = synth_weight(std, rng);
    memcpy(block, &w, sizeof w);
}

void qb_synth_F16(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_F16 *b = block;
    b->v = qb_f32_to_f16(synth_weight(std, rng));
}

void qb_synth_BF16(void *block, float std, struct qb_rng *rng)
{
    struct qb_block_BF16 *b = block;
    b->v = qb_f32_to_bf16(synth_weight(std, rng));
}

QB_DEFINE_CHECK(F32, isfinite(b[i].v))
QB_DEFINE_CHECK(F16, qb_f16_is_finite(b[i].v))
QB_DEFINE_CHECK(BF16, (b[i].v & 0x7f80) != 0x7f80)

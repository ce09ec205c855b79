/*
 * What the codebook formats share: a group of 8 weights is one point (IQ1, IQ2) or two (IQ3) of a codebook,
 * packed level numbers, and a byte of signs.
 */
#ifndef QB_KERNELS_FORMATS_FORMAT_IQ_H
#define QB_KERNELS_FORMATS_FORMAT_IQ_H

#include "kernels/blocks.h"
#include "kernels/codebooks.h"
#include "kernels/formats/format_ops.h"
#include <string.h>

struct qb_iq_group {
    uint32_t levels; /* that of weight i in bits 2i, 2i + 1, or 3i .. 3i + 2 */
    uint8_t signs;   /* bit i: weight i is negative */
};

/* Seven stored signs, the eighth makes the number of minus signs even. */
static inline uint8_t qb_iq_even_signs(uint32_t code)
{
    code &= 127;
    return (uint8_t)(code | (uint32_t)(__builtin_popcount(code) & 1) << 7);
}

static inline int qb_iq_level(struct qb_iq_group g, int i, int bits, const int8_t *levels)
{
    int level = levels[g.levels >> (bits * i) & ((1u << bits) - 1)];
    return g.signs >> i & 1 ? -level : level;
}

/*
 * Decoder, codes and check of a format with one f16 d in front. PREFIX_group(b, q) is group q (0..31) of a
 * block, PREFIX_scale(b, s) the integer scale of sub-block s, FACTOR what multiplies it besides d.
 */
#define QB_DEFINE_IQ(id, PREFIX, FACTOR, BITS, LEVELS, SUB, OFFSET)                                          \
    void qb_decode_##id(const void *blocks, float *out, int64_t n)                                           \
    {                                                                                                        \
        const struct qb_block_##id *b = blocks;                                                              \
        for (int64_t i = 0; i < n / 8; i++) {                                                                \
            const struct qb_block_##id *at = b + i / 32;                                                     \
            struct qb_iq_group g = PREFIX##_group(at, (int)(i % 32));                                        \
            int integer = PREFIX##_scale(at, (int)(i % 32) * 8 / (SUB));                                     \
            float scale = qb_f16_to_f32(at->d) * (FACTOR) * (float)integer;                                  \
            for (int j = 0; j < 8; j++)                                                                      \
                out[i * 8 + j] = scale * (float)qb_iq_level(g, j, BITS, LEVELS);                             \
        }                                                                                                    \
    }                                                                                                        \
    void qb_codes_##id(const void *block, struct qb_codes *out)                                              \
    {                                                                                                        \
        const struct qb_block_##id *b = block;                                                               \
        for (int s = 0; s < 256 / (SUB); s++)                                                                \
            out->sub_scale[s] = (int16_t)PREFIX##_scale(b, s);                                               \
        qb_codes_set_scales(out, qb_f16_to_f32(b->d) * (FACTOR), 256 / (SUB));                               \
        for (int j = 0; j < 256; j++)                                                                        \
            out->code[j] = (uint8_t)(OFFSET + qb_iq_level(PREFIX##_group(b, j / 8), j % 8, BITS, LEVELS));   \
    }                                                                                                        \
    QB_DEFINE_CHECK(id, qb_f16_is_finite(b[i].d))

/* 8 bits, to 0 or 1 in a byte each. */
static inline uint64_t qb_spread_bits(uint8_t bits)
{
    uint64_t one = (bits * 0x0101010101010101ull) & 0x8040201008040201ull;
    return (one + 0x7f7f7f7f7f7f7f7full) >> 7 & 0x0101010101010101ull;
}

/* The level numbers of 8 weights, two bits each, to a byte each, */
static inline uint64_t qb_spread_levels(uint64_t levels)
{
    levels = (levels | levels << 24) & 0x000000ff000000ffull;
    levels = (levels | levels << 12) & 0x000f000f000f000full;
    return (levels | levels << 6) & 0x0303030303030303ull;
}

/* and back: bits 0 and 1 of 8 bytes. */
static inline uint32_t qb_gather_levels(uint64_t bytes)
{
    bytes &= 0x0303030303030303ull;
    bytes = (bytes | bytes >> 6) & 0x000f000f000f000full;
    bytes = (bytes | bytes >> 12) & 0x000000ff000000ffull;
    return (uint32_t)((bytes | bytes >> 24) & 0xffff);
}

/*
 * Planes of two bits (kernels/expansion.h): the 32 weights 32 k .. are plane k / 2 of q[k % 2], so group g of
 * 8 weights is 8 bytes of them.
 */
static inline uint8_t *qb_plane_bytes(uint8_t q[2][32], int g)
{
    return q[g / 4 % 2] + g % 4 * 8;
}

/* Put the level numbers of 8 weights, two bits each, where zeros are. */
static inline void qb_put_levels(uint8_t q[2][32], int g, uint64_t levels)
{
    uint64_t bytes;
    memcpy(&bytes, qb_plane_bytes(q, g), sizeof bytes);
    bytes |= qb_spread_levels(levels) << (g / 8 * 2);
    memcpy(qb_plane_bytes(q, g), &bytes, sizeof bytes);
}

static inline uint32_t qb_get_levels(uint8_t q[2][32], int g)
{
    uint64_t bytes;
    memcpy(&bytes, qb_plane_bytes(q, g), sizeof bytes);
    return qb_gather_levels(bytes >> (g / 8 * 2));
}

/* The nibble of 16s number s (kernels/expansion.h), where zeros are. */
static inline void qb_put_scale(uint8_t scales[8], int s, int code)
{
    scales[s % 4 + s / 8 * 4] |= (uint8_t)(code << (s / 4 % 2 * 4));
}

static inline uint8_t qb_get_scale(const uint8_t scales[8], int s)
{
    return scales[s % 4 + s / 8 * 4] >> (s / 4 % 2 * 4) & 15;
}

#endif

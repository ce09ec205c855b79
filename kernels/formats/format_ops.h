/*
 * What a format family defines for each of its formats, declared from formats.def (float formats have no
 * codes), and helpers shared by the families.
 */
#ifndef QB_KERNELS_FORMATS_FORMAT_OPS_H
#define QB_KERNELS_FORMATS_FORMAT_OPS_H

#include "base/f16.h"
#include "kernels/format.h"

#define QB_FORMAT(id, ...)                                                                                   \
    void qb_decode_##id(const void *blocks, float *out, int64_t n);                                          \
    void qb_codes_##id(const void *block, struct qb_codes *out);                                             \
    void qb_synth_##id(void *block, float std, struct qb_rng *rng);                                          \
    int64_t qb_check_##id(const void *blocks, int64_t n_blocks);
#include "kernels/formats.def"
#undef QB_FORMAT
#define QB_PANEL_FORM(format, isa, act, sub, offset_shift, codes, ...)                                       \
    void codes(const void *block, struct qb_codes *out);
#include "kernels/panel_forms.def"
#undef QB_PANEL_FORM

static inline bool qb_f16_is_finite(uint16_t h)
{
    return (h & 0x7c00u) != 0x7c00u;
}

/* The scales of n sub-blocks from their integers. */
static inline void qb_codes_set_scales(struct qb_codes *c, float d, int n)
{
    c->d = d;
    for (int i = 0; i < n; i++)
        c->scale[i] = d * (float)c->sub_scale[i];
}

/*
 * A scale of about the given size: size times 0.5 to 1.427, whose mean square is 1. Every block has its own,
 * with all bits of an f16, as quantizers write them: kernels take shorter ways where scales are alike or have
 * few bits, and a benchmark must not find them by accident.
 */
static inline uint16_t qb_synth_size(float size, struct qb_rng *rng)
{
    return qb_f32_to_f16(size * (0.5f + 0.92705f * (float)qb_rng_double(rng)));
}

/* The same of a random sign: blocks whose codes have a small mean then cancel each other. */
static inline uint16_t qb_synth_scale(float size, struct qb_rng *rng)
{
    uint16_t sign = (uint16_t)(qb_rng_u64(rng) >> 63 << 15);
    return qb_synth_size(size, rng) | sign;
}

/* All bits of a block at random but for its one scale; RMS: root mean square of the codes (times the
 * sub-scales). */
#define QB_DEFINE_SYNTH(id, RMS)                                                                             \
    void qb_synth_##id(void *block, float std, struct qb_rng *rng)                                           \
    {                                                                                                        \
        struct qb_block_##id *b = block;                                                                     \
        qb_rng_fill(rng, b, sizeof *b);                                                                      \
        b->d = qb_synth_scale(std / (RMS), rng);                                                             \
    }

/*
 * Element j of the nibble rule of blocks of 32: elements 0..15 in the low nibbles of 16 bytes, 16..31 in the
 * high ones.
 */
static inline int qb_nibble32(const uint8_t *qs, int j)
{
    return j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
}

/*
 * Element j of two-bit planes: 32 bytes hold 128 elements, element 32 p + l of them in bits 2p, 2p + 1 of
 * byte l.
 */
static inline int qb_two_bits(const uint8_t *qs, int j)
{
    return qs[32 * (j / 128) + j % 32] >> (2 * (j % 128 / 32)) & 3;
}

/* First block with a scale that is not finite; FINITE(b) says whether block b is good. */
#define QB_DEFINE_CHECK(id, FINITE)                                                                          \
    int64_t qb_check_##id(const void *blocks, int64_t n_blocks)                                              \
    {                                                                                                        \
        const struct qb_block_##id *b = blocks;                                                              \
        for (int64_t i = 0; i < n_blocks; i++)                                                               \
            if (!(FINITE))                                                                                   \
                return i;                                                                                    \
        return -1;                                                                                           \
    }

#endif

/*
 * Expanded blocks (expansions.def): what the layout x16 interleaves in place of the blocks of a codebook
 * format. The number of a point says what 4 or 8 weights are and takes many operations to look up; here each
 * weight has bits of its own, which take one or two. Both ways are exact: a point is found again by its
 * values.
 */
#ifndef QB_KERNELS_EXPANSION_H
#define QB_KERNELS_EXPANSION_H

#include "kernels/format.h"

/*
 * NIBBLES: f16 d; 8 nibbles of scales, for 32 weights each; a nibble for every weight, its sign above the
 * number of its level, so that 0 .. 15 ascend: 15 - n is the negative of n. Of every 32 weights the first 16
 * are the low nibbles.
 */
struct qb_expanded_nibbles {
    uint16_t d;
    uint8_t scales[4], q[8][16];
} __attribute__((packed));

/*
 * TERNARY: f16 d; 8 nibbles for 32 weights each, in bits 0 to 2 the scale, bit 3 if they are moved down: that
 * of 32s k and k + 4 in byte k; weights in planes of two bits, 0 to 2: those of 32s 2 j and 2 j + 1 are plane
 * j of q[0] and q[1].
 */
struct qb_expanded_ternary {
    uint16_t d;
    uint8_t scales[4], q[2][32];
} __attribute__((packed));

/*
 * SIGNED: f16 d; 16 nibbles for 16 weights each: that of 16s s and s + 4 in byte s % 4 + s / 8 * 4; of every
 * 32 weights three dwords. A weight is three bits, two of its level and above them its sign. Weights 4 i + l
 * with i < 6 are in byte l of q[i / 2], in its lower or upper nibble; those of the last two i are what the
 * nibbles have left: bit k of each is bit 3 (i = 6) or 7 of byte l of q[k]. So a nibble is an index for a
 * table that ignores its upper bit.
 */
struct qb_expanded_signed {
    uint16_t d;
    uint8_t scales[8], q[8][3][4];
} __attribute__((packed));

/*
 * TERNARY_16: f16 d; bit s of `down`: the first 8 weights of 16s number s are moved down, bit 16 + s: the
 * second 8 are; odd scales of 16s (1 to 15) in nibbles as SIGNED; weights in planes as TERNARY.
 */
struct qb_expanded_ternary_16 {
    uint16_t d;
    uint32_t down;
    uint8_t scales[8], q[2][32];
} __attribute__((packed));

struct qb_expansion {
    int block_bytes;
    /* One block to its expanded form, and back. */
    void (*expand)(const void *block, void *expanded);
    void (*contract)(const void *expanded, void *block);
};

#define QB_MAX_EXPANDED_BYTES 134 /* the largest of expansions.def */

/* NULL: the format has none. */
const struct qb_expansion *qb_expansion_of(const struct qb_format *f);

#define QB_EXPANSION(id, ...)                                                                                \
    void qb_expand_##id(const void *block, void *expanded);                                                  \
    void qb_contract_##id(const void *expanded, void *block);
#include "kernels/expansions.def"

#endif

/*
 * The blocks of the weight formats as they lie in a GGUF file: packed, little-endian, no alignment. Sizes are
 * checked against formats.def. Source: reference/quant-formats (docs/formats.md).
 */
#ifndef QB_KERNELS_BLOCKS_H
#define QB_KERNELS_BLOCKS_H

#include <stdint.h>

#define QB_PACKED __attribute__((packed))

struct qb_block_F32 {
    float v;
} QB_PACKED;
struct qb_block_F16 {
    uint16_t v;
} QB_PACKED;
struct qb_block_BF16 {
    uint16_t v;
} QB_PACKED;
/* Blocks of 32: d, m f16; qs: elements 0..15 in low nibbles, 16..31 in high ones; qh: fifth bits. */
struct qb_block_Q4_0 {
    uint16_t d;
    uint8_t qs[16];
} QB_PACKED;
struct qb_block_Q4_1 {
    uint16_t d, m;
    uint8_t qs[16];
} QB_PACKED;
struct qb_block_Q5_0 {
    uint16_t d;
    uint32_t qh;
    uint8_t qs[16];
} QB_PACKED;
struct qb_block_Q5_1 {
    uint16_t d, m;
    uint32_t qh;
    uint8_t qs[16];
} QB_PACKED;
struct qb_block_Q8_0 {
    uint16_t d;
    int8_t q[32];
} QB_PACKED;
struct qb_block_IQ4_NL {
    uint16_t d;
    uint8_t qs[16];
} QB_PACKED;
/* e: the exponent of a power of two. */
struct qb_block_MXFP4 {
    uint8_t e, qs[16];
} QB_PACKED;
/* Blocks of 64: four E4M3 scales. */
struct qb_block_NVFP4 {
    uint8_t scales[4], qs[32];
} QB_PACKED;
struct qb_block_Q2_0 {
    uint16_t d;
    uint8_t qs[16];
} QB_PACKED;
/* 128 signs. */
struct qb_block_Q1_0 {
    uint16_t d;
    uint8_t qs[16];
} QB_PACKED;
/* Blocks of 256. */
struct qb_block_Q2_K {
    uint8_t scales[16], qs[64];
    uint16_t d, dmin;
} QB_PACKED;
struct qb_block_Q3_K {
    uint8_t hmask[32], qs[64], scales[12];
    uint16_t d;
} QB_PACKED;
struct qb_block_TQ1_0 {
    uint8_t qs[48], qh[4];
    uint16_t d;
} QB_PACKED;
struct qb_block_TQ2_0 {
    uint8_t qs[64];
    uint16_t d;
} QB_PACKED;
struct qb_block_Q4_K {
    uint16_t d, dmin;
    uint8_t scales[12], qs[128];
} QB_PACKED;
struct qb_block_Q5_K {
    uint16_t d, dmin;
    uint8_t scales[12], qh[32], qs[128];
} QB_PACKED;
struct qb_block_Q6_K {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint16_t d;
} QB_PACKED;
struct qb_block_IQ4_XS {
    uint16_t d, scales_h;
    uint8_t scales_l[4], qs[128];
} QB_PACKED;
/*
 * Codebooks: qs holds index bytes (IQ2_XXS: also signs and scales; IQ2_XS: 9 bits of index, 7 of signs), qh
 * the higher bits of the indices.
 */
struct qb_block_IQ2_XXS {
    uint16_t d;
    uint8_t qs[64];
} QB_PACKED;
struct qb_block_IQ2_XS {
    uint16_t d, qs[32];
    uint8_t scales[8];
} QB_PACKED;
struct qb_block_IQ2_S {
    uint16_t d;
    uint8_t qs[32], signs[32], qh[8], scales[8];
} QB_PACKED;
struct qb_block_IQ3_XXS {
    uint16_t d;
    uint8_t qs[64];
    uint32_t gas[8]; /* signs and scales */
} QB_PACKED;
struct qb_block_IQ3_S {
    uint16_t d;
    uint8_t qs[64], qh[8], signs[32], scales[4];
} QB_PACKED;
struct qb_block_IQ1_S {
    uint16_t d;
    uint8_t qs[32];
    uint16_t qh[8]; /* and scales */
} QB_PACKED;
struct qb_block_IQ1_M {
    uint8_t qs[32], qh[16];
    uint16_t scales[4];
} QB_PACKED;

#undef QB_PACKED

#define QB_FORMAT(id, gguf_id, elems, bytes, ...)                                                            \
    _Static_assert(sizeof(struct qb_block_##id) == (bytes), "block size of " #id);
#include "kernels/formats.def"
#undef QB_FORMAT

/* The 16 levels of IQ4_NL and IQ4_XS. */
extern const int8_t qb_iq4_levels[16];
/* Twice the 16 values of E2M1 (MXFP4, NVFP4); minus zero is 0. */
extern const int8_t qb_fp4_levels[16];

#endif

/*
 * What the encoder files share: the name of an encoder under the instruction set that this file is being
 * compiled for, the scaling of a block to a common magnitude, the packing of codes.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_OPS_H
#define QB_KERNELS_ENCODE_ENCODE_OPS_H

#include "base/f16.h"
#include "kernels/format.h"
#include "kernels/simd.h"

/* Set by kernels/CMakeLists.txt: scalar, avx2 or avx512vnni. */
#ifndef QB_ENCODE_ISA
#define QB_ENCODE_ISA scalar
#endif
#define QB_ENCODE_JOIN_(id, isa) qb_encode_##id##_##isa
#define QB_ENCODE_JOIN(id, isa)  QB_ENCODE_JOIN_(id, isa)
#define QB_ENCODE_FN(id)         QB_ENCODE_JOIN(id, QB_ENCODE_ISA)

/* One row of finite values; importance (finite, not negative) or NULL. */
typedef void qb_encode_row_fn(const float *x, const float *importance, int64_t n, void *out);

#define QB_ENCODER(id) qb_encode_row_fn QB_ENCODE_FN(id);
#include "kernels/encode/encoders.def"
#undef QB_ENCODER

/*
 * A block as the searches want it: values times a power of two, so that the largest lies in [0.5, 1) and no
 * product of a search over- or underflows; weights of the squared error, the largest in [0.5, 1).
 */
struct qb_encode_block {
    float x[QB_MAX_BLOCK_ELEMS], w[QB_MAX_BLOCK_ELEMS];
    float unit;    /* true value = x * unit; 0: all values are (almost) zero and x is not set */
    bool weighted; /* by importances; else all weights are 1 */
};

/* The largest magnitude, as bits: an integer maximum vectorizes without fast-math. */
QB_INLINE int32_t qb_encode_max_bits(const float *x, int n)
{
    int32_t max = 0;
    for (int i = 0; i < n; i++) {
        int32_t bits = (int32_t)(qb_f32_bits(x[i]) & 0x7fffffffu);
        max = bits > max ? bits : max;
    }
    return max;
}

/* 2^-e that brings a magnitude with these bits into [0.5, 1), clamped to normal numbers. */
QB_INLINE float qb_encode_inverse_unit(int32_t bits)
{
    int32_t e = bits >> 23;
    e = e > 252 ? 252 : e;
    return qb_f32_from_bits((uint32_t)(253 - e) << 23);
}

/* Below 2^-100 every f16 scale is zero. */
#define QB_ENCODE_TINY_BITS (27 << 23)
/* Columns of no importance count a little: their codes are free, and should still mean something. */
#define QB_ENCODE_LEAST_WEIGHT 1e-6f

QB_INLINE void qb_encode_load(struct qb_encode_block *b, const float *x, const float *importance, int n)
{
    int32_t max = qb_encode_max_bits(x, n);
    b->unit = 0.0f;
    if (max < QB_ENCODE_TINY_BITS)
        return;
    float inverse = qb_encode_inverse_unit(max);
    b->unit = 1.0f / inverse;
    for (int i = 0; i < n; i++)
        b->x[i] = x[i] * inverse;
    int32_t max_w = importance ? qb_encode_max_bits(importance, n) : 0;
    b->weighted = max_w >= QB_ENCODE_TINY_BITS;
    if (!b->weighted) {
        for (int i = 0; i < n; i++)
            b->w[i] = 1.0f;
        return;
    }
    float inverse_w = qb_encode_inverse_unit(max_w);
    for (int i = 0; i < n; i++)
        b->w[i] = importance[i] * inverse_w + QB_ENCODE_LEAST_WEIGHT;
}

/* The f16 nearest to a scale, read back in units of the block. */
QB_INLINE float qb_encode_f16(float scale, float unit, uint16_t *h)
{
    *h = qb_f32_to_f16(scale * unit);
    return qb_f16_to_f32(*h) / unit;
}

QB_INLINE float qb_encode_invert(float v)
{
    return v != 0.0f ? 1.0f / v : 0.0f;
}

/* Nibble rule of blocks of 32: elements 0..15 low, 16..31 high. */
QB_INLINE void qb_encode_nibbles32(const uint8_t *q, uint8_t *qs)
{
    for (int j = 0; j < 16; j++)
        qs[j] = (uint8_t)((q[j] & 15) | q[j + 16] << 4);
}

#endif

/*
 * IEEE binary16 and bfloat16 conversions, scalar truth (round to nearest even, subnormals kept).
 */
#ifndef QB_BASE_F16_H
#define QB_BASE_F16_H

#include <stdint.h>
#include <string.h>

static inline uint32_t qb_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float qb_f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Without branches, so that loops over it vectorize. */
static inline float qb_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, size = h & 0x7fffu;
    uint32_t normal = (size << 13) + 0x38000000u; /* the exponent, less 15 and more 127 */
    normal += size >= 0x7c00u ? 0x38000000u : 0u; /* infinities and NaN: the highest exponent */
    /* zero and subnormals: size * 2^-24 is exact in f32 */
    uint32_t small = qb_f32_bits((float)(int32_t)size * 5.9604644775390625e-8f);
    return qb_f32_from_bits((size < 0x0400u ? small : normal) | sign);
}

static inline uint16_t qb_f32_to_f16(float f)
{
    uint32_t u = qb_f32_bits(f);
    uint16_t sign = (uint16_t)((u >> 16) & 0x8000u);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((u >> 13) & 0x3ffu));
    if (u >= 0x477ff000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00u);
    if (u <
        0x38800000u) { /* subnormal or zero: adding 0.5 aligns the mantissa so that the FPU rounds for us */
        float t = qb_f32_from_bits(u) + 0.5f;
        return (uint16_t)(sign | (qb_f32_bits(t) - 0x3f000000u));
    }
    u += 0xfffu + ((u >> 13) & 1u);
    return (uint16_t)(sign | ((u - 0x38000000u) >> 13));
}

static inline float qb_bf16_to_f32(uint16_t b)
{
    return qb_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t qb_f32_to_bf16(float f)
{
    uint32_t u = qb_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline uint16_t qb_load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t qb_load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The f16 stored at p, as f32. */
static inline float qb_load_f16(const void *p)
{
    return qb_f16_to_f32(qb_load_u16(p));
}

#endif

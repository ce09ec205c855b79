/*
 * The codebooks as tables of bytes for look-ups by byte permutation: byte n of entry i has the level numbers
 * of the first (n = 0) or second half of point i. IQ1 and IQ2: four numbers of two bits; IQ3: two of three
 * bits.
 */
#ifndef QB_KERNELS_X86_CODEBOOK_PLANES_H
#define QB_KERNELS_X86_CODEBOOK_PLANES_H

#include <stdint.h>

extern const uint8_t qb_planes_iq2xxs[2][256];
extern const uint8_t qb_planes_iq2xs[2][512];
extern const uint8_t qb_planes_iq2s[2][1024];
extern const uint8_t qb_planes_iq3xxs[2][256];
extern const uint8_t qb_planes_iq3s[2][512];
extern const uint8_t qb_planes_iq1s[2][2048];

/* The eighth sign of 7 stored ones makes the number of minus signs even: all 8, by the stored code. */
extern const uint8_t qb_even_signs[128];

#endif

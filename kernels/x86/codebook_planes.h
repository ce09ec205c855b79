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
extern const uint8_t qb_plane_iq1s[2048]; /* first halves */

/*
 * Second halves of the points of IQ1, which ascend: all 81 in their order, each for at least 11 entries. So
 * 16 neighbouring entries have one or two: number base[i / 16], from entry step[i / 16] of the 16 on the next
 * one.
 */
extern const struct qb_iq1s_second {
    uint8_t base[128], step[128], half[128];
} qb_iq1s_second;

/* The eighth sign of 7 stored ones makes the number of minus signs even: all 8, by the stored code. */
extern const uint8_t qb_even_signs[128];

#endif

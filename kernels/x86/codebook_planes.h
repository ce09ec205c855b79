/*
 * The codebooks as tables of bytes for look-ups by byte permutation: byte n of entry i has the level numbers
 * of the first (n = 0) or second half of point i. IQ1 and IQ2: four numbers of two bits, the first lowest;
 * IQ3: two of three bits, the first highest.
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

/*
 * Codes by six bits, of which some are a level number and one is the sign: IQ2, 64 +- level, of the four
 * numbers of a half, the last two of them two bits further down than they stand; IQ3, 16 or 64 +- level, of
 * the two. The signs of two planes of IQ2 fit beside both their numbers; those of IQ3, which stand side by
 * side in a file, do so in the index, too.
 */
enum {
    QB_SIGN_IQ2_0 = 4,  /* the number is in bits 0 and 1 */
    QB_SIGN_IQ2_1 = 5,  /* 2 and 3 */
    QB_SIGN_IQ2_2 = 0,  /* 2 and 3 */
    QB_SIGN_IQ2_3 = 1,  /* 4 and 5 */
    QB_SIGN_IQ3_0 = 2,  /* 3 to 5 */
    QB_SIGN_IQ3_1 = 3,  /* 0 to 2 */
    QB_SIGN_PAIR_0 = 2, /* 0 and 1: qb_pairs_iq2s of codebook_levels.h */
    QB_SIGN_PAIR_1 = 3, /* 4 and 5 */
};
extern const uint8_t qb_signed_iq2[4][64];
extern const uint8_t qb_signed_pair_iq2[2][64];
extern const uint8_t qb_signed_iq3xxs[2][64];
extern const uint8_t qb_signed_iq3s[2][64];

#endif

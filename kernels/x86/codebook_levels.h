/*
 * The codebooks as tables of levels for loads by index: value i of a point is byte i of its entry. IQ1 has 8
 * * level + 17, the code of a panel of IQ1_M where the move is up; the others have the levels of the format.
 */
#ifndef QB_KERNELS_X86_CODEBOOK_LEVELS_H
#define QB_KERNELS_X86_CODEBOOK_LEVELS_H

#include <stdint.h>

extern const uint64_t qb_levels_iq2xxs[256];
extern const uint64_t qb_levels_iq2xs[512];
extern const uint64_t qb_levels_iq2s[1024];
extern const uint32_t qb_levels_iq3xxs[256];
extern const uint32_t qb_levels_iq3s[512];
extern const uint64_t qb_levels_iq1s[2048];

/* IQ2_S for gathers: byte j has the number of value 2 j in bits 0 and 1, that of 2 j + 1 in bits 4 and 5. */
extern const uint32_t qb_pairs_iq2s[1024];

/*
 * IQ1 for gathers: byte j has the number of value j in its lower nibble, that of value 4 + j in the upper
 * one. IQ1_S: 0, 1, 2. IQ1_M, by 11 bits of index and the bit for a move down: (9 + eighths) / 2, where -9 to
 * 9 eighths are 8 * (number - 1) +- 1.
 */
extern const uint32_t qb_nibbles_iq1s[2048];
extern const uint32_t qb_nibbles_iq1m[4096];

#endif

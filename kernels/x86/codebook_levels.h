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

#endif

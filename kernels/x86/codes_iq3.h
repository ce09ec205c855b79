/*
 * The codes of IQ3 by their nibbles in x16 (kernels/expansion.h): level + offset, ascending.
 */
#ifndef QB_KERNELS_X86_CODES_IQ3_H
#define QB_KERNELS_X86_CODES_IQ3_H

#define CODES_IQ3_S   1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define CODES_IQ3_XXS 2, 12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92, 100, 108, 116, 126

#endif

/*
 * The codebook of an IQ format: packed level numbers of every point, that of value i in bits 2i, 2i + 1 (3i
 * .. 3i + 2 for the IQ3 books, of 4 values). IQ1_M shares the book of IQ1_S. Points ascend.
 */
#ifndef QB_KERNELS_CODEBOOKS_H
#define QB_KERNELS_CODEBOOKS_H

#include <stdint.h>

extern const uint16_t qb_codebook_iq2xxs[256];
extern const uint16_t qb_codebook_iq2xs[512];
extern const uint16_t qb_codebook_iq2s[1024];
extern const uint16_t qb_codebook_iq3xxs[256];
extern const uint16_t qb_codebook_iq3s[512];
extern const uint16_t qb_codebook_iq1s[2048];

/* The number of a point that is one of the book's n. */
int qb_codebook_find(const uint16_t *book, int n, uint32_t point);

#endif

/*
 * The twelve bytes of scales and minima of Q4_K and Q5_K, for their decoders and for the layouts that
 * interleave them.
 */
#ifndef QB_KERNELS_K_SCALES_H
#define QB_KERNELS_K_SCALES_H

#include <stdint.h>

struct scale_min {
    int sc, mn;
};

/*
 * Eight 6-bit scales and minima in 12 bytes: 0..3 in the low 6 bits of bytes 0..3 (scales) and 4..7 (minima),
 * whose top 2 bits are those of scales and minima 4..7; their low nibbles are in bytes 8..11, scale below
 * minimum.
 */
static inline struct scale_min get_scale_min(const uint8_t *s, int k)
{
    if (k < 4)
        return (struct scale_min){s[k] & 63, s[k + 4] & 63};
    return (struct scale_min){(s[k + 4] & 15) | s[k - 4] >> 6 << 4, s[k + 4] >> 4 | s[k] >> 6 << 4};
}

static inline void put_scale_min(uint8_t *s, const struct scale_min *sm)
{
    for (int k = 0; k < 4; k++) {
        s[k] = (uint8_t)(sm[k].sc | sm[k + 4].sc >> 4 << 6);
        s[k + 4] = (uint8_t)(sm[k].mn | sm[k + 4].mn >> 4 << 6);
        s[k + 8] = (uint8_t)((sm[k + 4].sc & 15) | (sm[k + 4].mn & 15) << 4);
    }
}

#endif

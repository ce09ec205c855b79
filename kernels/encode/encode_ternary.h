/*
 * The scale of ternary codes.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_TERNARY_H
#define QB_KERNELS_ENCODE_ENCODE_TERNARY_H

#include "kernels/encode/encode_search.h"

/* qb_sym_search for -1, 0, 1. The bounds are hidden from compilers, which split the loop where they see that
 * a product is 1 x. */
QB_INLINE float qb_ternary_search(struct qb_encode_group g, const float *starts, float max, int passes)
{
    float one = 1.0f;
    __asm__("" : "+m"(one));
    return qb_sym_search(g, -one, one, starts, max, passes);
}

#endif

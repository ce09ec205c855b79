/*
 * IQ4_NL for AVX-VNNI.
 */
#define W_VNNI
#define W_OWN_CODE
#include "kernels/x86/weights_iq4_nl_avx2.h"

/* Unsigned. */
QB_INLINE __m256i gemv_code(struct block8 b, int c, int j, int i)
{
    (void)c;
    (void)j;
    return iq4_codes(block_nibbles(b, 2, i));
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_GEMV(iq4_nl, plain, avxvnni, ROWS8_PLAIN)
W_GEMV(iq4_nl, r16, avxvnni, ROWS8_R16)

/*
 * IQ2_S for AVX2: f16 d, 32 index bytes, 32 sign bytes, 2 high index bits for every 8 weights, 16 nibbles of
 * scales.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   82
#define W_SUB     16
#define W_SHIFT   6
#define W_MIN     QB_MIN_NONE
#define W_SIGNS   0x3210
#define W_OFFSETS 0

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    image_f16_and_rest(p, at, W_BYTES - 2, image);
}

QB_INLINE void read_points(struct points8 *p)
{
    read_unit(p, 0.125f);
    read_nibble_factors(p, 74);
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i low = block8_dwords(p->b, 2 + 4 * run);
        __m256i high = byte_pair(block8_dwords(p->b, 66 + run / 4 * 4), run % 4, run % 4);
        points8_set(p->signs[run], block8_dwords(p->b, 34 + 4 * run));
        points8_set_index(p, 2 * run,
                          _mm256_or_si256(byte_pair(low, 0, 2), shifted_pair(high, 256, 16, 0x300)));
        points8_set_index(p, 2 * run + 1,
                          _mm256_or_si256(byte_pair(low, 1, 3), shifted_pair(high, 64, 4, 0x300)));
    }
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    return indexed_points_of_8(r, qb_levels_iq2s, run);
}

QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    return signed_codes(levels, r.signs[8 * run], W_SIGNS, 1 << W_SHIFT);
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq2_s, plain, ROWS8_PLAIN)
W_KERNELS(iq2_s, r16, ROWS8_R16)

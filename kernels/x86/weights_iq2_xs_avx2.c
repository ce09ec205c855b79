/*
 * IQ2_XS for AVX2: f16 d, a word of 9 index and 7 sign bits for every 8 weights, 16 nibbles of scales.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   74
#define W_SUB     16
#define W_SHIFT   6
#define W_MIN     QB_MIN_NONE
#define W_SIGNS   0x3120
#define W_OFFSETS 0

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    image_f16_and_rest(p, at, W_BYTES - 2, image);
}

QB_INLINE void read_points(struct points8 *p)
{
    const __m256i index = _mm256_set1_epi16(511);
    read_unit(p, 0.125f);
    read_nibble_factors(p, 66);
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i v01 = block8_dwords(p->b, 2 + 8 * run), v23 = block8_dwords(p->b, 6 + 8 * run);
        points8_set_index(p, 2 * run, _mm256_and_si256(v01, index));
        points8_set_index(p, 2 * run + 1, _mm256_and_si256(v23, index));
        __m256i s01 = _mm256_srli_epi16(v01, 9);
        __m256i s23 = _mm256_and_si256(_mm256_srli_epi16(v23, 1), _mm256_set1_epi16(0x7f00));
        points8_set(p->signs[run], even_signs(_mm256_or_si256(s01, s23)));
    }
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    const uint16_t *a = row8_index(r, 2 * run), *b = row8_index(r, 2 * run + 1);
    return points_of_8(qb_levels_iq2xs, a[0], a[1], b[0], b[1]);
}

QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    return signed_codes(levels, r.signs[8 * run], W_SIGNS, 1 << W_SHIFT);
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq2_xs, plain, ROWS8_PLAIN)
W_KERNELS(iq2_xs, r16, ROWS8_R16)

/*
 * IQ3_XXS for AVX2: f16 d, 64 index bytes, a dword of signs and scale for every 32 weights.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   98
#define W_SUB     32
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
    read_unit(p, 0.25f);
    QB_UNROLL
    for (int run = 0; run < 8; run++)
        read_signs_and_scale(p, run, block8_dwords(p->b, 66 + 4 * run));
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    const uint8_t *a = row8_bytes(r, 2 + 8 * run), *b = row8_bytes(r, 6 + 8 * run);
    return _mm256_set_m128i(points_of_4(qb_levels_iq3xxs, b[0], b[1], b[2], b[3]),
                            points_of_4(qb_levels_iq3xxs, a[0], a[1], a[2], a[3]));
}

QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    return signed_codes(levels, r.signs[8 * run], W_SIGNS, 1 << W_SHIFT);
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq3_xxs, plain, ROWS8_PLAIN)
W_KERNELS(iq3_xxs, r16, ROWS8_R16)

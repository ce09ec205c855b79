/*
 * IQ3_S for AVX2: f16 d, 64 index bytes, a high index bit for every 4 weights, 32 sign bytes, 8 nibbles of
 * scales.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   110
#define W_SUB     32
#define W_SHIFT   4
#define W_MIN     QB_MIN_NONE
#define W_SIGNS   0x3210
#define W_OFFSETS 0

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    image_f16_and_rest(p, at, W_BYTES - 2, image);
}

/* Points 0 .. 3 (half 0) or 4 .. 7 of a run; high: its byte of high bits. */
QB_INLINE void read_half_run(struct points8 *p, int run, int half, __m256i high)
{
    __m256i low = block8_dwords(p->b, 2 + 8 * run + 4 * half);
    const int one = half ? 16 : 256;
    points8_set_index(p, 4 * run + 2 * half,
                      _mm256_or_si256(byte_pair(low, 0, 2), shifted_pair(high, one, one / 4, 0x100)));
    points8_set_index(p, 4 * run + 2 * half + 1,
                      _mm256_or_si256(byte_pair(low, 1, 3), shifted_pair(high, one / 2, one / 8, 0x100)));
}

QB_INLINE void read_points(struct points8 *p)
{
    __m256i scales = block8_dwords(p->b, 106);
    read_unit(p, 1);
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i high = byte_pair(block8_dwords(p->b, 66 + run / 4 * 4), run % 4, run % 4);
        read_half_run(p, run, 0, high);
        read_half_run(p, run, 1, high);
        points8_set(p->signs[run], block8_dwords(p->b, 74 + 4 * run));
        __m256i s = byte_pair(scales, run / 2, run / 2);
        points8_set(p->factor[run], odd_factors(run % 2 ? _mm256_srli_epi16(s, 4) : s, 15));
    }
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    const uint16_t *a = row8_index(r, 4 * run), *b = row8_index(r, 4 * run + 1),
                   *c = row8_index(r, 4 * run + 2), *d = row8_index(r, 4 * run + 3);
    return _mm256_set_m128i(points_of_4(qb_levels_iq3s, c[0], d[0], c[1], d[1]),
                            points_of_4(qb_levels_iq3s, a[0], b[0], a[1], b[1]));
}

QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    return signed_codes(levels, r.signs[8 * run], W_SIGNS, 1 << W_SHIFT);
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq3_s, plain, ROWS8_PLAIN)
W_KERNELS(iq3_s, r16, ROWS8_R16)

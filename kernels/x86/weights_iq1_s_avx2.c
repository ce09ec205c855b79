/*
 * IQ1_S for AVX2: f16 d, 32 index bytes, a word for every 32 weights: four times 3 high index bits, 3 bits of
 * scale, the sign of the move by 1/8. In units of d / 8, a weight is the factor times (8 level + 17) - 17
 * +- 1.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   50
#define W_SUB     256
#define W_SHIFT   4
#define W_MIN     QB_MIN_I16
#define W_SIGNS   0
#define W_OFFSETS 4

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    image_f16_and_rest(p, at, W_BYTES - 2, image);
}

QB_INLINE void read_points(struct points8 *p)
{
    __m256i down[2]; /* the factor, negative where the move is up */
    read_unit(p, 0.125f);
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i low = block8_dwords(p->b, 2 + 4 * run), words = block8_dwords(p->b, 34 + run / 2 * 4);
        __m256i v =
            run % 2 ? _mm256_srli_epi32(words, 16) : _mm256_blend_epi16(words, _mm256_setzero_si256(), 0xaa);
        v = _mm256_or_si256(v, _mm256_slli_epi32(v, 16));
        points8_set_index(p, 2 * run, _mm256_or_si256(byte_pair(low, 0, 2), shifted_pair(v, 256, 4, 0x700)));
        points8_set_index(
            p, 2 * run + 1,
            _mm256_or_si256(byte_pair(low, 1, 3), shifted_pair(_mm256_srli_epi16(v, 1), 64, 1, 0x700)));
        __m256i factor = odd_factors(_mm256_srli_epi16(v, 12), 7);
        points8_set(p->factor[run], factor);
        /* the sign of v: bit 15 set is a move down; v | 1 is not zero */
        __m256i up = _mm256_sign_epi16(factor, _mm256_or_si256(v, _mm256_set1_epi16(1)));
        down[run % 2] = _mm256_sub_epi16(_mm256_setzero_si256(), up);
        if (run % 2 == 0)
            continue;
        p->min[run / 2] = _mm256_blend_epi16(down[0], down[1], 0xaa);
        factor = _mm256_blend_epi16(_mm256_load_si256((const void *)p->factor[run - 1]), factor, 0xaa);
        p->offset[run / 2] =
            _mm256_add_epi16(_mm256_mullo_epi16(factor, _mm256_set1_epi16(17)), p->min[run / 2]);
    }
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    return indexed_points_of_8(r, qb_levels_iq1s, run);
}

/* 16 + factor x level: one of three, by number 1 to 3 in bits 3 and 4 of the level. */
QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    int factor = r.factor[8 * run] & 0xff;
    __m256i code = _mm256_set1_epi32((16 - factor) << 8 | 16 << 16 | (16 + factor) << 24);
    return _mm256_shuffle_epi8(code, _mm256_srli_epi16(levels, 3));
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq1_s, plain, ROWS8_PLAIN)
W_KERNELS(iq1_s, r16, ROWS8_R16)

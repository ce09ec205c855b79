/*
 * IQ1_M for AVX2: 32 index bytes, a nibble of 3 high index bits and the sign of the move by 1/8 for every 8
 * weights, then 4 words of four 3-bit scales and a nibble of d each. In units of d / 8, a weight is the
 * factor times the code of the panel (8 level + 16 +- 1) - 16.
 */
#include "kernels/x86/points_avx2.h"

#define W_BYTES   56
#define W_SUB     16
#define W_SHIFT   4
#define W_MIN     QB_MIN_NONE
#define W_SIGNS   0
#define W_OFFSETS 8

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    for (int o = 0; o + 16 <= W_BYTES; o += 16)
        rows8_image_16(p, at, o, image);
    rows8_image_16(p, at, W_BYTES - 16, image);
}

/* s: the words of scales. */
QB_INLINE void read_d(struct points8 *p, const __m256i s[2])
{
    __m256i low = _mm256_madd_epi16(_mm256_srli_epi16(s[0], 12), _mm256_set1_epi32(1 | 16 << 16));
    __m256i high = _mm256_madd_epi16(_mm256_srli_epi16(s[1], 12), _mm256_set1_epi32(256 | 4096 << 16));
    __m256i d = _mm256_packus_epi32(_mm256_or_si256(low, high), _mm256_setzero_si256());
    __m128i f16 = _mm256_castsi256_si128(_mm256_permute4x64_epi64(d, 0xd8));
    p->unit = _mm256_mul_ps(_mm256_cvtph_ps(f16), _mm256_set1_ps(0.125f));
}

QB_INLINE void read_points(struct points8 *p)
{
    const __m256i s[2] = {block8_dwords(p->b, 48), block8_dwords(p->b, 52)};
    read_d(p, s);
    QB_UNROLL
    for (int run = 0; run < 8; run++) {
        __m256i low = block8_dwords(p->b, 4 * run), nibbles = block8_dwords(p->b, 32 + run / 2 * 4);
        if (run % 2)
            nibbles = _mm256_srli_epi32(nibbles, 16);
        __m256i v = _mm256_blend_epi16(nibbles, _mm256_slli_epi32(nibbles, 16), 0xaa);
        points8_set(p->signs[run], v);
        points8_set_index(p, 2 * run, _mm256_or_si256(byte_pair(low, 0, 2), shifted_pair(v, 256, 1, 0x700)));
        points8_set_index(
            p, 2 * run + 1,
            _mm256_or_si256(byte_pair(low, 1, 3), shifted_pair(_mm256_srli_epi16(v, 4), 256, 1, 0x700)));
        /* scale i of a word in bits 3i .. 3i + 2: both of the run next to each other */
        __m256i w = _mm256_srli_epi32(s[run / 4], 16 * (run / 2 % 2) + 6 * (run % 2));
        w = _mm256_blend_epi16(w, _mm256_slli_epi32(w, 13), 0xaa);
        w = odd_factors(w, 7);
        points8_set(p->factor[run], w);
        p->offset[run] = _mm256_slli_epi16(w, 4);
    }
}

QB_INLINE __m256i read_levels(struct row8 r, int run)
{
    const __m256i bit = _mm256_setr_epi32(0x08080808, 0x08080808, (int)0x80808080u, (int)0x80808080u,
                                          0x08080808, 0x08080808, (int)0x80808080u, (int)0x80808080u);
    __m256i down = _mm256_and_si256(bytes_of_8(r.signs[8 * run], 0x1100), bit);
    return _mm256_sub_epi8(indexed_points_of_8(r, qb_levels_iq1s, run),
                           _mm256_min_epu8(down, _mm256_set1_epi8(2)));
}

QB_INLINE __m256i panel_codes(struct row8 r, int run, __m256i levels)
{
    (void)r, (void)run;
    return levels;
}

#include "kernels/x86/points_avx2_tmpl.h"

W_KERNELS(iq1_m, plain, ROWS8_PLAIN)
W_KERNELS(iq1_m, r16, ROWS8_R16)

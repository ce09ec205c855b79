/*
 * Expanded nibbles (kernels/expansion.h) on vectors of 8 rows: f16 d, 8 nibbles of scales, then 16 bytes for
 * every 32 weights. The includer defines W_SHIFT and W_DEPTH (weights_avx2_tmpl.h) and
 *
 *   W_LEVELS         16 codes, ascending: level + 2^W_SHIFT
 *   W_UNIT           what multiplies d and the odd integer of a scale
 */
#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 256
#define W_BYTES 134
#define W_X16
#define W_SUB   32
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 32

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d = _mm256_mul_ps(block8_f16(b, 0), _mm256_set1_ps(W_UNIT));
    __m256i scales = block8_dwords(b, 2);
    QB_UNROLL
    for (int s = 0; s < 8; s++) {
        __m256i twice = s == 0 ? _mm256_slli_epi32(scales, 1) : _mm256_srli_epi32(scales, 4 * s - 1);
        __m256i odd = _mm256_or_si256(_mm256_and_si256(twice, _mm256_set1_epi32(30)), _mm256_set1_epi32(1));
        _mm256_storeu_ps(h.scale + s * h.rows, _mm256_mul_ps(d, _mm256_cvtepi32_ps(odd)));
    }
}

QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    const __m256i levels = _mm256_broadcastsi128_si256(_mm_setr_epi8(W_LEVELS));
    (void)j;
    return _mm256_shuffle_epi8(levels, block_nibbles(b, 6 + 16 * c, i));
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#include "kernels/x86/weights_avx2_tmpl.h"

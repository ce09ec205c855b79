/*
 * Q1_0 for AVX2: f16 d, 128 sign bits; code 0 or 2, weight = d * (code - 1).
 */
#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 128
#define W_BYTES 18
#define W_SUB   32
#define W_SHIFT 0
#define W_MIN   QB_MIN_NONE
#define W_CHUNK 32
#define W_DEPTH 8
#define W_OWN_CODE
#define W_OWN_ORDER

QB_INLINE void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image)
{
    rows8_image_2(p, at, 0, image);
    rows8_image_16(p, at, 2, image);
}

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    __m256 d = block8_f16(b, 0);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        _mm256_storeu_ps(h.scale + i * h.rows, d);
}

/* Every byte gets the bits of four weights, keeps its own (worth 2 or more) and becomes 2 if that is set. */
QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)j;
    __m256i v = block8_dwords(b, 2 + 4 * c);
    if (i % 2 == 0)
        v = _mm256_add_epi32(v, v);
    __m256i own = _mm256_set1_epi32(i % 2 ? (int)0x80402010u : 0x10080402);
    return _mm256_min_epu8(_mm256_and_si256(spread_byte(v, i / 2), own), _mm256_set1_epi8(2));
}

/* Bit i of four bytes, as 2: weights 8 apart. */
QB_INLINE __m256i gemv_code(struct block8 b, int c, int j, int i)
{
    (void)j;
    __m256i v = block8_dwords(b, 2 + 4 * c);
    v = i == 0 ? _mm256_add_epi8(v, v) : i == 1 ? v : _mm256_srli_epi16(v, i - 1);
    return _mm256_and_si256(v, _mm256_set1_epi8(2));
}

QB_INLINE __m256i gemv_x(const int8_t *q, int i, int col, int cols)
{
    return gather_x4(q, i / 4, 2, i % 4, col, cols);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q1_0, plain, ROWS8_PLAIN)
W_KERNELS(q1_0, r16, ROWS8_R16)

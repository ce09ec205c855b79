/*
 * Q2_0 for AVX2: f16 d, 64 codes of two bits, four consecutive ones a byte; weight = d * (code - 1).
 */
#include "kernels/x86/weights_avx2.h"

#define W_ELEMS 64
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
    _mm256_storeu_ps(h.scale, d);
    _mm256_storeu_ps(h.scale + h.rows, d);
}

/* A byte four times; its upper half moves 4 bits down, and codes that lie 2 bits too high are looked up. */
QB_INLINE __m256i read_code(struct block8 b, int c, int j, int i)
{
    (void)j;
    const __m256i code =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1));
    __m256i v = spread_byte(block8_dwords(b, 2 + 8 * c + i / 4 * 4), i % 4);
    v = _mm256_blend_epi16(v, _mm256_srli_epi16(v, 4), 0xaa);
    return _mm256_shuffle_epi8(code, _mm256_and_si256(v, _mm256_set1_epi16(0x0c03)));
}

/* The same two bits of four bytes: weights 4 apart. */
QB_INLINE __m256i gemv_code(struct block8 b, int c, int j, int i)
{
    (void)j;
    return two_bits(block8_dwords(b, 2 + 8 * c + i / 4 * 4), i % 4);
}

QB_INLINE __m256i gemv_x(const int8_t *q, int i, int col, int cols)
{
    return gather_x4(q, i / 4 * 4, 1, i % 4, col, cols);
}

QB_INLINE int chunk_sub(int c, int j)
{
    return c + j;
}

#include "kernels/x86/weights_avx2_tmpl.h"

W_KERNELS(q2_0, plain, ROWS8_PLAIN)
W_KERNELS(q2_0, r16, ROWS8_R16)

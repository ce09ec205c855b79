/*
 * Panels of Q3_K for AVX-VNNI: 128 less code times scale, looked up.
 */
#include "kernels/x86/weights_q3_k_avx2.h"

#define W_SUB   256
#define W_SHIFT 7
#define W_OWN_RUN

QB_INLINE void read_header(struct block8 b, struct header8 h)
{
    _mm256_storeu_ps(h.scale, _mm256_xor_ps(block8_f16(b, 108), _mm256_set1_ps(-0.0f)));
}

/* Run j of chunk c. */
QB_INLINE void read_constant_run(struct block8 b, int c, int j, __m256i w[4])
{
    const int run = chunk_sub(c, j);
    __m256i sc = spread_byte(negated_scales(b, run / 4), run % 4), two = _mm256_add_epi8(sc, sc);
    __m256i table = multiples(_mm256_set1_epi8((char)128), sc), four = _mm256_add_epi8(two, two);
    __m256i bit = _mm256_set1_epi8((char)(1 << (c / 2 * 4 + j)));
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256i code = lookup_two_bits(table, two_bits(block8_dwords(b, 32 + 16 * c + 4 * i), j));
        __m256i mask = _mm256_and_si256(block8_dwords(b, c % 2 * 16 + 4 * i), bit);
        __m256i clear = _mm256_cmpeq_epi8(mask, _mm256_setzero_si256());
        w[i] = _mm256_sub_epi8(code, _mm256_and_si256(clear, four));
    }
}

READ_RUN_BY_CHUNK(read_constant_run)

#include "kernels/x86/weights_avx2_tmpl.h"

W_PANEL(q3_k, plain, avxvnni, ROWS8_PLAIN)
W_PANEL(q3_k, r16, avxvnni, ROWS8_R16)

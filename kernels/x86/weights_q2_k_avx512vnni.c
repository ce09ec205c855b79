/*
 * Q2_K for AVX512-VNNI: 16 bytes of a scale and a minimum each, two-bit planes, f16 d and dmin.
 *
 * A panel holds code times scale, looked up. GEMV multiplies the bare codes and lets the sums of 16 meet
 * their integer scales in pairs.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_Q2_K
#define W_ELEMS  256
#define W_BYTES  84
#define W_SUB    256
#define W_RUN    16
#define W_SHIFT  QB_OFFSET_NONE
#define W_MIN    QB_MIN_I16_16
#define W_CHUNK  64
#define W_OWN_SUMS

/* 8x8: pair i of the scales of two groups; they follow d and dmin. */
QB_INLINE __m512i scale_pair(const struct rows16 *s, int i)
{
    __m128i lo = _mm_loadu_si128((const void *)(s->p[0] + 8 * (4 + 2 * i)));
    __m128i hi = _mm_loadu_si128((const void *)(s->p[1] + 8 * (4 + 2 * i)));
    return _mm512_cvtepu16_epi32(_mm256_set_m128i(hi, lo));
}

/* The 16 scales, each with its minimum above. */
QB_INLINE void load_scales(const struct rows16 *s, enum rows16_kind kind, __m512i v[4])
{
    if (!rows16_is_reordered(kind)) {
        rows16_load(s, 0, kind, v);
        return;
    }
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        v[i] = _mm512_or_si512(scale_pair(s, 2 * i), _mm512_slli_epi32(scale_pair(s, 2 * i + 1), 16));
}

/* 16 bytes of the planes, at o of the plain block: in 8x8 all other fields come before them. */
QB_INLINE void load_planes(const struct rows16 *s, int o, enum rows16_kind kind, __m512i v[4])
{
    rows16_load(s, rows16_is_reordered(kind) ? o + 4 : o, kind, v);
}

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    __m512i v[4];
    if (rows16_is_reordered(kind)) {
        h->scale[0] = rows16_group_f16(s, 0, kind);
        h->min_scale = rows16_group_f16(s, 2, kind);
    } else {
        __m512i d = rows16_dword(s, 80, 68, kind);
        h->scale[0] = rows16_f16_low(d);
        h->min_scale = rows16_f16_low(_mm512_srli_epi32(d, 16));
    }
    load_scales(s, kind, v);
    QB_UNROLL
    for (int i = 0; i < 8; i++) {
        h->sub_scale[i] = byte_pair(low_nibbles(v[i / 2]), i % 2);
        h->min_pair[i] = byte_pair(high_nibbles(v[i / 2]), i % 2);
    }
}

QB_INLINE int chunk_sub(int c, int j)
{
    return two_bit_run(c, j);
}

QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[16])
{
    __m512i scales[4], v[4];
    load_scales(s, kind, scales);
    load_planes(s, 16 + 16 * c, kind, v);
    QB_UNROLL
    for (int j = 0; j < 4; j++) {
        int run = chunk_sub(c, j);
        __m512i sc = spread_byte(low_nibbles(scales[run / 4]), run % 4);
        __m512i table = multiples(_mm512_setzero_si512(), sc);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            w[4 * j + i] = lookup_two_bits(table, v[i], j);
    }
}

QB_INLINE void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h,
                          const struct qb_act *a, int64_t b, int cols, __m512i *sum)
{
    const int8_t *q = a->q + b * W_ELEMS * cols;
    QB_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i v[8], w[8];
        rows16_prefetch(s, 16 * W_BYTES / 2, kind);
        load_planes(s, 16 + 32 * half, kind, v);
        load_planes(s, 32 + 32 * half, kind, v + 4);
        QB_UNROLL
        for (int j = 0; j < 4; j++) {
            const int8_t *x = q + (128 * half + 32 * j) * cols;
            QB_UNROLL
            for (int k = 0; k < 8; k++)
                w[k] = two_bits(v[k], j);
            QB_UNROLL
            for (int i = 0; i < cols; i++)
                sum[i] = _mm512_dpwssd_epi32(sum[i], runs_dot(w, x, i, cols), h->sub_scale[4 * half + j]);
        }
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(q2_k, plain, ROWS16_STRIDED)
W_KERNELS(q2_k, r16, ROWS16_R16)
W_KERNELS(q2_k, 8x8, ROWS16_8X8)

/*
 * TQ1_0 for AVX512-VNNI: 48 bytes of five base-3 digits, 4 bytes of four, f16 d; weight = d * (digit - 1).
 *
 * With u_0 the byte and u_(n+1) = 3 u_n mod 256, digit n is (3 u_n - u_(n+1)) / 256. GEMV needs no digits: it
 * sums 3 u_n - u_(n+1) times the activation, as bytes, and divides at the end, which is exact.
 */
#include "kernels/x86/weights_avx512.h"

#define W_FORMAT QB_FORMAT_TQ1_0
#define W_ELEMS  256
#define W_BYTES  54
#define W_SUB    256
#define W_RUN    16
#define W_SHIFT  0
#define W_MIN    QB_MIN_NONE
#define W_CHUNK  16
#define W_OWN_SUMS

QB_INLINE void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h)
{
    h->scale[0] = rows16_scale(s, 52, 38, kind);
}

QB_INLINE __m512i times3(__m512i v)
{
    return _mm512_add_epi8(v, _mm512_add_epi8(v, v));
}

QB_INLINE __m512i times_power3(__m512i v, int n)
{
    QB_UNROLL
    for (int i = 0; i < n; i++)
        v = times3(v);
    return v;
}

/* Floor of 3 u / 256. */
QB_INLINE __m512i top_digit(__m512i u)
{
    __mmask64 one = _mm512_cmpge_epu8_mask(u, _mm512_set1_epi8(86));
    __mmask64 two = _mm512_cmpge_epu8_mask(u, _mm512_set1_epi8((char)171));
    return _mm512_mask_blend_epi8(two, _mm512_maskz_mov_epi8(one, _mm512_set1_epi8(1)), _mm512_set1_epi8(2));
}

/* Run c of 16 weights: 0..9 are digits of 32 bytes, 10..14 of 16 bytes, 15 four digits of 4 bytes. */
QB_INLINE void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[4])
{
    __m512i v[4];
    if (c == 15) {
        v[0] = rows16_dword(s, 48, 36, kind);
        QB_UNROLL
        for (int n = 0; n < 4; n++)
            w[n] = top_digit(times_power3(v[0], n));
        return;
    }
    rows16_load(s, c < 10 ? c % 2 * 16 : 32, kind, v);
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = top_digit(times_power3(v[i], c < 10 ? c / 2 : c - 10));
}

QB_INLINE int chunk_sub(int c, int j)
{
    (void)j;
    return c;
}

/* Sums of u_n and of u_(n+1) times activations. */
struct digit_sums {
    __m512i this, next;
};

/* Add `digits` digits of the bytes v; digit n meets the activations at x + n * step. */
QB_INLINE struct digit_sums add_digits(struct digit_sums t, __m512i v, int digits, const int8_t *x, int step)
{
    QB_UNROLL
    for (int n = 0; n < digits; n++) {
        __m512i x4 = _mm512_set1_epi32(*(const int32_t *)(x + n * step));
        t.this = _mm512_dpbusd_epi32(t.this, v, x4);
        v = times3(v);
        t.next = _mm512_dpbusd_epi32(t.next, v, x4);
    }
    return t;
}

/* What four vectors of bytes add to 3 (sum of u_n) - (sum of u_(n+1)): two chains of each. */
QB_INLINE __m512i digit_dot(const __m512i *v, int vecs, int digits, const int8_t *x, int step, int cols)
{
    const __m512i zero = _mm512_setzero_si512();
    struct digit_sums t[2] = {{zero, zero}, {zero, zero}};
    QB_UNROLL
    for (int i = 0; i < vecs; i++)
        t[i % 2] = add_digits(t[i % 2], v[i], digits, x + 4 * i * cols, step * cols);
    __m512i this = _mm512_add_epi32(t[0].this, t[1].this);
    __m512i twice = _mm512_add_epi32(this, this);
    return _mm512_add_epi32(twice, _mm512_sub_epi32(this, _mm512_add_epi32(t[0].next, t[1].next)));
}

QB_INLINE void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h,
                          const struct qb_act *a, int64_t b, int cols, __m512i *sum)
{
    (void)h;
    const int8_t *q = a->q + b * W_ELEMS * cols;
    QB_UNROLL
    for (int part = 0; part < 4; part++) {
        __m512i v[4];
        if (part == 3)
            v[0] = rows16_dword(s, 48, 36, kind);
        else
            rows16_load(s, 16 * part, kind, v);
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        const int8_t *x = q + (part < 2 ? 16 * part : 160 + 80 * (part - 2)) * cols;
        QB_UNROLL
        for (int i = 0; i < QB_GEMV_MAX_COLS; i++) {
            if (i >= cols) /* not in the head of the loop: compilers would see no bound */
                break;
            __m512i dot = part == 3 ? digit_dot(v, 1, 4, x + 4 * i, 4, cols)
                                    : digit_dot(v, 4, 5, x + 4 * i, part < 2 ? 32 : 16, cols);
            sum[i] = _mm512_add_epi32(sum[i], dot);
            if (part == 3)
                sum[i] = _mm512_add_epi32(_mm512_srai_epi32(sum[i], 8),
                                          _mm512_set1_epi32(a->nsum256[b * cols + i]));
        }
    }
}

#include "kernels/x86/weights_avx512_tmpl.h"

W_KERNELS(tq1_0, plain, ROWS16_STRIDED)
W_KERNELS(tq1_0, r16, ROWS16_R16)

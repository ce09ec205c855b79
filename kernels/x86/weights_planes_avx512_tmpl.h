/*
 * Panel decoder and fused GEMV of one codebook format, for AVX512-VBMI. Included once by each
 * weights_FORMAT_avx512vbmi.c, which defines before:
 *
 *   W_FORMAT, W_BYTES, W_SUB, W_SHIFT, W_MIN, W_CUT  as for weights_avx512_tmpl.h
 *   W_GROUP   weights of an index: 8 or 4
 *   W_FIRST   where the chunks of 4 bytes begin: 2 behind an f16 d, else 0
 *   void read_planes(const uint8_t *block, int c, __m512i w[16]);
 *             the codes of weights 64 c .. 64 c + 63: 8 planes, twice (weights_planes_avx512.h);
 *             with W_SUB 256 the points: two vectors of packed numbers, twice
 *   void panel_codes(const uint8_t *block, int c, __m512i w[16]);
 *             planes of the codes as a panel has them
 *   void read_scales(const uint8_t *block, __m512 d, struct scales *sc);
 *             d: the f16 in front
 *
 * GEMV, by W_SUB: 32: integer sums meet their scale as floats. 16: vpmaddubsw adds two groups, which share a
 * scale, vpdpwssd multiplies by it; the sum over 256 stays integer. 256 (IQ1_S): sums over 32 fit int16, and
 * vpdpwssd takes two with their scales.
 */

#define W_ELEMS 256
#ifndef W_CUT
#define W_CUT NO_INT_SCALES
#endif

QB_INLINE __m512i odd_of(const struct scales *sc, int k)
{
    return planes_odd(_mm512_slli_epi32(sc->nibble[k], 1), 0x1e);
}

QB_INLINE void panel_scales(const struct scales *sc, struct qb_panel *p, int64_t b, int half)
{
    if (W_SUB == 256) {
        _mm512_store_ps(p->scale + b * QB_PANEL_ROWS + half * 16, _mm512_mul_ps(sc->d, _mm512_set1_ps(8)));
        _mm512_store_ps(p->min_scale + b * QB_PANEL_ROWS + half * 16, sc->d);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            _mm512_store_si512(p->min_pair + ((b * 4 + i) * QB_PANEL_ROWS + half * 16) * 2, sc->down[i]);
        return;
    }
    __m512i pair[8];
    QB_UNROLL
    for (int i = 0; i < 128 / W_SUB; i++)
        pair[i] = W_SUB == 16 ? sc->odd[i] : pack_pair(odd_of(sc, 2 * i), odd_of(sc, 2 * i + 1));
    panel_int_scales(p, b, half, pair, 128 / W_SUB, sc->d, W_CUT);
}

/* Decode 16 rows into half `half` of the panel. */
QB_INLINE void panel_half(const struct qb_matrix *m, int64_t row0, int64_t k0, int64_t n_k,
                          struct qb_panel *p, int half, enum rows16_kind kind)
{
    struct rows16 s;
    uint8_t space[PLANES_SPACE] __attribute__((aligned(64)));
    rows16_init(&s, m, row0, k0, kind);
    for (int64_t b = 0; b < n_k / W_ELEMS; b++, rows16_next(&s, W_BYTES, kind)) {
        const uint8_t *block = planes_block(&s, W_FIRST, W_BYTES, kind, space);
        struct scales sc;
        read_scales(block, W_FIRST ? rows16_scale(&s, 0, 0, kind) : _mm512_setzero_ps(), &sc);
        panel_scales(&sc, p, b, half);
        for (int c = 0; c < W_ELEMS / 64; c++) {
            uint8_t *code = p->code + (b * W_ELEMS + c * 64) * QB_PANEL_ROWS + half * 64;
            __m512i w[16], out[16];
            rows16_prefetch(&s, 16 * W_BYTES / 4, kind);
            panel_codes(block, c, w);
            planes_to_rows(w, W_GROUP, out);
            planes_to_rows(w + 8, W_GROUP, out + 8);
            QB_UNROLL
            for (int v = 0; v < 16; v++)
                _mm512_store_si512(code + v * 128, out[v]);
        }
    }
}

/* Four activations of column i for plane p of 32-block k. */
QB_INLINE const int8_t *gemv_x4(const int8_t *x, int k, int p, int i, int cols)
{
    return x + ((k * 8 + p) * cols + i) * 4;
}

/* Planes of 32 weights times the activations of column i: two chains. */
QB_INLINE __m512i gemv_dot(__m512i start, const __m512i w[8], const int8_t *x, int k, int i, int cols)
{
    __m512i even = start, odd = _mm512_setzero_si512();
    QB_UNROLL
    for (int p = 0; p < 8; p += 2) {
        even = planes_dot4(even, w[p], gemv_x4(x, k, p, i, cols));
        odd = planes_dot4(odd, w[p + 1], gemv_x4(x, k, p + 1, i, cols));
    }
    return _mm512_add_epi32(even, odd);
}

/*
 * Points of 8 as two bytes of four numbers of two bits, times the activations: field f of a byte is taken
 * where it stands, 4^f times too large.
 */
QB_INLINE __m512i gemv_fields(const __m512i half[2], const int8_t *x, int k, int i, int cols)
{
    __m512i sum[4];
    QB_UNROLL
    for (int f = 0; f < 4; f++) {
        const __m512i field = _mm512_set1_epi8((char)(3 << (2 * f)));
        sum[f] = _mm512_setzero_si512();
        QB_UNROLL
        for (int n = 0; n < 2; n++)
            sum[f] = planes_dot4(sum[f], _mm512_and_si512(half[n], field), gemv_x4(x, k, 4 * n + f, i, cols));
        sum[f] = _mm512_srai_epi32(sum[f], 2 * f);
    }
    return _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3]));
}

/* The sum of one column over a block of 16 rows; four chains. */
struct gemv_sum {
    __m512 f;     /* W_SUB 32 */
    __m512i i[4]; /* 16, 256 */
};

QB_INLINE void gemv_chunk(struct gemv_sum *sum, const struct scales *sc, const __m512i w[16], const int8_t *x,
                          const int32_t *nsum32, int c, int i, int cols)
{
    if (W_SUB == 256) {
        __m512i d0 = gemv_fields(w, x, 2 * c, i, cols);
        __m512i d1 = gemv_fields(w + 2, x, 2 * c + 1, i, cols);
        sum->i[0] = _mm512_dpwssd_epi32(sum->i[0], pack_pair(d0, d1), sc->odd[c]);
        return;
    }
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        if (W_SUB == 32) {
            __m512i start = _mm512_slli_epi32(_mm512_set1_epi32(nsum32[k * cols + i]), W_SHIFT);
            __m512i dot = gemv_dot(start, w + 8 * h, x, k, i, cols);
            sum->f = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), planes_odd_ps(sc->nibble[k]), sum->f);
        }
        QB_UNROLL
        for (int p = 0; p < 8 && W_SUB == 16; p++) {
            __m512i x4 = _mm512_set1_epi32(*(const int32_t *)gemv_x4(x, k, p, i, cols));
            __m512i pairs = _mm512_maddubs_epi16(w[8 * h + p], x4);
            sum->i[p % 4] = _mm512_dpwssd_epi32(sum->i[p % 4], pairs, sc->odd[k]);
        }
    }
}

/* What offset and minima add: integer factors times the negated sums of the activations. */
QB_INLINE __m512 gemv_total(const struct gemv_sum *sum, const struct scales *sc, const struct qb_act *a,
                            int64_t b, int i, int cols)
{
    if (W_SUB == 32)
        return sum->f;
    __m512i t =
        _mm512_add_epi32(_mm512_add_epi32(sum->i[0], sum->i[1]), _mm512_add_epi32(sum->i[2], sum->i[3]));
    if (W_SUB == 256)
        return _mm512_cvtepi32_ps(iq1_s_total(t, sc, a->npair + b * 8 * cols, i, cols));
    __m512i n = planes_scaled_sums(sc->odd, 8, a->npair16 + b * 16 * cols, i, cols);
    t = _mm512_add_epi32(t, _mm512_slli_epi32(n, W_SHIFT));
    return _mm512_cvtepi32_ps(t);
}

/* acc[c] += what one block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    uint8_t space[PLANES_SPACE] __attribute__((aligned(64)));
    int8_t x[QB_GEMV_MAX_COLS * W_ELEMS] __attribute__((aligned(64)));
    const uint8_t *block = planes_block(s, W_FIRST, W_BYTES, kind, space);
    const int32_t *nsum32 = a->nsum32 + b * 8 * cols;
    struct gemv_sum sum[QB_GEMV_MAX_COLS];
    struct scales sc;
    planes_order(a->q + b * W_ELEMS * cols, cols, W_GROUP, x);
    read_scales(block, W_FIRST ? rows16_scale(s, 0, 0, kind) : _mm512_setzero_ps(), &sc);
    QB_UNROLL
    for (int i = 0; i < QB_GEMV_MAX_COLS; i++) {
        sum[i].f = _mm512_setzero_ps();
        sum[i].i[0] = sum[i].i[1] = sum[i].i[2] = sum[i].i[3] = _mm512_setzero_si512();
    }
    for (int c = 0; c < W_ELEMS / 64; c++) { /* not unrolled: gcc then keeps what it decodes in memory */
        __m512i w[16];
        rows16_prefetch(s, 16 * W_BYTES / 4, kind);
        read_planes(block, c, w);
        QB_UNROLL
        for (int i = 0; i < cols; i++)
            gemv_chunk(&sum[i], &sc, w, x, nsum32, c, i, cols);
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 d = _mm512_mul_ps(sc.d, _mm512_set1_ps(a->scale[b * cols + i]));
        acc[i] = _mm512_fmadd_ps(gemv_total(&sum[i], &sc, a, b, i, cols), d, acc[i]);
    }
}

#define W_ISA avx512vbmi
#include "kernels/x86/weights_avx512_calls_tmpl.h"

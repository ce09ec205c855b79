/*
 * BF16 weights times activations rounded to BF16, vdpbf16ps: pairs along k, sums in f32. The instruction
 * takes subnormal inputs as zero and flushes subnormal sums (Intel SDM, VDPBF16PS): both are below 2^-126 and
 * lost next to any weight.
 */
#include "kernels/x86/simd_avx512.h"

#include "kernels/kernel_protos.h"
#include "kernels/x86/gemv_float_tmpl.h"

#define TILE_COLS  7
#define R16_GROUPS 4
INLINE vf dot_pairs(vf acc, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

/* An odd last weight pairs with zero. */
INLINE __m512i load_pairs_n(const uint8_t *p, int n_weights)
{
    return _mm512_maskz_loadu_epi16((__mmask32)((1ull << n_weights) - 1), p);
}

void qb_decode_panel_bf16_plain_avx512bf16(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0,
                                           int64_t n_k, struct qb_panel *p)
{
    p->offset_shift = QB_OFFSET_NONE;
    for (int r0 = 0; r0 < QB_PANEL_ROWS; r0 += 16) {
        const uint8_t *row[16];
        for (int r = 0; r < 16; r++)
            row[r] =
                m->data + (size_t)((row0 + (r0 + r < n_rows ? r0 + r : n_rows - 1)) * m->n_cols + k0) * 2;
        for (int64_t k = 0; k < n_k; k += 32) {
            vf v[16];
            int n = n_k - k < 32 ? (int)(n_k - k) : 32;
            UNROLL
            for (int r = 0; r < 16; r++)
                v[r] = _mm512_castsi512_ps(load_pairs_n(row[r] + 2 * k, n));
            vf_transpose(v);
            float *out = (float *)(void *)p->bf16 + k / 2 * QB_PANEL_ROWS + r0;
            for (int i = 0; 2 * i < n; i++)
                vf_store(out + i * QB_PANEL_ROWS, v[i]);
        }
    }
}

void qb_decode_panel_bf16_r16_avx512bf16(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0,
                                         int64_t n_k, struct qb_panel *p)
{
    p->offset_shift = QB_OFFSET_NONE;
    uint32_t *panel = (uint32_t *)(void *)p->bf16;
    for (int g = 0; g * 16 < n_rows; g++) {
        const uint8_t *w = m->data + (size_t)((row0 + g * 16) * m->n_cols + k0 * 16) * 2;
        for (int64_t i = 0; i < n_k / 2; i++)
            _mm512_store_si512(panel + i * QB_PANEL_ROWS + g * 16, _mm512_loadu_si512(w + i * 64));
    }
    for (int64_t i = 0; n_rows < QB_PANEL_ROWS && i < n_k / 2; i++)
        for (int r = n_rows; r < QB_PANEL_ROWS; r++)
            panel[i * QB_PANEL_ROWS + r] = panel[i * QB_PANEL_ROWS + n_rows - 1];
}

INLINE void tile_bf16(const struct qb_panel *p, const struct qb_act *a, int64_t c0, int w, int64_t k0,
                      int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    const int32_t *x = (const int32_t *)(const void *)a->bf16 + (c0 * a->n_k + k0 * w) / 2;
    const uint16_t *panel = p->bf16;
    vf acc0[TILE_COLS], acc1[TILE_COLS];
    UNROLL
    for (int c = 0; c < w; c++)
        acc0[c] = acc1[c] = vf_zero();
    for (int64_t i = 0; i < (n_k + 1) / 2; i++, panel += 2 * QB_PANEL_ROWS, x += w) {
        __m512i w0 = _mm512_load_si512(panel), w1 = _mm512_load_si512(panel + 32);
        UNROLL
        for (int c = 0; c < w; c++) {
            __m512i b = _mm512_set1_epi32(x[c]);
            acc0[c] = dot_pairs(acc0[c], w0, b);
            acc1[c] = dot_pairs(acc1[c], w1, b);
        }
    }
    UNROLL
    for (int c = 0; c < w; c++) {
        float *o = out + (size_t)c * ldo;
        const float *start = qb_start_at(from, (size_t)c * ldf);
        vf_store(o, start ? vf_add(vf_load(start), acc0[c]) : acc0[c]);
        vf_store(o + 16, start ? vf_add(vf_load(start + 16), acc1[c]) : acc1[c]);
    }
}

#define TILE_CASE(W)                                                                                         \
    case W:                                                                                                  \
        tile_bf16(p, a, c0, W, k0, n_k, from, ldf, out, ldo);                                                \
        break;

void qb_tile_bf16_avx512bf16(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                             int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    for (int w; t0 < t1; t0++, out += (size_t)w * ldo) {
        int64_t c0 = qb_act_tile(a, t0, &w);
        switch (w) {
            TILE_CASE(1)
            TILE_CASE(2)
            TILE_CASE(3)
            TILE_CASE(4)
            TILE_CASE(5)
            TILE_CASE(6)
            TILE_CASE(7)
        }
        from = qb_start_at(from, (size_t)w * ldf);
    }
}

/* n_rows plain rows against w columns of n_pairs pairs, `stride` apart. */
INLINE void dot_rows(const uint8_t *rows, size_t row_step, int n_rows, const uint32_t *x, size_t stride,
                     int w, int64_t n_pairs, float (*sum)[QB_GEMV_MAX_COLS])
{
    vf acc[MAX_ROWS][QB_GEMV_MAX_COLS];
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int c = 0; c < w; c++)
            acc[r][c] = vf_zero();
    }
    for (int64_t k = 0; k < n_pairs; k += 16) {
        __m512i b[QB_GEMV_MAX_COLS];
        __mmask16 mask = n_pairs - k < 16 ? vf_mask((int)(n_pairs - k)) : 0xffff;
        UNROLL
        for (int c = 0; c < w; c++)
            b[c] = _mm512_maskz_loadu_epi32(mask, x + (size_t)c * stride + k);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const uint8_t *p = rows + (size_t)r * row_step + (size_t)k * 4;
            __m512i v = _mm512_maskz_loadu_epi32(mask, p);
            __builtin_prefetch(p + PREFETCH_BYTES);
            UNROLL
            for (int c = 0; c < w; c++)
                acc[r][c] = dot_pairs(acc[r][c], v, b[c]);
        }
    }
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int c = 0; c < w; c++)
            sum[r][c] = vf_hsum(acc[r][c]);
    }
}

/* As gemv_plain in float_tmpl.h, with pairs for floats. */
INLINE void gemv_plain(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a, int w,
                       struct gemv_out o)
{
    uint32_t split[SPLIT_VALUES];
    float sum[MAX_ROWS][QB_GEMV_MAX_COLS];
    size_t row_bytes = (size_t)m->n_cols * 2;
    int64_t n_pairs = m->n_cols / 2, slice = w == 1 ? n_pairs : SPLIT_VALUES / w / 16 * 16;
    for (int64_t k = 0; k < n_pairs; k += slice) {
        int64_t n = n_pairs - k < slice ? n_pairs - k : slice;
        const uint32_t *x = split_columns((const uint32_t *)(const void *)a->bf16 + k * w, w, n, split);
        const uint8_t *rows = m->data + (size_t)row0 * row_bytes + (size_t)k * 4;
        int64_t run = n_rows / MAX_ROWS, r = 0;
        for (; r < run; r++) {
            dot_rows(rows + (size_t)r * row_bytes, (size_t)run * row_bytes, MAX_ROWS, x, (size_t)n, w, n,
                     sum);
            gemv_store(o, row0 + r, run, MAX_ROWS, w, sum);
        }
        for (r = run * MAX_ROWS; r < n_rows; r++) {
            dot_rows(rows + (size_t)r * row_bytes, 0, 1, x, (size_t)n, w, n, sum);
            gemv_store(o, row0 + r, 1, 1, w, sum);
        }
        o.accumulate = true;
        o.bias = NULL;
    }
}

INLINE void gemv_groups(const struct qb_matrix *m, int64_t row, int64_t end, int groups, const int32_t *x,
                        int w, struct gemv_out o)
{
    size_t group_bytes = (size_t)m->n_cols * 32;
    const uint8_t *base = m->data + (size_t)(row / 16) * group_bytes;
    vf acc[R16_GROUPS][QB_GEMV_MAX_COLS];
    UNROLL
    for (int g = 0; g < groups; g++) {
        UNROLL
        for (int c = 0; c < w; c++)
            acc[g][c] = vf_zero();
    }
    for (int64_t i = 0; i < m->n_cols / 2; i++, x += w) {
        UNROLL
        for (int g = 0; g < groups; g++) {
            const uint8_t *p = base + (size_t)g * group_bytes + (size_t)i * 64;
            __m512i v = _mm512_loadu_si512(p);
            __builtin_prefetch(p + PREFETCH_BYTES);
            UNROLL
            for (int c = 0; c < w; c++)
                acc[g][c] = dot_pairs(acc[g][c], v, _mm512_set1_epi32(x[c]));
        }
    }
    UNROLL
    for (int g = 0; g < groups; g++) {
        int64_t at = row + g * 16;
        int n = end - at < 16 ? (int)(end - at) : 16;
        UNROLL
        for (int c = 0; c < w; c++)
            gemv_store_rows(o, at, n, c, acc[g][c]);
    }
}

INLINE void gemv_r16(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a, int w,
                     struct gemv_out o)
{
    int64_t row = row0, end = row0 + n_rows;
    const int32_t *x = (const int32_t *)(const void *)a->bf16;
    for (; row + 16 * R16_GROUPS <= end; row += 16 * R16_GROUPS)
        gemv_groups(m, row, end, R16_GROUPS, x, w, o);
    for (; row < end; row += 16)
        gemv_groups(m, row, end, 1, x, w, o);
}

#define GEMV_FN(name, how)                                                                                   \
    void name(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,               \
              const float *bias, bool accumulate, float *out, size_t ldo)                                    \
    {                                                                                                        \
        struct gemv_out o = {bias, accumulate, out, ldo};                                                    \
        switch (a->n_cols) {                                                                                 \
        case 1:                                                                                              \
            how(m, row0, n_rows, a, 1, o);                                                                   \
            break;                                                                                           \
        case 2:                                                                                              \
            how(m, row0, n_rows, a, 2, o);                                                                   \
            break;                                                                                           \
        case 3:                                                                                              \
            how(m, row0, n_rows, a, 3, o);                                                                   \
            break;                                                                                           \
        case 4:                                                                                              \
            how(m, row0, n_rows, a, 4, o);                                                                   \
            break;                                                                                           \
        }                                                                                                    \
    }
GEMV_FN(qb_gemv_bf16_plain_avx512bf16, gemv_plain)
GEMV_FN(qb_gemv_bf16_r16_avx512bf16, gemv_r16)
